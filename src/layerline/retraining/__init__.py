"""Retraining on a schedule: `layerline retrain`, run by cron or systemd.

retrain            one run: lock, sources, `dvc repro`, verdict
new_data           rows that are new, and their drift
triggers           `retrain.when`: train, or wait
served_champion    the champion's age and live score
live_rows          truths joined to what was served
live_score         its score, by version and day
sequential_test    one model or another, row by row
shadow_verdict     the challenger's test by live rows
predecessor        the version before, on the same rows
alias_moves        promoted by the shadow, rolled back
alerts             one message a change of state
alert_channels     webhook, mail, command
foreground         a scheduler that just runs here
scheduler_files    files for cron, systemd, Airflow, ...
scheduler_templates/  their templates
backtest           other policies, replayed
past_periods       a table's past, and its trainings
backtest_report    backtest.json, the page, the plot
register_again     a model that the registry lost
disk_space         room for another training
pruning            what is no longer needed
deleted_runs       those that MLflow still keeps
dvc_process        `dvc` as a child process, stoppable
stage_imports       what stages import, imported once
warm_steps          steps in forks of that process
log                reports/retrain.jsonl, one line a run
"""
