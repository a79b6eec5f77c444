"""What one column must look like: plain values without behaviour."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from layerline.columns.written import Written

Kind = Literal["number", "category", "date", "text"]
Dtype = Literal["int64", "float64", "bool", "str", "datetime64[us]"]
Level = str | int | float | bool
# Manifests hold these keys only where they are set: older ones do not have them.
_OPTIONAL: Mapping[str, Any] = {
    "pattern": None,
    "unique": False,
    "accept": (),
    "lenient": (),
    "written": None,
}


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
    lenient: tuple[str, ...] = ()  # rules that do not refuse a row: the schema only warns, or not
    written: Written | None = None  # None is the plain way

    def to_dict(self) -> dict[str, Any]:
        """As a manifest holds it."""
        state = asdict(self) | {"levels": None if self.levels is None else list(self.levels)}
        for name, default in _OPTIONAL.items():
            if state[name] == default:
                del state[name]
        lists = {name: list(state[name]) for name in ("accept", "lenient") if name in state}
        written = {} if self.written is None else {"written": self.written.to_dict()}
        return state | lists | written

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> "ColumnSpec":
        """The inverse of `to_dict`."""
        plain = {**state, "levels": None if state["levels"] is None else tuple(state["levels"])}
        for name in ("accept", "lenient"):
            plain[name] = tuple(state.get(name, ()))
        if state.get("written") is not None:
            plain["written"] = Written.from_dict(state["written"])
        return cls(**plain)
