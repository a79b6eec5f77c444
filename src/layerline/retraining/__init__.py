"""Retraining by the clock: `layerline retrain`, run by cron or systemd.

running.py  one run: lock, sources, `dvc repro`, the verdict
sources.py  what DVC cannot watch and must be fetched again
records.py  reports/retrain.jsonl, one line a run, and what it says

Drift, triggers and alerts have their place between the sources and `dvc repro`, and after the
verdict; none of them is here yet.
"""
