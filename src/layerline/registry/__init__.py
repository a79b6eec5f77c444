"""The registry: versions in MLflow, and which of them is the champion.

register.py          the register stage, in order
candidate.py         what is registered, from a checkout
holdout.py           raw test rows and their truth
registration.py      a bundle becomes a version, once
mlflow_model.py      the MLflow model around a bundle
pyfunc_model.py      its code, for MLflow
model.py             old import path of versions
verifier.py          a fresh process that predicts
verifier_process.py  what that process runs
contest.py           champion and challenger, same rows
gate.py              which of them is better
gate_rules.py        the gate's other rules
description.py       what pages say of a version
lineage_file.py      lineage.json in the version's run
promotion.py         the alias and its history
integrity.py         unchanged since registration?
administration.py    promote, roll back, verify, history
version_files.py     hashes, MLmodel, compiled code
loaded_version.py    what pyfunc loads, against its tags
download.py          a version's bundle, fetched
predict.py           a version predicts a file
client.py            the store's client and lock
"""
