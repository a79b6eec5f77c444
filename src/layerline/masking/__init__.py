"""Credentials masked wherever text leaves the process: the screen, the journal, MLflow, files.

names        names whose values are credentials
environment  values of environment variables
text         credentials in a text, by form
values       credentials in params and events
streams      stdout and stderr, masked
"""

from layerline.masking.names import is_telling
from layerline.masking.streams import mask_output
from layerline.masking.text import HIDDEN, masked
from layerline.masking.values import credentials_in, masked_value

__all__ = ["HIDDEN", "credentials_in", "is_telling", "mask_output", "masked", "masked_value"]
