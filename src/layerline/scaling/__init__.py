"""Scaling: rows are split, and columns become the network's arrays.

scale           the stage: split, fit, write
preprocessing/  columns to features, fitted and frozen
splitting/      which rows train, validate, test
split_rows      the split of every row
window          recent train rows, their weights
validated_data  data/validated with its manifest
stored_table    a table read piece by piece
array_writer    data/scaled written batch by batch
"""
