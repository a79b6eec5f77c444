"""A table's past cut into periods, and the model that each of them would have trained."""

import dataclasses
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline import __version__
from layerline.artifacts import (
    Workspace,
    read_json_as,
    read_manifest,
    replace_folder,
    write_json,
)
from layerline.artifacts.temporary import temporary_folder
from layerline.config import SEVERAL, Params, WindowSection
from layerline.errors import DataError, ParamsError, Problem
from layerline.evaluation.evaluate import measure_model
from layerline.model.load import load_bundle
from layerline.model.predictor import Model
from layerline.model.reference import Reference, describe_training, read_reference, write_reference
from layerline.registry.candidate import write_model
from layerline.registry.gate import live_metric
from layerline.registry.holdout import join_truth, read_holdout
from layerline.scaling.scale import scale
from layerline.tables.storage import TABLE, read_table, write_table
from layerline.text import closest, listing
from layerline.training.train import train

Every = Literal["day", "week", "month", "value"]
EVERY: tuple[Every, ...] = get_args(Every)
_PANDAS = {"day": "D", "week": "W", "month": "M"}


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A model that was trained on the rows up to some period."""

    model: Model
    reference: Reference
    seconds: float


class Past:
    """data/validated in the order of a column, cut into periods; `fitted` trains, once for each.

    Where a window is given, it takes the place of scale.window.

    Attributes:
        names: of the periods, in order; codes: (B,) the period of each row.
    """

    def __init__(
        self,
        workspace: Workspace,
        params: Params,
        by: str,
        every: Every,
        report: Callable[[str], None],
    ) -> None:
        self._params, self._report = params, report
        self._about = read_manifest(workspace.validated)
        _require_plain(params, self._about)
        rows = read_table(workspace.validated)
        order, self.names, self.codes = _cut(rows, by, every)
        self.rows = rows.iloc[order].reset_index(drop=True)
        self.metric = live_metric(params.register.gate, self._about["task"])
        classes = self._about["classes"]
        self.classes = None if classes is None else tuple(classes)
        self._cache = workspace.locks.parent / "backtest" / self._key(by, every)
        self._known: dict[tuple[int, WindowSection | None], Fitted] = {}
        self._losses: dict[tuple[int, int, WindowSection | None], NDArray[np.float64]] = {}
        self._by = by

    def _key(self, by: str, every: Every) -> str:
        sections = {
            name: dataclasses.asdict(getattr(self._params, name))
            for name in ("scale", "train", "evaluate")
        }
        facts = [__version__, by, every, self._about["files"], self._params.seed]
        text = json.dumps([*facts, self._params.threads, sections], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def of(self, first: int, last: int) -> pd.DataFrame:
        """The rows of the periods from `first` to `last`."""
        start, end = np.searchsorted(self.codes, [first, last + 1])
        return self.rows.iloc[start:end]

    def halving(self, n_periods: int) -> WindowSection:
        """The window in which the weight of a row halves in so many periods.

        Raises:
            ParamsError: the periods are of text.
        """
        moments = self.rows[self._by]
        if not pd.api.types.is_datetime64_any_dtype(moments):
            if not pd.api.types.is_numeric_dtype(moments) or pd.api.types.is_bool_dtype(moments):
                message = f"weights by age need dates or numbers, and {self._by!r} is text"
                raise ParamsError([Problem("--policy", message)], "layerline backtest")
            span = float(moments.iloc[-1] - moments.iloc[0])
        else:
            span = (moments.iloc[-1] - moments.iloc[0]) / pd.Timedelta(days=1)
        half_life = float(f"{span * n_periods / max(len(self.names) - 1, 1):.3g}")
        return WindowSection(half_life_days=half_life, by=self._by)

    def fitted(self, last: int, window: WindowSection | None = None) -> Fitted:
        """The model trained on all rows up to the period `last`; from the cache if it is there.

        Raises:
            DataError: these rows cannot be learnt from.
        """
        if (last, window) not in self._known:
            kind = "" if window is None else f"-{window.half_life_days:g}-days"
            folder = self._cache / f"until-{last}{kind}"
            if not folder.is_dir():
                self._train(last, folder, window)
            reference = read_reference(folder)
            assert reference is not None
            seconds = read_json_as(folder / "seconds.json", float)
            model = load_bundle(folder / "bundle")
            self._known[last, window] = Fitted(model, reference, seconds)
        return self._known[last, window]

    def _train(self, last: int, folder: Path, window: WindowSection | None) -> None:
        rows, start = self.of(0, last), time.perf_counter()
        section = self._params.scale
        if window is not None:
            section = dataclasses.replace(section, window=window)
        unfinished = folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        with temporary_folder() as place:
            workspace = Workspace(place)
            about = {k: v for k, v in self._about.items() if k not in ("files", "format")}
            with replace_folder(workspace.validated, about | {"n_rows": len(rows)}) as target:
                write_table(target / TABLE, rows)
            scale(workspace, section, seed=self._params.seed)
            train(workspace, self._params, lambda record: None)
            measure_model(workspace, self._params)
            seconds = time.perf_counter() - start
            holdout = read_holdout(workspace, self._params.scale)
            described = write_model(unfinished / "bundle", workspace, self._params, holdout)
            predicted = load_bundle(unfinished / "bundle").predict(holdout.rows, any_value=True)
            reference = describe_training(workspace, described.columns, predicted)
            write_reference(unfinished, reference)
        write_json(unfinished / "seconds.json", round(seconds, 3))
        os.replace(unfinished, folder)
        how = "" if window is None else ", weighted by age,"
        until = f"{len(rows):,} rows until {self.names[last]}{how}"
        self._report(f"trained on {until} in {seconds:.1f} s")

    def losses(
        self, last: int, period: int, window: WindowSection | None = None
    ) -> NDArray[np.float64]:
        """(B,) the losses of a period's rows, predicted by the model trained until `last`."""
        if (last, period, window) not in self._losses:
            rows = self.of(period, period)
            predicted = self.fitted(last, window).model.predict(rows, any_value=True)
            joined = join_truth(predicted, self._actual(rows), self.classes)
            self._losses[last, period, window] = joined.row_losses(self.metric)
        return self._losses[last, period, window]

    def _actual(self, rows: pd.DataFrame) -> NDArray[Any]:
        target = rows[self._about["target"]]
        if self.classes is None:
            return target.to_numpy(dtype=np.float64)
        codes = {str(label): code for code, label in enumerate(self.classes)}
        return target.astype(object).map(lambda label: codes[str(label)]).to_numpy(dtype=np.int64)


