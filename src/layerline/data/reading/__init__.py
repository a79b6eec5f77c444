"""Reading a user's files exactly: no value is changed in silence.

finding.py  paths and patterns to files       delimited.py  CSV and TSV as text, defensively
columnar.py Parquet                           parsing.py    text columns to types
files.py    many files to one table
"""
