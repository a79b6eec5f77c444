"""A model as one torch module: raw numbers in float64, predictions out.

What a table's columns hold becomes up to three tensors, each present where the model reads such
columns, in this order:

    numbers  (B, N) float64, NaN for gaps
    dates    (B, D) float64, days since 1970-01-01, the time of day as a fraction; NaN for gaps
    codes    (B, C) int64, the position of each value among its column's levels; -1 for another one

An image model takes (B, H, W) or (B, H, W, C) uint8.
"""

from typing import Any

import torch
from torch import Tensor, nn

from layerline.model.exporting.tensor_transforms import CYCLES, FORMS, PARTS, circle, restore
from layerline.model.predictor import Model
from layerline.scaling.preprocessing.categories import MISSING, Category
from layerline.scaling.preprocessing.dates import Dates
from layerline.scaling.preprocessing.numbers import Numbers
from layerline.tables.targets import TargetColumn, units

IMAGES = "images"


def example_inputs(model: Model, n_rows: int = 2) -> dict[str, torch.Tensor]:
    """The portable module's inputs by name, zeros."""
    preprocessor = model.preprocessor
    if preprocessor.image_shape is not None:
        return {IMAGES: torch.zeros(n_rows, *preprocessor.image_shape, dtype=torch.uint8)}
    numbers = len(preprocessor.numbers.names) if preprocessor.numbers else 0
    sizes = {
        "numbers": (numbers, torch.float64),
        "dates": (len(preprocessor.dates), torch.float64),
        "codes": (len(preprocessor.categories), torch.int64),
    }
    return {
        name: torch.zeros(n_rows, width, dtype=dtype)
        for name, (width, dtype) in sizes.items()
        if width
    }


def is_text(category: Category) -> bool:
    """Whether its levels are text, and so its input strings."""
    known = [level for level in category.levels if level is not MISSING]
    return not known or any(isinstance(level, str) for level in known)


class Portable(nn.Module):
    """All of a model.

    It returns (class index (B,), probabilities (B, K)) for classes, (numbers (B,),) or, of a
    quantile loss, (numbers (B,), quantiles (B, Q)) in the user's unit. Of several targets (numbers
    (B, T),), or of labels (indices (B, T), probabilities (B, T)).
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network = model.network.eval()
        self.model = model

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        x = self._images(*inputs) if self.model.preprocessor.image else self._table(inputs)
        outputs = self.network(x.float()).double()
        if targets := self.model.about.targets:
            return self._targets(outputs, targets)
        return self._classes(outputs) if self.model.about.classes else self._numbers(outputs)

    def _images(self, pixels: Tensor) -> Tensor:
        preprocessor = self.model.preprocessor
        assert preprocessor.image is not None
        assert preprocessor.image_shape is not None
        if len(preprocessor.image_shape) == 2:
            pixels = pixels.unsqueeze(3)
        parts = (preprocessor.image.center, preprocessor.image.scale)
        center, scale = (torch.tensor(part, dtype=torch.float32) for part in parts)
        return ((pixels.float() - center) / scale).permute(0, 3, 1, 2)

    def _table(self, inputs: tuple[Tensor, ...]) -> Tensor:
        preprocessor, left = self.model.preprocessor, list(inputs)
        blocks = []
        if preprocessor.numbers:
            blocks.append(_numbers(left.pop(0), preprocessor.numbers))
        if preprocessor.dates:
            days = left.pop(0)
            blocks += [_dates(days[:, at], item) for at, item in enumerate(preprocessor.dates)]
        if preprocessor.categories:
            codes = left.pop(0)
            categories = enumerate(preprocessor.categories)
            blocks += [_category(codes[:, at], item) for at, item in categories]
        return torch.cat(blocks, dim=1)

    def _classes(self, logits: Tensor) -> tuple[Tensor, ...]:
        decision = self.model.decision
        probabilities = torch.softmax(logits / decision.temperature, dim=1)
        if decision.threshold is None:
            if decision.costs is None:
                return probabilities.argmax(dim=1), probabilities
            costs = torch.tensor(decision.costs, dtype=probabilities.dtype)
            return (probabilities @ -costs).argmax(dim=1), probabilities
        is_positive = (probabilities[:, decision.positive] >= decision.threshold).to(torch.int64)
        index = is_positive if decision.positive == 1 else 1 - is_positive
        return index, probabilities

    def _targets(self, outputs: Tensor, targets: tuple[TargetColumn, ...]) -> tuple[Tensor, ...]:
        if targets[0].levels is not None:
            shares = outputs.sigmoid()
            return (shares >= 0.5).to(torch.int64), shares
        center, scale = (torch.from_numpy(part) for part in units(targets))
        return (outputs * scale + center,)

    def _numbers(self, outputs: Tensor) -> tuple[Tensor, ...]:
        preprocessor, link = self.model.preprocessor, self.model.link
        if link.name == "log":
            largest = 700.0
            factor = link.factor * preprocessor.target_scale
            numbers = torch.exp(outputs.clamp(-largest, largest)) * factor
        else:
            if link.name == "quantile":
                outputs = torch.sort(outputs, dim=1).values
            numbers = outputs * preprocessor.target_scale + preprocessor.target_center
        numbers = restore(numbers, preprocessor.target_curve)
        middle = numbers[:, link.middle]
        return (middle, numbers) if link.levels else (middle,)


def _numbers(values: Tensor, form: Numbers) -> Tensor:
    """(B, N) with NaN for gaps -> (B, N + indicators)."""
    gaps = torch.isnan(values)
    values = torch.where(gaps, torch.tensor(form.fill, dtype=torch.float64), values)
    scaled: list[Tensor] = [values[:, 0]] * len(form.names)
    for part in form.scaled:
        block = FORMS[type(part.transform)](values[:, list(part.columns)], part.transform)
        for at, column in enumerate(part.columns):
            scaled[column] = block[:, at]
    whole = torch.stack(scaled, dim=1)
    marked = [form.names.index(name) for name in form.indicators]
    return torch.cat([whole, gaps[:, marked].double()], dim=1) if marked else whole


def _dates(days: Tensor, form: Dates) -> Tensor:
    """(B,) -> (B, features)."""
    parts = torch.stack([PARTS[part](days) for part in form.parts.names], dim=1)
    circles = [circle(CYCLES[cycle](days)) for cycle in form.cycles]
    return torch.cat([_numbers(parts, form.parts), *circles], dim=1)


def _category(codes: Tensor, form: Category) -> Tensor:
    """(B,) -> (B, features)."""
    n_levels = len(form.levels)
    if form.n_places > n_levels:
        codes = torch.where(codes < 0, torch.full_like(codes, n_levels), codes)
    if form.is_code:
        return codes[:, None].double()
    if form.is_table:
        table: Any = torch.tensor(form.values, dtype=torch.float64)
        return table[codes]
    return (codes[:, None] == torch.arange(form.n_places)).double()
