"""What numpy does to raw numbers, as arithmetic on float64 tensors that any runtime can do.

A form is a function of tensors and of the frozen object. FORMS has one for each kind of
`preprocessing.transforms`, PARTS and CYCLES one for each of `preprocessing.dates`; a test fails
where one is missing. sin, cos and erf are computed in float32: onnxruntime has them in no other.

Shape letters: B rows, F columns, Q quantiles.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from layerline.scaling.preprocessing import normal_quantiles as normal
from layerline.scaling.preprocessing.scalers import Affine, Power, Quantile
from layerline.scaling.preprocessing.scalers.quantile import OUTERMOST_SHARE
from layerline.scaling.preprocessing.target_transforms import TargetCurve

_LARGEST = 700.0  # beyond it exp is infinite in float64
_SURE = 1e-7  # normal shares nearer to 0 or 1 are 0 or 1


def _constant(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def affine(x: Tensor, form: Affine) -> Tensor:
    """(B, F) -> (B, F)."""
    z = (x - _constant(form.center)) / _constant(form.scale)
    return z / torch.sqrt(1 + (z / 3) ** 2) if form.clip else z


def power(x: Tensor, form: Power) -> Tensor:
    """(B, F) -> (B, F)."""
    lambdas = _constant(form.power)
    above, below = x.clamp(min=0), (-x).clamp(min=0)
    y = torch.where(x >= 0, _box_cox(above, lambdas), -_box_cox(below, 2 - lambdas))
    return (y - _constant(form.center)) / _constant(form.scale)


def _box_cox(x: Tensor, lambdas: Tensor) -> Tensor:
    logs = torch.log(x + 1)
    is_log = lambdas.abs() < 1e-12
    safe = torch.where(is_log, torch.ones_like(lambdas), lambdas)
    return torch.where(is_log, logs, (torch.exp((logs * safe).clamp(max=_LARGEST)) - 1) / safe)


def quantile(x: Tensor, form: Quantile) -> Tensor:
    """(B, F) -> (B, F)."""
    columns = [
        _shares(x[:, place], _constant(column)) for place, column in enumerate(form.quantiles)
    ]
    shares = torch.stack(columns, dim=1)
    if form.output == "uniform":
        return shares
    return normal_quantiles(shares.clamp(OUTERMOST_SHARE, 1 - OUTERMOST_SHARE))


def _shares(x: Tensor, quantiles: Tensor) -> Tensor:
    """(B,) -> (B,): the middle of the shares below and up to x."""
    last = len(quantiles) - 1
    at_most = (quantiles <= x[:, None]).to(torch.int64).sum(1)
    less = (quantiles < x[:, None]).to(torch.int64).sum(1)
    below = _line(x, quantiles, (at_most - 1).clamp(0, last - 1))
    above = _line(x, quantiles, (less - 1).clamp(0, last - 1))
    low, high = quantiles[0], quantiles[-1]
    ones = torch.ones_like(x)
    share = torch.where(x >= high, ones, 0.5 * (below + above))
    share = torch.where(x <= low, torch.zeros_like(x), share)
    return torch.where((x == high) & (low == high), 0.5 * ones, share)


def _line(x: Tensor, quantiles: Tensor, left: Tensor) -> Tensor:
    """The share at x on the straight line from the quantile `left` to the next one."""
    start, end = quantiles[left], quantiles[left + 1]
    width = torch.where(end > start, end - start, torch.ones_like(x))
    return (left + (x - start) / width) / (len(quantiles) - 1)


def normal_quantiles(p: Tensor) -> Tensor:
    """The inverse of the normal distribution function; see `preprocessing.normal`."""
    q = p - 0.5
    centre = q * _ratio(normal._CENTRE, 0.180625 - q.clamp(-0.425, 0.425) ** 2)
    r = torch.sqrt(-torch.log(torch.minimum(p, 1 - p)))
    outside = torch.where(r <= 5.0, _ratio(normal._SIDES, r - 1.6), _ratio(normal._TAILS, r - 5.0))
    return torch.where(q.abs() <= 0.425, centre, torch.where(q < 0, -outside, outside))


def _ratio(terms: tuple[tuple[float, ...], tuple[float, ...]], x: Tensor) -> Tensor:
    parts = []
    for coefficients in terms:
        value = torch.full_like(x, coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            value = value * x + coefficient
        parts.append(value)
    return parts[0] / parts[1]


FORMS: dict[type, Callable[[Tensor, Any], Tensor]] = {
    Affine: affine,
    Quantile: quantile,
    Power: power,
}


def _whole(days: Tensor) -> Tensor:
    return torch.floor(days)


def _modulo(x: Tensor, n: int) -> Tensor:
    return x - n * torch.floor(x / n)


def _year_month_day(days: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Days since 1970 -> the date.

    Source: Hinnant, chrono-Compatible Low-Level Date Algorithms, civil_from_days.
    """
    shifted = _whole(days) + 719468
    era = torch.floor(shifted / 146097)
    day = shifted - era * 146097
    leaps = torch.floor(day / 1460) - torch.floor(day / 36524) + torch.floor(day / 146096)
    years = torch.floor((day - leaps) / 365)
    of_year = day - (365 * years + torch.floor(years / 4) - torch.floor(years / 100))
    month = torch.floor((5 * of_year + 2) / 153)  # from March
    of_month = of_year - torch.floor((153 * month + 2) / 5) + 1
    month = torch.where(month < 10, month + 3, month - 9)
    year = years + era * 400
    return torch.where(month <= 2, year + 1, year), month, of_month


