"""Training: the loop and what it is made of. It knows no tracker: callers pass `on_epoch`.

loop.py        epochs and steps, with best weights kept
objectives.py  losses, by name          optimizers.py  optimizers, by name
schedules.py   learning rates, by name  stopping.py    when to stop, what to keep
device.py      threads, determinism, device, precision
rows.py        the arrays a network learns from
"""
