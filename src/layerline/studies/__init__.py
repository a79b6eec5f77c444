"""Questions that one training cannot answer: many small ones, compared.

cells.py     one training of a study, from its rows to its figure
transfer.py  all of them: from scratch, feature extraction and fine-tuning by number of rows
telling.py   means, intervals, the table and the curve
"""
