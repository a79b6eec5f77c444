"""The model: network, preprocessor and spec together, what a user predicts with; no MLflow here.

bundle.py           a model's folder: files, manifest
load.py             a bundle's folder -> a model
predictor.py        raw rows in, predictions out
inputs.py           raw columns -> the model's types
image_inputs.py     raw images -> uint8 arrays
refusals.py         rows that cannot be read
seen_rows.py        hashes of the training rows
column_sketch.py    one training column in figures
reference.py        what the training rows looked like
target_profile.py   the target's distribution, and shifts of it
predict_file.py     a file predicted into another
chunks.py           a file's rows in chunks
row_chunk.py        a chunk, how files are read
image_chunks.py     arrays and pictures in chunks
pictures.py         picture files as in training
table_writers.py    a table written in chunks
output_parts.py     predicted chunks of a resumable run
file_suffix.py      file formats by suffix
exporting/          ONNX and torch.export
"""
