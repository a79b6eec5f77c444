"""A scaler of the user's own, named by its import path: `scale.numeric: mine.scalers:Logs`.

A class in scikit-learn's manner: options in `__init__`, `fit(x)` sets attributes whose names end in
`_`, `transform(x)` uses them. Frozen it is the options, those attributes as JSON, and the text of
its file, so that a model version scales without the project.

Shape: x is (B, F) float64 without gaps, and each column is scaled on its own.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from layerline.errors import ParamsError
from layerline.own_code import (
    calling,
    content_of,
    find_own,
    own_file,
    problem,
    run_code,
    with_options_of,
)
from layerline.scaling.preprocessing.scalers.transform import Matrix

_WHERE = "scale.numeric"
_FORM = "class NAME: def __init__(self, *, ...), def fit(self, x), def transform(self, x)"


@dataclasses.dataclass(frozen=True)
class Own:
    """A fitted scaler of the user's own: its code, its options, and what `fit` found."""

    kind: ClassVar[str] = "own"
    name: str
    code: str
    options: Mapping[str, Any]
    state: Mapping[str, Any]

    @functools.cached_property
    def _fitted(self) -> Any:
        attribute = self.name.partition(":")[2]
        with calling(self.name, _WHERE):
            module = run_code(self.code.encode(), own_file(self.name).as_posix())
            fitted = getattr(module, attribute)(**self.options)
            for key, value in self.state.items():
                setattr(fitted, key, np.asarray(value) if isinstance(value, list) else value)
        return fitted

    def apply(self, x: Matrix) -> Matrix:
        """(B, F) -> (B, F)."""
        with calling(self.name, _WHERE):
            z = np.asarray(self._fitted.transform(x.copy()), dtype=np.float64)
        if z.shape != x.shape:
            raise problem(
                self.name, _WHERE, f"gives {z.shape} for values {x.shape}; keep the shape"
            )
        return z

    def invert(self, z: Matrix) -> Matrix:
        """(B, F) -> (B, F), where it has an `inverse_transform`."""
        with calling(self.name, _WHERE):
            return np.asarray(self._fitted.inverse_transform(z), dtype=np.float64)

    def to_json(self) -> dict[str, Any]:
        """Its whole state."""
        return {"kind": self.kind, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Own":
        """The inverse of `to_json`."""
        return cls(*(state[key] for key in ("name", "code", "options", "state")))


def find_scaler(name: str) -> Callable[..., Own]:
    """What fits a scaler of the user's own.

    Raises:
        ParamsError: there is no such file or class, or it has no `fit` and `transform`.
    """
    module, found = find_own(name, _WHERE)
    if not isinstance(found, type) or not all(hasattr(found, key) for key in ("fit", "transform")):
        attribute = name.partition(":")[2]
        message = f"{own_file(name)} has no class {attribute} with fit and transform"
        raise problem(name, _WHERE, f"{message}; write `{_FORM}`")
    code = content_of(module).decode()

    def fit(x: Matrix, **options: Any) -> Own:
        with calling(name, _WHERE, "cannot be fitted"):
            fitted = found(**options)
            fitted.fit(x.copy())
            expected = np.asarray(fitted.transform(x.copy()), dtype=np.float64)
        frozen = Own(name, code, options, _state(name, vars(fitted)))
        _require_same(name, expected, frozen, x)
        return frozen

    return with_options_of(fit, found, name, _WHERE)


def refuse_own(transforms: Iterable[object], what: str) -> None:
    """Refuse scalers of the user's own where only arithmetic that is known can go.

    Raises:
        ParamsError: there is one; `what` says what cannot have it.
    """
    for own in transforms:
        if isinstance(own, Own):
            message = f"is code of your own, which {what}; use a scaler of Layerline's for it"
            raise problem(own.name, _WHERE, message)


def _state(name: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for key, value in attributes.items():
        if not key.endswith("_") or key.startswith("_"):
            continue
        plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        if not isinstance(plain, bool | int | float | str | list | None):
            message = f"{key} is {type(value).__name__}; keep numbers, text, lists or numpy arrays"
            raise problem(name, _WHERE, message)
        found[key] = plain
    return found


def _require_same(name: str, expected: Matrix, frozen: Own, x: Matrix) -> None:
    try:
        found = frozen.apply(x)
    except ParamsError as error:
        message = f"cannot be restored: {error.problems[0].message}; fit keeps what transform needs"
        raise problem(name, _WHERE, f"{message} in attributes ending in _") from error
    if not np.array_equal(found, expected, equal_nan=True):
        message = "scales otherwise once it is restored: keep in attributes ending in _ all of it"
        raise problem(name, _WHERE, f"{message} that fit finds")
    if not np.allclose(frozen.apply(x[-1:]), expected[-1:], equal_nan=True):
        raise problem(name, _WHERE, "scales a row by its neighbours; keep in fit what it needs")
    if not np.isfinite(found).all():
        column = int(np.flatnonzero(~np.isfinite(found).all(axis=0))[0])
        value = x[~np.isfinite(found[:, column]), column][0]
        raise problem(name, _WHERE, f"gives no finite number for {value:g}, a value of a train row")
