"""Studies: questions that take many trainings to answer.

A search varies params and looks for the best:

    study_file.py      what a study's file says
    search_space.py    values drawn, or a grid
    search_methods.py  samplers and pruners by name
    search_objectives.py metrics and costs to optimise
    study_setup.py     a file checked, a study opened
    study_storage.py   journal file, or a database
    trial_slots.py     each planned trial exactly once
    search_trial.py    one training, in process
    trial_training.py  a trial's trainings and its pruner
    fold_data.py       one fold to validate on
    search_worker.py   trials, one after another
    search.py          workers started and watched
    study_journal.py   parent and child runs
    trial_line.py      one line for each trial
    search_plots.py    Optuna's plots as PNG
    search_report.py   table, JSON and page

A comparison asks which variant is better, from equal seeds:

    means.py              means over seeds, with intervals
    comparison.py         variants trained, seed by seed
    variant_report.py     paired gains, verdicts, plots
    train_subset.py       fewer train rows, the same others
    learning_curve.py     error by rows, extrapolated

And whether transfer is worth it:

    trial.py           one training: rows, start, seed
    transfer_study.py  scratch, feature extraction, fine-tuning compared
    study_report.py    table, JSON and curve
"""
