"""The frozen schema: what every column must look like.

columns.py    the plain values      inferring.py  a first schema from the data
files.py      data/schemas/NAME.yaml, read, checked and written
"""
