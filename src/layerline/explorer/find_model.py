"""The model that a user names, and rows to look at it with."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from layerline.artifacts import Workspace, read_json, read_json_as, read_manifest
from layerline.artifacts.temporary import temporary_folder
from layerline.config import Params, load_params
from layerline.errors import DataError, LayerlineError, SourceError
from layerline.evaluation.decision import read_decision
from layerline.explorer.model_home import Home, home_of_project, home_of_version
from layerline.explorer.sample_rows import Sample
from layerline.model.bundle import BundleContents, read_examples
from layerline.model.load import load_bundle
from layerline.model.predictor import Model
from layerline.networks.serialization import load_network
from layerline.registry.download import bundle_in, download
from layerline.registry.holdout import read_holdout
from layerline.runs.open_store import open_store
from layerline.runs.resolve import choose
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.training.objectives import read_link

_STAGES = "run the pipeline first: `dvc repro`, or name a model: models:/NAME@champion"


TEXTBOOK = "textbook"


class Exhibit(NamedTuple):
    """A model, rows to look at it with, what the page is called, and what the user named."""

    model: Model
    sample: Sample
    title: str
    source: str | None = None
    beside: "Exhibit | None" = None
    drift: dict[str, Any] | None = None  # what a check found in this model's columns
    home: Home | None = None  # where its training's run and its model card are

    def with_drift(self, file: Path) -> "Exhibit":
        """The same, with what the last drift check found; without, where its columns are others."""
        if not file.is_file():
            return self
        found = read_json_as(file, _drift)
        names = {column.name for column in self.model.about.columns if column.use}
        known = {column["name"] for column in found["columns"]}
        return self._replace(drift=found) if names and names <= known else self

    def with_beside(self, other: "Exhibit") -> "Exhibit":
        """The same, with a second model that answers for the same rows.

        Raises:
            DataError: it predicts something else, or reads what the first one does not.
        """
        own, its = self.model.about, other.model.about
        names = {column.name for column in own.columns}
        lacking = [column.name for column in its.columns if column.name not in names]
        if lacking or (its.classes, its.image_shape) != (own.classes, own.image_shape):
            what = f"reads column {lacking[0]!r}" if lacking else "predicts or reads something else"
            raise DataError(
                f"--beside {other.title}: {what}, which {self.title} does not; show models of the "
                "same target and columns, or exchange the two"
            )
        return self._replace(beside=other)

    @property
    def has_classes(self) -> bool:
        return self.model.about.classes is not None

    def features(self, places: Sequence[int]) -> NDArray[np.float32]:
        """Some of the sample's rows as the network reads them."""
        rows, fitted = self.sample.rows, self.model.preprocessor
        if isinstance(rows, pd.DataFrame):
            return fitted.transform(rows.iloc[list(places)])
        return fitted.transform_images(rows[list(places)])

    def targets(self, places: Sequence[int]) -> Tensor:
        """What a loss compares the outputs for these rows with.

        Raises:
            DataError: the rows carry no true values.
        """
        if self.sample.actual is None:
            raise DataError(f"{self.title}: its rows carry no true values, so there is no loss")
        actual = self.sample.actual[list(places)]
        if self.has_classes:
            return torch.from_numpy(actual.astype(np.int64))
        return torch.from_numpy(self.model.preprocessor.encode_target(pd.Series(actual)))


def _drift(content: dict[str, Any]) -> dict[str, Any]:
    """Of a drift.json what the page shows: the columns that drifted first, then by effect."""
    columns = [
        {
            "name": name,
            "new": one.get("unseen", one.get("outside")),
            **{key: one[key] for key in ("role", "drifted", "effect", "missing")},
        }
        for name, one in content["columns"].items()
    ]
    columns.sort(key=lambda one: (not one["drifted"], -one["effect"]))
    return {"title": content["title"], "rows": content["n_rows"], "columns": columns}


def open_exhibit(source: str | None, folder: Path = Path()) -> Exhibit:
    """As `layerline explore` in that folder: a model or run, TEXTBOOK, or None for models/."""
    if source == TEXTBOOK:
        from layerline.explorer.textbook import textbook_exhibit

        return textbook_exhibit()
    workspace = Workspace(folder)
    params = load_params(workspace.params) if workspace.params.is_file() else None
    return find_exhibit(workspace, params, source)


