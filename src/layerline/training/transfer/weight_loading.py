"""A source's weights into a network, and a table of what was loaded, skipped and is new."""

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from layerline.config import TransferSection
from layerline.errors import ParamsError, Problem
from layerline.networks.serialization import NetworkSpec
from layerline.networks.torchvision import spread
from layerline.training.transfer.column_matching import FeatureMap
from layerline.training.transfer.compatibility import Agreement
from layerline.training.transfer.depth import head_of, is_in
from layerline.training.transfer.head_weights import rows_by_class, rows_in_unit
from layerline.training.transfer.input_weights import PerFeature, per_feature
from layerline.training.transfer.selection import matched
from layerline.training.transfer.source_weights import Source

_FEW = 5  # names in a message


@dataclasses.dataclass(frozen=True)
class Entry:
    """One weight: loaded, mapped (loaded with changes), new or skipped; and why.

    `n_new` of its numbers are not the source's.
    """

    name: str
    shape: tuple[int, ...]
    status: str
    note: str = ""
    n_new: int = 0

    def to_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "shape": list(self.shape)}


class Loader:
    """Puts the source's weights into a network, entry by entry."""

    def __init__(
        self,
        section: TransferSection,
        source: Source,
        network: nn.Module,
        spec: NetworkSpec,
        agreement: Agreement,
    ) -> None:
        self.section, self.source, self.network, self.spec = section, source, network, spec
        self.features = agreement.features
        self.head = head_of(network)
        self.per_feature = per_feature(network, spec)
        self.own = dict(network.state_dict())
        names = sorted({*self.own, *source.weights})
        self.skipped = matched(section.skip, names, "train.transfer.skip")

    def load(self) -> tuple[dict[str, Tensor], list[Entry]]:
        """Load; return the weights that came from the source, and the table.

        Raises:
            ParamsError: with each weight that does not fit.
        """
        found: dict[str, Tensor] = {}
        entries, problems = [], self._reader_problems()
        for name, fresh in self.own.items():
            value, entry = self._one(name, fresh)
            if value is None and entry.status == "refused":
                problems.append(Problem("train.transfer.from", entry.note))
            elif value is not None:
                found[name] = value
            entries.append(entry)
        left = self._left_behind()
        problems += _unused_problems([entry.name for entry in left if entry.status == "refused"])
        if problems:
            raise ParamsError(_shortened(problems))
        with torch.no_grad():
            for name, value in found.items():
                self.own[name].copy_(value)
        changed = {"loaded", "mapped"}
        whole = {e.name for e in entries if e.status in changed and not is_in(e.name, self.head)}
        return {name: self.own[name].clone() for name in found if name in whole}, [*entries, *left]

    def _one(self, name: str, fresh: Tensor) -> tuple[Tensor | None, Entry]:
        shape = tuple(fresh.shape)
        if name in self.skipped:
            return None, _new(name, fresh, "train.transfer.skip leaves the source's out")
        old = self.source.weights.get(name)
        if is_in(name, self.head):
            return self._head(name, fresh, old)
        if old is None:
            note = f"the source has no weight {name!r} {_shape(shape)}{_REMEDY.format(name)}"
            return None, Entry(name, shape, "refused", note)
        own, features = self.per_feature.get(name), self.features
        if own is not None and features is not None and not features.is_identity:
            if own.fits(fresh, old, features):
                return own.map(fresh, old, features), _mapped(name, fresh, own, features)
        elif old.shape == fresh.shape:
            return old, Entry(name, shape, "loaded")
        if _differs_in_channels(old, fresh) and len(self.spec.input_shape) == 3:
            note = f"{old.shape[1]} channels became {fresh.shape[1]}"
            return spread(old, fresh.shape[1]), Entry(name, shape, "mapped", note)
        note = (
            f"weight {name!r} is {_shape(tuple(old.shape))} in the source and {_shape(shape)} here "
            f"(inputs of {_shape(self.spec.input_shape)}"
            + (
                f", the source's of {_shape(self.source.spec.input_shape)}"
                if self.source.spec
                else ""
            )
            + ")"
            + _REMEDY.format(name)
        )
        return None, Entry(name, shape, "refused", note)

    def _head(self, name: str, fresh: Tensor, old: Tensor | None) -> tuple[Tensor | None, Entry]:
        shape, mode, theirs = tuple(fresh.shape), self.section.head, self.source.spec
        if mode == "new":
            return None, _new(name, fresh, "a new head")
        if mode == "keep" or (theirs is not None and theirs.classes is None):
            if old is None or old.shape != fresh.shape:
                there = "nothing" if old is None else _shape(tuple(old.shape))
                note = (
                    f"the head's {name!r} is {_shape(shape)} here and {there} in the source, so it "
                    "cannot be kept; set train.transfer.head: new"
                )
                return None, Entry(name, shape, "refused", note)
            return self._whole_head(name, fresh, old)
        if theirs is None or old is None or theirs.classes is None or self.spec.classes is None:
            return None, _new(name, fresh, "the source's classes are unknown")
        rows, known = rows_by_class(theirs.classes, self.spec.classes, old, fresh)
        if not known:
            return None, _new(name, fresh, "no class is known to the source")
        fresh_ones = [label for label in self.spec.classes if label not in known]
        if not fresh_ones and len(known) == len(theirs.classes):
            return rows, Entry(name, shape, "loaded", "every class is known")
        note = f"rows kept for {_few(known)}; new for {_few(fresh_ones)}"
        n_new = fresh.numel() // len(fresh) * len(fresh_ones)
        return rows, Entry(name, shape, "mapped", note, n_new)

    def _whole_head(self, name: str, fresh: Tensor, old: Tensor) -> tuple[Tensor, Entry]:
        shape, theirs = tuple(fresh.shape), self.source.spec
        if theirs is None or self.spec.classes is not None:
            return old, Entry(name, shape, "loaded", "kept by position")
        has_bias = f"{self.head}.bias" in self.own
        rows = rows_in_unit(theirs, self.spec, old, name.endswith("bias"), has_bias)
        if torch.equal(rows, old):
            return old, Entry(name, shape, "loaded")
        return rows, Entry(name, shape, "mapped", "turned into the new target's unit")

    def _reader_problems(self) -> list[Problem]:
        if self.features is None or self.features.is_identity or self.per_feature:
            return []
        changed = [*self.features.new, *self.features.left] or ["their order"]
        message = (
            f"columns differ from the source's ({_few(changed)}), and those of {self._kind()} "
            "cannot be matched by name; give the data the source's columns and "
            "scale.preprocessor: {from: ...}"
        )
        return [Problem("train.transfer.columns", message)]

    def _kind(self) -> str:
        if self.spec.category_sizes:
            return f"{self.spec.network!r} with codes of categories"
        return repr(self.spec.network)

    def _left_behind(self) -> list[Entry]:
        """The source's weights that the network has no place for."""
        left = []
        for name, value in self.source.weights.items():
            if name in self.own:
                continue
            known = name in self.skipped or is_in(name, self.head)
            status = "skipped" if known else "refused"
            left.append(Entry(name, tuple(value.shape), status, "of the source, not used here"))
        return left


