"""Drift: new rows compared with the training rows of a registered model.

column_counts     new rows counted against a sketch
two_sample_tests  p-values and effects of counts
new_rows          a file's or log's rows, counted
drift_check       every column tested, and adjusted
drift_report      drift.json, drift.html, the plot
registered_drift  the same against a registered version

To add a test: a function in two_sample_tests.py, a line in LEAST_EFFECT, and its call in
`drift_check.findings`.
"""