def _require_plain(params: Params, about: Any) -> None:
    problems = []
    if about["kind"] == "images":
        problems.append(Problem("fetch.source", "a backtest replays tables, not images"))
    if params.train.transfer is not None or params.scale.preprocessor is not None:
        message = "a backtest trains from scratch; remove train.transfer and scale.preprocessor"
        problems.append(Problem("train.transfer", message))
    if about["task"] in SEVERAL:
        problems.append(
            Problem("fetch.target", "names several, and a backtest judges one; name one")
        )
    if problems:
        raise ParamsError(problems)


def _cut(
    rows: pd.DataFrame, by: str, every: Every
) -> tuple[NDArray[np.intp], list[str], NDArray[np.intp]]:
    """The order of the rows, the names of the periods, and the period of each row in that order."""
    if by not in rows:
        near = closest(by, list(rows.columns))
        hint = f"did you mean {near!r}? " if near else ""
        message = f"there is no column {by!r}; {hint}there are: {listing(list(rows.columns))}"
        raise ParamsError([Problem("--by", message)], "layerline backtest")
    column = rows[by]
    if column.isna().any():
        n_missing = int(column.isna().sum())
        raise DataError(f"column {by!r} has {n_missing:,} missing values; a past has none")
    is_date = pd.api.types.is_datetime64_any_dtype(column)
    if every != "value" and not is_date:
        message = f"{by!r} holds no dates; use --every value, where each value is a period"
        raise ParamsError([Problem("--every", message)], "layerline backtest")
    order = np.argsort(column.to_numpy(), kind="stable")
    ordered = column.iloc[order]
    periods = ordered if every == "value" else ordered.dt.to_period(_PANDAS[every]).dt.start_time
    codes, found = pd.factorize(periods)
    names = [str(name).removesuffix(" 00:00:00") for name in found]
    return order.astype(np.intp), names, codes.astype(np.intp)
