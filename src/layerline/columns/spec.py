"""What one column must look like: plain values without behaviour."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["number", "category", "date", "text"]
Dtype = Literal["int64", "float64", "bool", "str", "datetime64[us]"]
Level = str | int | float | bool
# Manifests hold these keys only where they are set: older ones do not have them.
_OPTIONAL: Mapping[str, Any] = {"pattern": None, "unique": False, "accept": ()}


@dataclass(frozen=True)
class ColumnSpec:
    """One column; limits are for numbers, levels for categories, the pattern for text."""

    name: str
    kind: Kind
    dtype: Dtype
    nullable: bool = False
    use: bool = True
    minimum: float | None = None
    maximum: float | None = None
    levels: tuple[Level, ...] | None = None
    pattern: str | None = None
    unique: bool = False
    accept: tuple[str, ...] = ()  # warnings about this column that are not reported

    def to_dict(self) -> dict[str, Any]:
        """As a manifest holds it."""
        state = asdict(self) | {"levels": None if self.levels is None else list(self.levels)}
        for name, default in _OPTIONAL.items():
            if state[name] == default:
                del state[name]
        return state | ({"accept": list(self.accept)} if self.accept else {})

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> "ColumnSpec":
        """The inverse of `to_dict`."""
        levels, accept = state["levels"], tuple(state.get("accept", ()))
        levels = None if levels is None else tuple(levels)
        return cls(**{**state, "levels": levels, "accept": accept})
