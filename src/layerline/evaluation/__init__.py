"""Evaluation: from a network's outputs to figures a person can decide by.

running.py      all of it in order: the evaluate stage        reporting.py   what it writes
predictions.py  outputs to probabilities or the user's unit   recording.py   predictions on disk
decision.py     temperature and threshold, part of the model  deciding.py    fitted on valid rows
metrics.py      figures a split                               resampling.py  of many resamples
comparison.py   bootstrap intervals, alone and paired         baselines.py   simpler models
slicing.py      figures by column    importance.py  worth of a column    mistakes.py  worst rows
diagnosis.py    how the fit went     findings.py    all that was found
curves.py       numbers to draw      plots.py       drawn      card.py, rendering.py  the card
"""
