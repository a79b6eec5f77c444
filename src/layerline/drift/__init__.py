"""Drift: new rows compared with the training rows of a registered model.

column_counts     new rows counted against a sketch
two_sample_tests  p-values and effects of counts
new_rows          a file's or log's rows, counted
joint_sample      rows drawn, as plain columns
joint_test        a classifier tells samples apart
learnt_rows       training rows in data/validated
drift_check       every column tested, and adjusted
drift_report      drift.json, drift.html, the plot
registered_drift  the same against a registered version

To add a test: a function in two_sample_tests.py, a line in LEAST_EFFECT, and its call in
`drift_check.findings`.
"""
