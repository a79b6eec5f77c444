"""Studies: questions that take many trainings to answer.

trial.py           one training: rows, start, seed
transfer_study.py  scratch, feature extraction, fine-tuning compared
study_report.py    means, intervals, table, curve
"""
