"""Enforcing the schema on rows.

checking.py  the whole check         enforcing.py  types, and pandera's columns
rules.py     broken rules in words   profiling.py  a short description of every column
"""
