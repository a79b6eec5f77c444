"""The frozen schema: what every column must be.

definitions.py     the whole table, as plain values
entries.py         the file's keys and types
infer.py           a first schema from the data
raw_columns.py     columns of data/raw, one by one
advice.py          columns that deserve a look
level_advice.py    targets and levels that do
schema_file.py     data/schemas/NAME.yaml, read and written
contradictions.py  what no schema file can mean
freeze.py          comparison with data, merged changes
severities.py      every rule and its severity
expressions.py     the language of cross-column checks
"""
