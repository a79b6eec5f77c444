"""Runs: what the store knows of them, shown in users' terms.

    open_store.py         journals sent, then the store opened
    run.py                a run, read from MLflow
    resolve.py            the run meant by id, name, alias
    param_differences.py  params that differ; their short names
    dvc_hashes.py         md5 of files, recorded by DVC
    list_runs.py          `layerline runs`: newest first
    explain.py            `--why`: changes since the previous run
    explanation_text.py   that explanation as text
    find.py               `--find`: who made or used a file
    digests.py            the hash asked for; a run's hashes
    sweep.py              `--sweep`: dead runs are closed
    compare.py            `layerline compare`: runs side by side
    shared_rows.py        test rows in common, and their metrics
    curves_plot.py        learning curves in one PNG
    registered_model.py   does the registry still have it
    restored_run.py       a lost training run, logged again
    comparison_report.py  the comparison as Markdown and JSON

MLflow is imported when the store is opened, not before.
"""
