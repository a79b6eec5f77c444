"""The same model for other runtimes, preprocessing included: ONNX, and torch.export.

tensor_transforms.py  frozen scalers, dates, targets on tensors
torch_module.py       the whole model as one module
onnx.py               that module as ONNX
export.py             the files, and their check
"""
