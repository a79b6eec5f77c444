"""Reading a user's files exactly: no value is changed in silence.

finding.py    paths, patterns, folders to files   remote.py      http(s) and s3, copied once
delimited.py  CSV and TSV as text, defensively    json_lines.py  one object a line
columnar.py   Parquet and Arrow                   parsing.py     text columns to types
streams.py    a file as batches, a column's type  surveying.py   every column looked at first
guarding.py   a file stays as it was              files.py       many files to one table
"""
