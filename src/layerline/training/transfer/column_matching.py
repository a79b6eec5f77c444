"""A source's columns and features under the names they have here."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from layerline.errors import Problem

if TYPE_CHECKING:
    from layerline.scaling.preprocessing.preprocessor import Preprocessor

WHERE = "train.transfer.columns"
_LEFT = "\0"  # as data.preprocessing.renaming marks what is left behind


def column_problems(
    source: "Preprocessor", here: Sequence[str], columns: Mapping[str, str | None]
) -> list[Problem]:
    """What is wrong with the mapping, and which of the source's columns are not here."""
    problems = []
    known = source.input_columns
    for old, new in columns.items():
        if old not in known:
            text = f"the source reads no column {old!r}; it reads {', '.join(known)}"
            problems.append(Problem(f"{WHERE}.{old}", text))
        elif new is not None and new not in here:
            text = f"the data have no column {new!r}; they have {', '.join(here)}"
            problems.append(Problem(f"{WHERE}.{old}", text))
    targets = [columns.get(name, name) for name in known]
    twice = sorted({name for name in targets if name is not None and targets.count(name) > 1})
    problems += [Problem(WHERE, f"two of the source's columns become {new!r}") for new in twice]
    for old in known:
        if old not in columns and old not in here:
            text = (
                f"the source reads column {old!r}, and the data have none; map it with "
                f"`columns: {{{old}: NAME}}`, or leave it behind with `columns: {{{old}: null}}`"
            )
            problems.append(Problem(WHERE, text))
    return problems


def kind_problems(source: "Preprocessor", here: "Preprocessor") -> list[Problem]:
    """Columns that are something else here; `source` has its columns under their names here."""
    theirs, ours = kinds(source), kinds(here)
    return [
        Problem(
            WHERE,
            f"column {name!r} is {_said(theirs[name])} in the source and {_said(ours[name])} here; "
            "set its kind in the schema and its encoding in `scale` as the source has them, or "
            f"leave it behind with `columns: {{{name}: null}}`",
        )
        for name in theirs
        if name in ours and theirs[name] != ours[name]
    ]


def _said(kind: tuple[Any, ...]) -> str:
    return str(kind[0]) + (f" with the codes {list(kind[1])}" if len(kind) > 1 else "")


def kinds(preprocessor: "Preprocessor") -> dict[str, tuple[Any, ...]]:
    """What each column is to the network: numbers, a date's parts, a category and its encoding.

    The levels of codes belong to it: a code's row of an embedding means its level.
    """
    state = preprocessor.to_json()
    found: dict[str, tuple[Any, ...]] = {}
    for name in (state["numbers"] or {}).get("names", ()):
        found[name] = ("numbers",)
    for item in state.get("dates") or ():
        found[item["name"]] = ("parts of a date",)
    for item in state["categories"]:
        encoding = item.get("encoding", "one_hot")
        levels = (tuple(item["levels"]),) if encoding == "code" else ()
        found[item["name"]] = (f"a category ({encoding})", *levels)
    return found


@dataclasses.dataclass(frozen=True)
class FeatureMap:
    """Where each feature here is in the source, or None; and the source's that are not here."""

    places: tuple[int | None, ...]
    names: tuple[str, ...]
    left: tuple[str, ...]

    @property
    def is_identity(self) -> bool:
        return not self.left and self.places == tuple(range(len(self.places)))

    @property
    def new(self) -> tuple[str, ...]:
        return tuple(n for n, place in zip(self.names, self.places, strict=True) if place is None)


def map_features(theirs: Sequence[str], ours: Sequence[str]) -> FeatureMap:
    """Match features by name.

    >>> map_features(["a", "b"], ["b", "c"])
    FeatureMap(places=(1, None), names=('b', 'c'), left=('a',))
    """
    index = {name: place for place, name in enumerate(theirs)}
    left = tuple(name.lstrip(_LEFT) for name in theirs if name not in set(ours))
    return FeatureMap(tuple(index.get(name) for name in ours), tuple(ours), left)
