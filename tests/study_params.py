"""params.yaml of the small table that studies are tested on."""

PARAMS = """\
project: p
seed: 3
fetch: {source: files, options: {path: t.csv}, target: label}
threads: 1
validate: {}
scale: {}
train:
  options: {hidden: [8], dropout: 0.1}
  optimizer: {name: adamw, learning_rate: 0.02}  # fast
  batch_size: 16
  epochs: 6
  early_stopping: null
  device: cpu
evaluate: {}
register: {}
"""
