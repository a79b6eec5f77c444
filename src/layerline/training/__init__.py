"""Training: the loop and what it is made of. It knows no tracker: callers pass `on_epoch`.

train.py              the stage: data/scaled to models/network
setup.py              what a training is made of
members.py            one network or several, what is kept
member_settings.py    what members differ in
turns.py              trainings in turns, epoch by epoch
distillation.py       one network from an ensemble
member_choice.py      which members are worth keeping
monotone.py           columns that only raise predictions
ranked_session.py     a step of several ranks
rank_group.py         processes that train together
ranked_members.py     members divided among ranks
forked_ranks.py       members on all cores, by forks
fold_rows.py          rows held out of each network
stacking.py           which networks train as one
ensemble_curve.py     the curve of an ensemble
ensemble_builder.py   trained networks as one ensemble
fit.py                one network on rows in memory
loop.py               epochs, for one network or many
member.py             one network in training
session.py            a training step and its state
stacked_session.py    a step of stacked networks
session_builder.py    from params.yaml to a session
batching.py           rows to batches to steps
sampling.py           the order of an epoch's rows
dataset.py            arrays in memory or mapped
stand_in_rows.py      train rows for rare validation classes
prefetch.py           rows copied ahead to a GPU
epoch_records.py      what a training reports
epoch_measurement.py  an epoch's figures, per member
scores.py             other metrics to stop by
inference.py          outputs for many rows
early_stopping.py     when to stop, what to keep
cooldown.py           falling rates once patience is over
divergence.py         losses that stopped being finite
weight_averaging.py   a running average of weights
schedules.py          learning rates, by name
snapshots.py          killed trainings resume from these
cleanup.py            removes unused caches and snapshots
progress.py           the progress bar
output_files.py       files that a training writes
device.py             threads, device, precision
machine.py            memory of the machine
network_spec.py       the network that params ask for
learner.py            what is trained, and from where
fine_tuning.py        what learns when, and how fast
objectives/           losses and their links
optimizers/           optimizers and their traits
augmentation/         augmentations of batches
transfer/             training from a source's weights
"""
