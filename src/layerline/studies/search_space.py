"""The space of a study: params drawn for a trial, a grid laid out, every value checked."""

import itertools
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from layerline.config.dotted_paths import value_at
from layerline.errors import ParamsError, Problem
from layerline.studies.study_file import Dimension, StudySection

if TYPE_CHECKING:
    from optuna.trial import Trial

VARIED = ("scale.", "train.")
SPLIT = "scale.split"
MAX_GRID = 100_000


class SearchSpace:
    """Dotted paths of params.yaml and the values they may take.

    Args:
        dimensions: by path.
        raw: params.yaml, whose values decide `when` for params that do not vary.
    """

    def __init__(self, dimensions: Mapping[str, Dimension], raw: Mapping[str, Any]) -> None:
        ordered = sorted(dimensions.items(), key=lambda item: bool(item[1].when))
        self.dimensions: Mapping[str, Dimension] = dict(ordered)
        self._raw = raw

    def sample(self, trial: "Trial") -> dict[str, Any]:
        """Draw a value for each param that is varied in this trial."""
        drawn: dict[str, Any] = {}
        for path, dimension in self.dimensions.items():
            if self._is_varied(dimension, drawn):
                drawn[path] = decode(dimension, _suggest(trial, path, dimension))
        return drawn

    def decode(self, labels: Mapping[str, Any]) -> dict[str, Any]:
        """What Optuna keeps of a trial -> values for params.yaml."""
        return {path: decode(self.dimensions[path], label) for path, label in labels.items()}

    def defaults(self) -> dict[str, Any] | None:
        """The labels of params.yaml as it is, to be tried first; None where it is outside."""
        drawn: dict[str, Any] = {}
        labels: dict[str, Any] = {}
        for path, dimension in self.dimensions.items():
            if not self._is_varied(dimension, drawn):
                continue
            value = value_at(self._raw, path)
            label = encode(value) if dimension.choices is not None else value
            if not _contains(dimension, label):
                return None
            drawn[path], labels[path] = value, label
        return labels

    def grid(self) -> list[dict[str, Any]]:
        """Every combination, as labels; the last param varies fastest.

        Raises:
            ParamsError: a param has no list of values, or there are too many combinations.
        """
        problems, axes, n_points = [], [], 1
        for path, dimension in self.dimensions.items():
            try:
                axes.append(_points(dimension))
            except ValueError as error:
                problems.append(Problem(f"space.{path}", str(error)))
                continue
            n_points *= len(axes[-1])
        if n_points > MAX_GRID:
            message = f"has {n_points:,} combinations, more than {MAX_GRID:,}"
            problems.append(Problem("space", message))
        if problems:
            raise ParamsError(problems, "study")
        found: dict[str, dict[str, Any]] = {}
        for labels in itertools.product(*axes):
            point = self._varied_only(dict(zip(self.dimensions, labels, strict=True)))
            found[json.dumps(point, sort_keys=True)] = point
        return list(found.values())

    def _varied_only(self, point: Mapping[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        drawn: dict[str, Any] = {}
        for path, label in point.items():
            dimension = self.dimensions[path]
            if self._is_varied(dimension, drawn):
                kept[path], drawn[path] = label, decode(dimension, label)
        return kept

    def _is_varied(self, dimension: Dimension, drawn: Mapping[str, Any]) -> bool:
        values = {p: drawn.get(p, value_at(self._raw, p)) for p in dimension.when}
        return values == dimension.when


def space_problems(section: StudySection, raw: Mapping[str, Any]) -> list[Problem]:
    """Params that a study cannot vary, or never would.

    Args:
        section: the study's file.
        raw: params.yaml.
    """
    problems = []
    for path, dimension in section.space.items():
        if message := fixed_reason(path):
            problems.append(Problem(f"space.{path}", message))
        for other, value in dimension.when.items():
            chooser = section.space.get(other)
            if chooser is None:
                chooser = Dimension(choices=(value_at(raw, other),))
            if chooser.when:
                message = f"depends on {other}, which itself depends on a param; name that param"
                problems.append(Problem(f"space.{path}.when", message))
            elif not _contains(chooser, encode(value) if chooser.choices is not None else value):
                has = f"choices {list(chooser.choices)}" if chooser.choices else "another range"
                message = f"is never so: {other} has {has}, without {value!r}"
                problems.append(Problem(f"space.{path}.when", message))
    return problems


def fixed_reason(path: str) -> str | None:
    """Why no study may vary a param; None where it may."""
    if not path.startswith(VARIED):
        return "cannot vary: a study varies params of `scale` and `train`"
    if path == SPLIT or path.startswith(f"{SPLIT}."):
        return "cannot vary: each split has other validation rows, on which values do not compare"
    return None


def _suggest(trial: "Trial", path: str, dimension: Dimension) -> Any:
    if dimension.choices is not None:
        return trial.suggest_categorical(path, [encode(choice) for choice in dimension.choices])
    (low, high), step, log = dimension.bounds, dimension.step, dimension.log
    if dimension.is_whole:
        return trial.suggest_int(path, int(low), int(high), step=int(step or 1), log=log)
    return trial.suggest_float(path, float(low), float(high), step=step, log=log)


def encode(value: Any) -> Any:
    """A choice as Optuna can keep it: lists and mappings as JSON."""
    return json.dumps(value) if isinstance(value, list | tuple | dict) else value


def decode(dimension: Dimension, label: Any) -> Any:
    """The value of params.yaml for what Optuna keeps; four digits of a number drawn from a range.

    >>> decode(Dimension(low=0.0, high=1.0), 0.123456)
    0.1235
    """
    if dimension.choices is None:
        low, high = dimension.bounds
        return min(max(float(f"{label:.4g}"), low), high) if isinstance(label, float) else label
    if not isinstance(label, str):
        return label
    return next(choice for choice in dimension.choices if encode(choice) == label)


def _contains(dimension: Dimension, label: Any) -> bool:
    if dimension.choices is not None:
        return label in [encode(choice) for choice in dimension.choices]
    low, high = dimension.bounds
    if isinstance(label, bool) or not isinstance(label, int | float) or not low <= label <= high:
        return False
    if dimension.is_whole and not isinstance(label, int):
        return False
    steps = (label - low) / (dimension.step or 1)
    return (dimension.step is None and not dimension.is_whole) or abs(steps - round(steps)) < 1e-9


def _points(dimension: Dimension) -> list[Any]:
    if dimension.choices is not None:
        return [encode(choice) for choice in dimension.choices]
    (low, high), step = dimension.bounds, dimension.step
    if step is None:
        raise ValueError("a grid needs a list of choices, or a step")
    n_points = int((high - low) / step + 1e-9) + 1
    if n_points > MAX_GRID:
        raise ValueError(f"a step of {step:g} gives {n_points:,} points, more than {MAX_GRID:,}")
    return [low + k * step for k in range(n_points)]
