"""Serving: a registered model behind HTTP.

columns.py    what a row must hold: one rule a column, its JSON schema and its message
rows.py       JSON rows -> a matrix of numbers and one of codes, without pandas
compiled.py   those -> predictions: the preprocessor and the network as arrays
uploads.py    CSV, Parquet and npy bodies -> rows
answering.py  a request's bytes -> the answer's
openapi.py    the OpenAPI schema, made from the model's columns
loading.py    a model URI -> a model that was verified and warmed
following.py  a new champion takes the old one's place, a bad one does not
figures.py    what Prometheus reads
request_log.py  a sample of the rows, for drift checks
guards.py     token, body size, time and load
app.py        the routes
running.py    the process

No request imports or touches pandas unless it uploads a file. A kind of column is one class and one
line in `columns.RULES`.
"""
