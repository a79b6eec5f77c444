"""Evaluation: from a network's outputs to figures a person can decide by.

predictions.py  outputs to probabilities or the user's unit     metrics.py  figures a split
comparison.py   bootstrap intervals, alone and paired           plots.py    what to look at
card.py         the model card
"""
