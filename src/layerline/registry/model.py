"""Where versions registered before `layerline.model` existed import `load_bundle` from.

Their pyfunc_model.py, which is never rewritten, uses this path in a process that already imported
this layerline. New versions use `layerline.model.load`.
"""

from layerline.model.load import load_bundle
from layerline.model.predictor import Model

__all__ = ["Model", "load_bundle"]
