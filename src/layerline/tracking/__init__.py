"""Tracking: a stage writes events to a journal; a flusher replays journals into MLflow.

    journal.py            what a stage logs to
    journal_lines.py      one event a line, with checksum
    journal_file.py       the file: created, appended, closed
    journal_reader.py     events in order, each once
    journal_damage.py     damaged lines, set aside and reported
    training_log.py       what pipeline/train.py logs
    provenance.py         data sets, files, network of a training
    source_tags.py        git and DVC state as tags
    dvc_lock.py           dvc.lock and its cache, without DVC
    run_reasons.py        why a stage ran
    restored_stages.py    stages restored from DVC's cache
    system_metrics.py     the machine's load while training
    tracking_switch.py             LAYERLINE_TRACKING=off
    processes.py          who wrote a journal; is it gone
    spool.py              the journals of one checkout
    follower.py           starts a flusher in parallel with a stage
    final_flush.py        the last flush, after DVC ended
    delivery_problems.py  why a journal cannot be sent now
    mlflow_import.py      MLflow, imported quietly
    store.py              where MLflow's store is
    model_uri.py          models:/NAME@ALIAS taken apart
    version_tags.py       sha256 of versions compared
    deadline.py           how long a remote store may take
    store_session.py      the store opened for one command
    store_history.py      a lost store is not a new one
    database.py           the checkout's own sqlite database
    template.py           writes mlflow_store.sql, an empty store
    mlflow_runs.py        the MLflow run of a key
    run_list.py           columns that MLflow's list shows
    ui_app.py             MLflow's pages, opened on trainings
    mlflow_names.py       metrics grouped, lineage hidden, in MLflow
    log_batches.py        events batched for log_batch
    shared_looks.py       looks at test rows, team-wide
    replay.py             one journal into one run, exactly once
    flush.py              all journals, or one while it grows

Only what sends to MLflow imports it, and only when there is something to send.
"""
