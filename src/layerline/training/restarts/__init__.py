"""One training from several seeds: the best network is kept, or all of them as an ensemble.

Seeds are `seed`, `seed + 1`, ... Networks that can be stacked train together as one batched
network; the others, and a seed that diverges, one after another. Both ways each seed gives what it
gives alone: the same rows in the same order, the same dropout, its own early stopping.

session.py   a step of all seeds together      together.py  their epochs, records and best weights
running.py   which way is taken, what is kept
"""
