"""Tracking: a stage writes events to a journal; a flusher replays journals into MLflow.

    journal.py    what a stage calls; appends JSON lines, never imports MLflow
    processes.py  who wrote a journal, and whether that process is gone
    spool.py      the journals of one checkout: list, lock, close dead ones, mark done, prune
    lineage.py    git, dvc.lock and the reason a stage ran, as tags
    follower.py   starts a flusher beside a training
    closing.py    the last flush, after DVC has ended
    troubles.py   what the follower met, for the training to tell its user
    importing.py  MLflow, imported quietly
    store.py      where MLflow's store is, and its creation under a lock
    database.py   the sqlite database of one's own
    template.py   writes mlflow_store.sql, from which an empty store is made at once
    training_log.py  what the train stage logs
    batches.py    events gathered within the limits of MLflow's log_batch
    replay.py     one journal into one run, exactly once
    flush.py      all journals of a checkout, or one while it grows

Only what sends to MLflow imports it, and only when they have work.
"""
