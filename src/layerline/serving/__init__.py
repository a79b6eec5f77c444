"""Serving: a registered model behind HTTP.

server.py              the process: socket, signals
app.py                 the routes
middleware.py          token, body size, time, load
uploads.py             CSV, Parquet, npy bodies -> rows
json_rows.py           JSON rows -> two matrices
category_codes.py      levels -> codes
column_checks.py       faults by row and field
request_handler.py     a body -> predictions
compiled_model.py      a model as arrays
numpy_network.py       an MLP as numpy products
load_model.py          URI -> verified, warm model
live_model.py          follows the alias, swaps champions
openapi.py             the OpenAPI schema of a model
prometheus_metrics.py  counters at /metrics
request_log.py         sampled rows, for drift checks

No valid request uses pandas unless it uploads a file, or writes values in an unusual form.
"""
