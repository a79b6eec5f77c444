"""Where each artifact lives, and the names of those that several rooms read."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

NETWORK_WEIGHTS, NETWORK_SPEC = "network.safetensors", "spec.json"  # in models/network
NETWORK_CODE = "network_code.py"  # and there, for a network of the user's own
TRANSFER = "transfer.json"  # there too, when the training started from known weights
FORGETTING = "forgetting.safetensors"  # and there: losses of the source's rows
OUT_OF_FOLD = "out_of_fold.safetensors"  # and there, with train.folds: outputs, row, fold
STAGES = ("fetch", "validate", "scale", "train", "evaluate", "register")


@dataclass(frozen=True)
class Workspace:
    """The folders of one project; `root` holds params.yaml and dvc.yaml."""

    root: Path

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def raw(self) -> Path:
        return self.root / "data" / "raw"

    @property
    def validated(self) -> Path:
        return self.root / "data" / "validated"

    @property
    def scaled(self) -> Path:
        return self.root / "data" / "scaled"

    @property
    def preprocessor(self) -> Path:
        return self.root / "models" / "preprocessor"

    @property
    def network(self) -> Path:
        return self.root / "models" / "network"

    @property
    def decision(self) -> Path:
        """Temperature and threshold, fitted on the validation rows."""
        return self.root / "models" / "decision"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def plots(self) -> Path:
        return self.reports / "plots"

    @property
    def predictions(self) -> Path:
        """What the network predicted for the test rows, and their true values."""
        return self.reports / "predictions.parquet"

    def run_file(self, stage: str) -> Path:
        """runs/<stage>.json: the MLflow run that made the stage's outputs."""
        return self.root / "runs" / f"{stage}.json"

    @property
    def locks(self) -> Path:
        return self.root / ".layerline" / "locks"

    @property
    def home(self) -> Path:
        """The main project folder, also in DVC's temporary workspaces: the store is there."""
        return Path(os.environ.get("DVC_ROOT") or self.root).resolve()

    @property
    def looks(self) -> Path:
        """Which models were measured on which test rows."""
        return self.home / ".layerline" / "looks"

    @property
    def journals(self) -> Path:
        return journals_of(self.home)


def find_workspace(start: Path = Path()) -> Workspace:
    """The project that `start` is in: the nearest folder with a params.yaml, from here upwards.

    The search ends at the top of the git repository. Without any, `start` itself.
    """
    folder = start
    while not (folder / "params.yaml").is_file():
        place = folder.resolve()
        if place == place.parent or (folder / ".git").exists():
            return Workspace(start)
        folder = folder / ".."
    return Workspace(folder)


def journals_of(home: Path) -> Path:
    """Where the journals of a project are; `home` is the main checkout."""
    return home / ".layerline" / "journals"


@dataclass(frozen=True)
class SourceFiles:
    """Local files: weights, and what is next to them if our training made them.

    `identity` describes their origin: `from` and, where known, `run`, `model`, `version`,
    `revision`. `sha256_start` is how the weights' sha256 must begin according to their publisher;
    a sha256 in params.yaml takes precedence. `holdout` is where rows are that the source was
    trained on: a folder `data` or `data/validated`, or a Parquet file.
    """

    weights: Path
    spec: Path | None = None
    preprocessor: Path | None = None
    identity: Mapping[str, str] = field(default_factory=dict)
    sha256_start: str = ""
    holdout: Path | None = None
