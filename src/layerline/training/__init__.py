"""Training: the loop and what it is made of. It knows no tracker: callers pass `on_epoch`.

loop.py        epochs and their records     session.py      a step, and the state of the next one
batching.py    rows to batches to steps     sampling.py     the order of an epoch's rows
rows.py        arrays in memory or mapped   prefetching.py  rows on their way to a GPU
graphs.py      steps recorded on CUDA       snapshots.py    what a killed training goes on from
building.py    from params.yaml to parts    running.py      the stage: arrays to models/network
material.py    what a training is made of   saving.py       what it leaves
device.py      threads, device, precision   diverging.py    where a loss stopped being finite
stopping.py    when to stop, what to keep   averaging.py    a running average of the weights
schedules.py   learning rates, by name      learning.py     what learns when, and how fast
objectives/, optimizers/, augmentation/     tables of losses, optimizers, augmentations
restarts/      several seeds at once        transfer/       from a source's weights
"""
