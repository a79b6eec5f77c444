"""Error by number of train rows as a power law, and what twice the rows would bring.

Source: Hestness et al., Deep Learning Scaling is Predictable, Empirically (2017).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import curve_fit


class PowerLaw(NamedTuple):
    """error = floor + scale * rows ** -exponent."""

    floor: float
    scale: float
    exponent: float

    def error(self, n_rows: float) -> float:
        """The error that so many rows would leave."""
        return float(self.floor + self.scale * n_rows**-self.exponent)


def fit_power_law(n_rows: Sequence[float], errors: Sequence[float]) -> PowerLaw | None:
    """Fit the law to at least four sizes; None where they do not follow one.

    >>> law = fit_power_law([100, 200, 400, 800], [0.2, 0.15, 0.125, 0.1125])
    >>> round(law.error(1600), 4)
    0.1063
    """
    if len(n_rows) < 4:
        return None
    rows, values = np.asarray(n_rows, float), np.asarray(errors, float)
    start = (0.0, float(values.max() * rows.min() ** 0.5), 0.5)
    limits = ((0.0, 0.0, 0.01), (float(max(values.min(), 1e-12)), np.inf, 3.0))
    try:
        found, _ = curve_fit(lambda n, a, b, c: a + b * n**-c, rows, values, start, bounds=limits)
    except (RuntimeError, ValueError):
        return None
    return PowerLaw(*map(float, found))
