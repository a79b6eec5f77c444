"""The same model for other runtimes, preprocessing included: ONNX, and torch.export.

forms.py     frozen scalers, dates and target curves as arithmetic on tensors, by kind
portable.py  all of a model as one torch module (the table's columns are tensors already)
onnx.py      that module as ONNX, with an input for each column of the table
writing.py   the files, and the proof that they predict as the model does
"""
