"""Retraining on a schedule: `layerline retrain`, run by cron or systemd.

retrain            one run: lock, sources, `dvc repro`, verdict
register_again     a model that the registry lost
dvc_process        `dvc` as a child process, stoppable
log                reports/retrain.jsonl, one line a run

Drift, triggers and alerts belong between the sources and `dvc repro`, and after the verdict; none
of them is here yet.
"""