def find_exhibit(workspace: Workspace, params: Params | None, wanted: str | None) -> Exhibit:
    """The model of a project (None), a bundle's folder, a version of the registry, or a run.

    Raises:
        SourceError: it is not there, or its bytes are not those recorded.
        TrackingError: the registry does not have it, or is unavailable.
    """
    if wanted is None:
        if params is None:
            raise SourceError(f"{workspace.params}: missing, so there is no model here; {_STAGES}")
        return _of_project(workspace, params)
    with _bundle(workspace, params, wanted) as (folder, name, home):
        model = _of_one_target(load_bundle(folder))
        rows = read_examples(folder)
    sample = None if params is None else _fitting_rows(workspace, params, model)
    if sample is None and rows is not None:
        sample = Sample(rows, origin="example rows of the model")
    if sample is None:
        raise SourceError(f"{wanted}: carries no example rows; name a version that was registered")
    return Exhibit(model, sample, name, wanted, home=home)


def _of_one_target(model: Model) -> Model:
    if model.about.targets:
        names = model.about.target
        raise DataError(f"the explorer shows one target, and this model predicts several: {names}")
    return model


@contextlib.contextmanager
def _bundle(
    workspace: Workspace, params: Params | None, wanted: str
) -> Iterator[tuple[Path, str, Home | None]]:
    """The folder of a model, a name for it, and where it comes from."""
    if Path(wanted).is_dir():
        yield bundle_in(Path(wanted)), Path(wanted).resolve().name, None
        return
    uri = wanted
    if "/" not in wanted:
        if params is None:
            raise SourceError(f"{wanted}: no such folder, and no project here whose run it may be")
        uri = _version_of_run(workspace.home, params, wanted)
    with temporary_folder() as folder:
        found = download(uri, workspace.home, folder)
        home = home_of_version(workspace.home, found.run_id)
        yield found.bundle, uri.removeprefix("models:/"), home


def _version_of_run(home: Path, params: Params, wanted: str) -> str:
    """The newest version that a run registered."""
    with open_store(home, f"looking for run {wanted}") as client:
        run = choose(client, params.project, wanted, params.register.alias)
        versions = client.search_model_versions(f"run_id = '{run.run_id}'")
        found = max(versions, key=lambda version: int(version.version), default=None)
        if found is None:
            raise SourceError(
                f"run {run} registered no model, so its weights are not in MLflow; choose another "
                "run (`layerline runs`)"
            )
        return f"models:/{found.name}/{found.version}"


def _of_project(workspace: Workspace, params: Params) -> Exhibit:
    """The model in models/ and the test rows, every byte checked."""
    holdout = read_holdout(workspace, params.scale)
    for folder in (workspace.network, workspace.preprocessor, workspace.decision):
        read_manifest(folder)
    path = workspace.preprocessor / "preprocessor.json"
    made_as = _registered_as(workspace)
    contents = BundleContents(
        project=params.project if made_as is None else made_as,
        network_folder=workspace.network,
        preprocessor=read_json_as(path, Preprocessor.from_json),
        columns=holdout.columns,
    )
    about = contents.about()
    network, spec = load_network(workspace.network)
    decision = read_decision(workspace.decision, about.classes)
    model = _of_one_target(
        Model(about, network, contents.preprocessor, read_link(spec.link), decision)
    )
    sample, home = Sample(holdout.rows, holdout.actual), home_of_project(workspace)
    return Exhibit(model, sample, contents.project, home=home)


def _registered_as(workspace: Workspace) -> str | None:
    """The project under which the model in models/ was registered; params.yaml may have another."""
    verdict = workspace.reports / "registration.json"
    found = read_json(verdict).get("project") if verdict.is_file() else None
    return found if isinstance(found, str) else None


def _fitting_rows(workspace: Workspace, params: Params, model: Model) -> Sample | None:
    """The project's test rows, where they are there and the model reads such rows."""
    try:
        holdout = read_holdout(workspace, params.scale)
    except (LayerlineError, OSError):
        return None
    about = model.about
    if holdout.classes != about.classes or (about.image_shape is None) != isinstance(
        holdout.rows, pd.DataFrame
    ):
        return None
    if isinstance(holdout.rows, pd.DataFrame):
        fits = {column.name for column in about.columns} <= set(holdout.rows.columns)
    else:
        fits = holdout.rows.shape[1:] == about.image_shape
    return Sample(holdout.rows, holdout.actual) if fits else None
