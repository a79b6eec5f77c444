"""The registry: models on disk, versions in MLflow, and which of them is the champion.

bundle.py        what a model is on disk, and how it predicts (inputs.py, pixels.py: raw rows in)
packaging.py     the MLflow model around a bundle (pyfunc_model.py is its code)
registration.py  a bundle becomes a version, once
verification.py  a version is loaded in a fresh process (verifier.py)
contest.py       both as loaded afresh, on the same rows (holdout.py)     gate.py  which is better
promotion.py     who is champion
access.py        the store's client, the project's lock, errors
register.py      all of it in order: the register stage
predicting.py    files in, files out (chunks.py: formats)
"""
