"""One trial: params with its values, trained in this process on rows of data/scaled.

What `dvc repro` would do with these params, without DVC: the same rows, seeds and code, and so the
same bytes of the network.
"""

import dataclasses
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from layerline.artifacts import NETWORK_WEIGHTS, SourceFiles, Workspace, sha256_of
from layerline.config import Params
from layerline.config.dotted_paths import with_values
from layerline.evaluation.fit_decision import choose_decision
from layerline.evaluation.held_out import read_held_out
from layerline.evaluation.metrics import measure
from layerline.evaluation.row_predictions import decide_rows, predict_rows
from layerline.networks.serialization import load_network
from layerline.origins import SourceContext, find_preprocessor, find_start
from layerline.projects.preflight import check_params
from layerline.scaling.scale import scale
from layerline.studies.search_objectives import Measured
from layerline.training.dataset import Rows, load_rows
from layerline.training.epoch_records import EpochRecord, FitResult
from layerline.training.train import train

Cut = Callable[[Path, Path], None]  # writes the second folder out of the first, a data/scaled


class Trained(NamedTuple):
    """One training of a trial."""

    result: FitResult
    measured: Measured
    train_rows: Rows
    network_sha256: str

    def train_metrics(self) -> dict[str, float]:
        """The metrics of the train rows."""
        return dict(
            measure(predict_rows(self.measured.network, self.measured.spec, self.train_rows))
        )


@dataclasses.dataclass(frozen=True)
class Bench:
    """What all trials of a study share.

    Attributes:
        workspace: the project; its data/scaled is used where `scale` does not vary.
        raw: the content of params.yaml.
        params: the same, checked.
        folder: for the trials' own files.
    """

    workspace: Workspace
    raw: Mapping[str, Any]
    params: Params
    folder: Path

    def params_of(self, values: Mapping[str, Any]) -> Params:
        """The params of a trial.

        Raises:
            ParamsError: the values are invalid, or do not go together.
        """
        return check_params(with_values(self.raw, values), "study")

    def train(
        self,
        params: Params,
        on_epoch: Callable[[EpochRecord], None],
        seed: int = 0,
        cut: Cut | None = None,
    ) -> Trained:
        """Train with params; `seed` is added to theirs, `cut` makes other rows of data/scaled.

        Raises:
            ParamsError, SourceError, DivergedError: as the stages scale and train.
        """
        source = self.source(params)
        with tempfile.TemporaryDirectory(prefix="trial-", dir=self.folder) as name:
            inside = self._workspace(Path(name), params, cut)
            seeded = dataclasses.replace(params, seed=params.seed + seed)
            start = time.perf_counter()
            result = train(inside, seeded, on_epoch, source=source)
            seconds = time.perf_counter() - start
            rows = {split: load_rows(inside.scaled, split) for split in ("train", "valid")}
            measured = _measure(inside, rows, params, seconds)
            digest = sha256_of(inside.network / NETWORK_WEIGHTS)
            return Trained(result, measured, rows["train"], digest)

    def source(self, params: Params) -> SourceFiles | None:
        """The known weights that a training with these params starts from.

        Raises:
            ParamsError, SourceError: they are not to be had.
        """
        if params.train.transfer is None:
            return None
        context = SourceContext(self.workspace, params.project, params.register.alias)
        return find_start(context, params.train.transfer)

    def _workspace(self, root: Path, params: Params, cut: Cut | None) -> Workspace:
        """A workspace of the trial's own, whose data are the project's."""
        inside, scaled = Workspace(root), self.scaled(params)
        linked = [(inside.preprocessor, scaled.preprocessor)]
        if cut is None:
            linked.append((inside.scaled, scaled.scaled))
        else:
            cut(scaled.scaled, inside.scaled)
        for ours, theirs in linked:
            ours.parent.mkdir(parents=True, exist_ok=True)
            ours.symlink_to(theirs.resolve(), target_is_directory=True)
        return inside

    def scaled(self, params: Params) -> Workspace:
        """Where rows scaled as the params say are; made once for each `scale`."""
        if params.scale == self.params.scale:
            return self.workspace
        key = json.dumps(dataclasses.asdict(params.scale), sort_keys=True, default=str)
        data = sha256_of(self.workspace.validated / "manifest.json")
        digest = hashlib.sha256(f"{data} {params.seed} {key}".encode()).hexdigest()[:16]
        made = Workspace(self.folder.parent / "scaled" / digest)
        made.root.mkdir(parents=True, exist_ok=True)
        with FileLock(made.root / ".lock"):
            if not (made.root / "done").exists():
                self._scale(made, params)
                (made.root / "done").touch()
        return made

    def _scale(self, made: Workspace, params: Params) -> None:
        made.validated.parent.mkdir(parents=True, exist_ok=True)
        made.validated.unlink(missing_ok=True)
        made.validated.symlink_to(self.workspace.validated.resolve(), target_is_directory=True)
        reused = None
        if params.scale.preprocessor is not None:
            context = SourceContext(self.workspace, params.project, params.register.alias)
            reused = find_preprocessor(context, params.scale.preprocessor.source)
        scale(made, params.scale, seed=params.seed, reused=reused, report=lambda text: None)


def _measure(
    inside: Workspace, rows: Mapping[str, Rows], params: Params, seconds: float
) -> Measured:
    network, spec = load_network(inside.network)
    held = read_held_out(inside.network, network, rows)
    decision, _ = choose_decision(held, spec, params.evaluate)
    metrics = measure(decide_rows(held, spec, decision))
    return Measured(network, spec, metrics, seconds)


def mean_values(rows: Sequence[Sequence[float]]) -> list[float]:
    """The means of each objective over the trainings of a trial."""
    return [sum(column) / len(column) for column in zip(*rows, strict=True)]
