"""The registry: models on disk, versions in MLflow, and which of them is the champion.

bundle.py        what a model is on disk, and how it predicts (inputs.py, pixels.py: raw rows in)
packaging.py     the MLflow model around a bundle (pyfunc_model.py is its code)
registration.py  a bundle becomes a version, once
verification.py  a version is loaded in a fresh process (verifier.py)
candidate.py     what is to be registered, read from a checkout (holdout.py: its test rows)
contest.py       both as loaded afresh, on the same rows
gate.py          which is better (rules.py: what else must hold; slicing.py, seen.py: which rows)
promotion.py     who is champion
proof.py         is a version still what was registered     by_hand.py  what people do
client.py        the store's client, the project's lock, errors
register.py      all of it in order: the register stage
predicting.py    files in, files out (chunks.py: formats)
"""
