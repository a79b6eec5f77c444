"""What a model is on disk: a folder that holds all a prediction needs, each file with its sha256.

    network.safetensors, spec.json   the network
    network_code.py                  of a network of the user's own
    preprocessor.json                raw columns -> arrays
    decision.json                    logits -> probabilities and a class; older bundles have none
    model.json                       project, task, target, columns, classes, image shape
    examples.parquet | examples.npy  a few raw rows
    expected.parquet                 their predictions
    seen_rows.safetensors            hashes of the rows that the model was trained on
    reference.json                   what those rows looked like
    MANIFEST.json                    the sha256 of each

MLflow keeps no digests: a flipped byte would load silently, so `load.load_bundle` checks every
file first. Nothing here imports MLflow or torch, and nothing is pickled.
"""

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline import __version__
from layerline.artifacts import (
    NETWORK_CODE,
    NETWORK_SPEC,
    NETWORK_WEIGHTS,
    read_json,
    read_json_as,
    sha256_of,
    write_json,
)
from layerline.columns.spec import ColumnSpec
from layerline.errors import SourceError
from layerline.evaluation.decision import DECISION
from layerline.evaluation.prediction_table import output_columns
from layerline.evaluation.target_predictions import target_columns
from layerline.model.reference import Reference, write_reference
from layerline.model.seen_rows import Seen, write_seen
from layerline.model.target_profile import TargetProfile
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.sources.reading.dialect import USUAL, Dialect
from layerline.tables.storage import read_parquet, write_table
from layerline.tables.targets import TargetColumn, read_targets, write_targets

FORMAT = 2  # 1 had neither dates, target curves nor `scaled` parts; it is still read
MANIFEST = "MANIFEST.json"
PREPROCESSOR, ABOUT = "preprocessor.json", "model.json"
EXAMPLES_TABLE, EXAMPLES_IMAGES, EXPECTED = "examples.parquet", "examples.npy", "expected.parquet"
_REQUIRED = (NETWORK_WEIGHTS, NETWORK_SPEC, PREPROCESSOR, ABOUT)

Rows = pd.DataFrame | NDArray[Any]


@dataclasses.dataclass(frozen=True)
class About:
    """A model's description of itself."""

    project: str
    task: str
    target: str
    classes: tuple[Any, ...] | None
    columns: tuple[ColumnSpec, ...]  # the raw columns it reads; none for images
    image_shape: tuple[int, ...] | None
    levels: tuple[float, ...] = ()  # of a quantile loss
    has_regions: bool = False  # conformal ones
    resizes_images: bool = False  # pictures of any size, as in training
    dialect: Dialect = USUAL  # how the training's own CSV files are written
    target_profile: TargetProfile | None = None  # of the data it was trained on
    targets: tuple[TargetColumn, ...] = ()  # several; `target` then has the names in a row
    layerline: str = __version__
    format: int = FORMAT

    @property
    def output_columns(self) -> dict[str, type]:
        """What `Model.predict` returns besides `prediction`: float or bool by name."""
        return output_columns(self.classes, self.levels, has_regions=self.has_regions)

    @property
    def prediction_columns(self) -> tuple[str, ...]:
        """All columns that `Model.predict` returns."""
        if self.targets:
            return tuple(target_columns(self.targets))
        return ("prediction", *self.output_columns)

    def to_json(self) -> dict[str, Any]:
        """As model.json holds it."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        several = fields.pop("targets")
        return {
            **fields,
            **({"targets": write_targets(several)} if several else {}),
            "columns": [column.to_dict() for column in self.columns],
            "dialect": self.dialect._asdict(),
            "target_profile": None
            if self.target_profile is None
            else self.target_profile.to_json(),
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "About":
        """The inverse of `to_json`."""
        shape, classes = state["image_shape"], state["classes"]
        return cls(
            **{key: state[key] for key in ("project", "task", "target", "layerline")},
            format=int(state["format"]),
            classes=None if classes is None else tuple(classes),
            columns=tuple(ColumnSpec.from_dict(column) for column in state["columns"]),
            image_shape=None if shape is None else tuple(shape),
            levels=tuple(state.get("levels", ())),  # older bundles have none
            has_regions=bool(state.get("has_regions")),
            resizes_images=bool(state.get("resizes_images")),
            dialect=_read_dialect(state.get("dialect", {})),  # nor this
            target_profile=TargetProfile.from_json(state.get("target_profile")),
            targets=read_targets(state.get("targets")),
        )


def _read_dialect(state: Mapping[str, Any]) -> Dialect:
    return USUAL._replace(**{**state, "missing": tuple(state.get("missing", ()))})


@dataclasses.dataclass(frozen=True, kw_only=True)
class BundleContents:
    """What goes into a bundle.

    Attributes:
        project: whose model it is.
        network_folder: weights and spec; they are copied byte by byte.
        preprocessor: what turns raw rows into the network's inputs.
        columns: all columns of the data; the bundle keeps those that the preprocessor reads.
        decision_folder: holds decision.json, which is copied too; None decides plainly.
        examples: a few raw rows, and their predictions.
        seen: the rows that the model was trained on.
        reference: what these looked like.
        dialect: how the training's own CSV files are written.
        target_profile: of the data that the model was trained on.
        resizes_images: whether fetch resized the pictures.
    """

    project: str
    network_folder: Path
    preprocessor: Preprocessor
    columns: Sequence[ColumnSpec]
    decision_folder: Path | None = None
    examples: tuple[Rows, pd.DataFrame] | None = None
    seen: Seen | None = None
    reference: Reference | None = None
    dialect: Dialect = USUAL
    target_profile: TargetProfile | None = None
    resizes_images: bool = False

    def about(self) -> About:
        """The model's description of itself."""
        link = read_json(self.network_folder / NETWORK_SPEC).get("link") or {}
        folder = self.decision_folder
        decision = {} if folder is None else read_json(folder / DECISION)
        by_name = {column.name: column for column in self.columns}
        preprocessor = self.preprocessor
        return About(
            project=self.project,
            task=preprocessor.task,
            target=preprocessor.target,
            classes=preprocessor.classes,
            columns=tuple(by_name[name] for name in preprocessor.input_columns),
            image_shape=preprocessor.image_shape,
            levels=tuple(link.get("levels", ())),
            has_regions="conformal" in decision,
            resizes_images=self.resizes_images,
            dialect=self.dialect,
            target_profile=self.target_profile,
            targets=preprocessor.targets,
        )


