"""Trainings that start from known weights.

sources.py   the weights and what is known of them     blocks.py    head and blocks of a network
contract.py  what must fit before anything is trained  columns.py   columns and features by name
heads.py     the head's rows by class                  loading.py   weights into the network, told
inputs.py    the weights of a table's features
choosing.py  which parameters learn, when, how fast    adapters.py  low-rank adapters
features.py  what a frozen backbone makes of the rows, kept on disk
starting.py  all of it in order                        opening.py   that, of a workspace
holdout.py   rows that the source knew                 forgetting.py  what is still known of them

Where the weights come from (MLflow, DVC, torchvision) is layerline.origins' work.
"""
