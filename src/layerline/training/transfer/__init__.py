"""Trainings that start from known weights.

source_weights.py   the weights and what describes them
compatibility.py    what must fit before training
column_matching.py  columns and features by name
head_weights.py     the head's rows by class
input_weights.py    weights of a table's features
weight_loading.py   weights into the network, reported
depth.py            head and blocks of a network
selection.py        which parameters learn, and when
adapters.py         low-rank adapters
feature_cache.py    features of a frozen backbone
start.py            all of it in order
prepare.py          the same, in a workspace
source_rows.py      rows that the source knew
forgetting.py       losses on them, before and after

Where the weights come from (MLflow, DVC, torchvision) is the work of layerline.origins.
"""
