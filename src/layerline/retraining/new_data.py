"""Which rows of data/validated are new since the last training, and whether they have drifted."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layerline.artifacts import Workspace
from layerline.config import Params
from layerline.errors import LayerlineError
from layerline.scaling.validated_data import IMAGE_BATCH, ValidatedData, read_validated

if TYPE_CHECKING:
    import pandas as pd

    from layerline.drift.drift_check import Drift
    from layerline.drift.learnt_rows import Learnt

MOST_COMPARED = 50_000
Report = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class NewData:
    """What data/validated has that the last training did not have.

    Attributes:
        n_new: rows that the last training had in none of its splits.
        n_known: different rows of the last training.
        n_rows: different rows now.
        drifted: columns in which the new rows differ from the champion's training rows; None where
            that could not be compared.
        files: of the drift's report.
    """

    n_new: int
    n_known: int
    n_rows: int
    drifted: tuple[str, ...] | None = None
    files: tuple[Path, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether the rows are those of the last training."""
        return not self.n_new and self.n_rows == self.n_known


def trained_rows(workspace: Workspace) -> NDArray[np.uint64] | None:
    """The hashes of the rows that the last training had or left out; None before the first."""
    paths = [workspace.scaled / f"{split}_id.npy" for split in ("train", "valid", "test")]
    if not all(path.exists() for path in paths):
        return None
    left_out = workspace.scaled / "left_out_id.npy"
    paths += [left_out] if left_out.exists() else []
    return np.unique(np.concatenate([np.load(path, allow_pickle=False) for path in paths]))


def look_at_new_data(
    workspace: Workspace, params: Params, known: NDArray[np.uint64], report: Report
) -> NewData:
    """Compare data/validated with the last training's rows; write reports/drift.

    Of many new rows, evenly spaced ones are compared.

    A drift check that fails is reported, and changes nothing else.

    Raises:
        SourceError: data/validated is damaged.
    """
    data = read_validated(workspace)
    contents = data.hash_rows()
    ids = data.identify(contents)
    is_new = ~(np.isin(ids, known) | np.isin(contents, known))
    found, which, counts = np.unique(ids, return_inverse=True, return_counts=True)
    n_new, n_rows, once = len(np.unique(ids[is_new])), len(found), (counts == 1)[which]
    places = np.flatnonzero(is_new)
    is_new[:] = False
    is_new[places[:: max(len(places) // MOST_COMPARED, 1)]] = True
    news = NewData(n_new, len(known), n_rows)
    if not n_new:
        return news
    try:
        drift = _drift(workspace, params, data, is_new, once)
        files = _write(workspace, drift)
    except (LayerlineError, OSError) as error:
        report(f"note: drift was not checked: {error}")
        return news
    report(f"{n_new:,} new rows: {drift.line()}")
    return dataclasses.replace(news, drifted=tuple(drift.drifted), files=tuple(files))


def _drift(
    workspace: Workspace,
    params: Params,
    data: ValidatedData,
    is_new: NDArray[np.bool_],
    once: NDArray[np.bool_],
) -> "Drift":
    """Of the joint distribution rows are compared whose content is there `once`.

    Other new rows are never like a known one, though the known ones are like each other.
    """
    from layerline.drift.learnt_rows import known_rows
    from layerline.drift.new_rows import NewRows
    from layerline.drift.registered_drift import judge_rows, load_learnt

    uri = f"models:/{params.project}@{params.register.alias}"
    learnt = load_learnt(uri, workspace.home)
    rows = NewRows(learnt.model, learnt.reference)
    places = np.flatnonzero(is_new)
    for part in _new_parts(data, places, learnt):
        drawn, places = once[places[: len(part)]], places[len(part) :]
        if len(part):
            rows.add(part, drawn)
    return judge_rows(rows, known_rows(learnt, data, once & ~is_new), params.retrain.drift)


def _new_parts(data: ValidatedData, places: NDArray[np.intp], learnt: "Learnt") -> Any:
    if data.images is not None:
        for at in range(0, len(places), IMAGE_BATCH):
            yield np.asarray(data.images[places[at : at + IMAGE_BATCH]])
        return
    is_wanted = np.zeros(len(data.table), dtype=bool)
    is_wanted[places] = True
    names = data.names_for(learnt.model.about.columns)
    for _, part in data.map(_chosen, names, is_wanted):
        yield part


def _chosen(rows: "pd.DataFrame", is_wanted: NDArray[np.bool_]) -> "pd.DataFrame":
    return rows.iloc[np.flatnonzero(is_wanted)]


def _write(workspace: Workspace, drift: "Drift") -> list[Path]:
    from layerline.drift.drift_report import write_drift

    return write_drift(workspace.reports / "drift", drift, "Drift of the rows that are new")