def _new(name: str, fresh: Tensor, note: str) -> Entry:
    return Entry(name, tuple(fresh.shape), "new", note, fresh.numel())


_REMEDY = "; train.network and its options must be the source's, or `skip: [{}]` leaves it random"


def _unused_problems(names: list[str]) -> list[Problem]:
    if not names:
        return []
    message = (
        f"the source has weights that this network lacks: {_few(names)}; train.network and "
        f"its options must be the source's, or `skip: [{names[0].partition('.')[0]}]` leaves them"
    )
    return [Problem("train.transfer.from", message)]


def _shortened(problems: list[Problem]) -> list[Problem]:
    """A wrong architecture has hundreds of weights that do not fit, for one reason."""
    if len(problems) <= _FEW:
        return problems
    rest = Problem("train.transfer.from", f"and {len(problems) - _FEW} more weights do not fit")
    return [*problems[:_FEW], rest]


def _few(items: Any) -> str:
    texts = [str(item) for item in items]
    return ", ".join(texts[:_FEW]) + (f" and {len(texts) - _FEW} more" if len(texts) > _FEW else "")


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "a number"


def _differs_in_channels(old: Tensor, fresh: Tensor) -> bool:
    same_rest = old.shape[:1] + old.shape[2:] == fresh.shape[:1] + fresh.shape[2:]
    return old.ndim == 4 and fresh.ndim == 4 and same_rest and old.shape[1] != fresh.shape[1]


def _mapped(name: str, fresh: Tensor, own: PerFeature, features: FeatureMap) -> Entry:
    begin = "zero" if own.is_read else "drawn"
    notes = [f"{begin} for the new {_few(features.new)}"] if features.new else []
    notes += [f"left behind: {_few(features.left)}"] if features.left else []
    note = "; ".join(notes or ["columns in another order"])
    n_new = len(features.new) * fresh.numel() // len(features.places)
    return Entry(name, tuple(fresh.shape), "mapped", note, n_new)