def write_bundle(folder: Path, contents: BundleContents) -> About:
    """Write a model into `folder`, which is created; return its description."""
    folder.mkdir(parents=True)
    for name in (NETWORK_WEIGHTS, NETWORK_SPEC):
        shutil.copyfile(contents.network_folder / name, folder / name)
    if (contents.network_folder / NETWORK_CODE).is_file():
        shutil.copyfile(contents.network_folder / NETWORK_CODE, folder / NETWORK_CODE)
    if contents.decision_folder is not None:
        shutil.copyfile(contents.decision_folder / DECISION, folder / DECISION)
    about = contents.about()
    write_json(folder / PREPROCESSOR, contents.preprocessor.to_json())
    write_json(folder / ABOUT, about.to_json())
    if contents.examples is not None:
        _write_examples(folder, about, *contents.examples)
    if contents.seen is not None:
        write_seen(folder, contents.seen)
    if contents.reference is not None:
        write_reference(folder, contents.reference)
    files = {file.name: {"sha256": sha256_of(file)} for file in sorted(folder.iterdir())}
    write_json(folder / MANIFEST, {"files": files})
    return about


def _write_examples(folder: Path, about: About, rows: Rows, expected: pd.DataFrame) -> None:
    if isinstance(rows, pd.DataFrame):
        write_table(folder / EXAMPLES_TABLE, rows[[column.name for column in about.columns]])
    else:
        np.save(folder / EXAMPLES_IMAGES, rows, allow_pickle=False)
    write_table(folder / EXPECTED, expected)


def read_examples(folder: Path) -> Rows | None:
    """The raw rows that a bundle carries; None where it carries none."""
    if (folder / EXAMPLES_TABLE).is_file():
        frame: pd.DataFrame = read_parquet(folder / EXAMPLES_TABLE)
        return frame
    if (folder / EXAMPLES_IMAGES).is_file():
        images: NDArray[Any] = np.load(folder / EXAMPLES_IMAGES, allow_pickle=False)
        return images
    return None


def _recorded_hashes(manifest: Mapping[str, Any]) -> dict[str, str]:
    files = manifest.get("files", {})
    return {name: str(entry["sha256"]) for name, entry in files.items() if "sha256" in entry}


def check_bundle(folder: Path) -> dict[str, str]:
    """Recompute the sha256 of every file; return them by name.

    Raises:
        SourceError: a file is missing, or its bytes are not those recorded.
    """
    recorded = read_json_as(folder / MANIFEST, _recorded_hashes)
    for name in (*_REQUIRED, *recorded):
        path = folder / name
        if name not in recorded or not path.is_file():
            raise SourceError(f"{path}: missing; this model version is damaged and was not loaded")
        found = sha256_of(path)
        if found != recorded[name]:
            raise SourceError(
                f"{path}: sha256 is {found[:12]}…, {MANIFEST} recorded {recorded[name][:12]}…; "
                "this model version was changed after it was registered and was not loaded"
            )
    return recorded
