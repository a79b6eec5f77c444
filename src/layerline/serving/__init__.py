"""Serving: a registered model behind HTTP.

server.py              the process: socket, signals
http_protocol.py       connections with bounded headers
draining.py            an end that resets nothing
fork_server.py         processes forked from a clean one
worker_pool.py         the server's side of workers
upload_worker.py       what a worker process does
worker_frames.py       messages between the two
app.py                 the routes
middleware.py          token, body size, time, load
uploads.py             CSV, Parquet, npy bodies -> rows
json_rows.py           JSON rows -> two matrices
category_codes.py      levels -> codes
column_checks.py       faults by row and field
request_handler.py     a body -> predictions
compiled_model.py      a model as arrays
numpy_network.py       MLPs and ensembles as numpy products
numpy_embeddings.py    embeddings as numpy gathers
load_model.py          URI -> verified, warm model
live_model.py          follows the alias, swaps champions
openapi.py             the OpenAPI schema of a model
docs_page.py           /docs without a CDN
prometheus_metrics.py  counters at /metrics
request_log.py         sampled rows, for drift checks
shadow.py              a second model, never answered
answer_ids.py          ids with a hash inside
replayed.py            an answer given once more

Small JSON bodies are predicted in the server's own process, without pandas; files and large bodies
in a worker process, whose memory and time are limited.
"""
