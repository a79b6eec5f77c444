"""Figures as people read them."""

import math


def readable(value: float) -> str:
    """Four significant digits; thousands in groups of three rather than as a power of ten.

    >>> readable(34811.3), readable(0.98541), readable(1.23456e12)
    ('34,810', '0.9854', '1.235e+12')
    """
    if not math.isfinite(value) or not 1e4 <= abs(value) < 1e9:
        return f"{value:.4g}"
    return f"{float(f'{value:.4g}'):,.0f}"