def _days_into_year(days: Tensor) -> Tensor:
    """0 on the first of January."""
    before = _year_month_day(days)[0] - 1
    leaps = torch.floor(before / 4) - torch.floor(before / 100) + torch.floor(before / 400)
    return _whole(days) - (365 * before + leaps - 719162)


def _hours(days: Tensor) -> Tensor:
    return (days - _whole(days)) * 24


PARTS: dict[str, Callable[[Tensor], Tensor]] = {
    "days": lambda days: days,
    "year": lambda days: _year_month_day(days)[0],
    "month": lambda days: _year_month_day(days)[1],
    "day": lambda days: _year_month_day(days)[2],
    "weekday": lambda days: _modulo(_whole(days) + 3, 7),  # 1970 began on a Thursday
    "hour": _hours,
}
CYCLES: dict[str, Callable[[Tensor], Tensor]] = {
    "year": lambda days: _days_into_year(days) / 366,
    "week": lambda days: _modulo(_whole(days) + 3, 7) / 7,
    "day": lambda days: _hours(days) / 24,
}


def circle(share: Tensor) -> Tensor:
    """(B,) from 0 to 1 -> (B, 2) cosine and sine; a gap is (0, 0)."""
    angle = (share * 2 * math.pi).float()
    both = torch.stack([torch.cos(angle), torch.sin(angle)], dim=1).double()
    return torch.where(torch.isnan(share)[:, None], torch.zeros_like(both), both)


def restore(t: Tensor, curve: TargetCurve) -> Tensor:
    """What `TargetCurve.restore` does, of any shape.

    Raises:
        NotImplementedError: a curve that has no form here.
    """
    if curve.name == "log":
        t = torch.exp(t.clamp(max=_LARGEST)) - curve.offset
    elif curve.name == "quantile":
        t = _from_ranks(t, _constant(curve.quantiles))
    elif curve.name != "none":
        raise NotImplementedError(f"target curve {curve.name!r}")
    return t if curve.lowest is None else t.clamp(curve.lowest, curve.highest)


def _from_ranks(z: Tensor, quantiles: Tensor) -> Tensor:
    share = 0.5 + 0.5 * torch.erf((z * math.sqrt(0.5)).float()).double()
    share = torch.where(share < _SURE, torch.zeros_like(share), share)
    share = torch.where(share > 1 - _SURE, torch.ones_like(share), share)
    position = share * (len(quantiles) - 1)
    left = torch.floor(position).clamp(0, len(quantiles) - 2)
    index = left.to(torch.int64)
    return quantiles[index] + (position - left) * (quantiles[index + 1] - quantiles[index])
