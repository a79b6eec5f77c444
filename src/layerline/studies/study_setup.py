"""A study, opened: its file checked, its storage, its planned trials, what it was started with."""

import dataclasses
import hashlib
import json
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from layerline.artifacts import Workspace, read_manifest
from layerline.config import read_yaml
from layerline.config.dotted_paths import with_values
from layerline.errors import BusyError, ParamsError, Problem
from layerline.projects.outdated import require_current
from layerline.projects.preflight import check_params
from layerline.studies.fold_data import require_foldable, require_folds
from layerline.studies.search_methods import GRID, make_pruner, make_sampler, require_fit
from layerline.studies.search_objectives import Objective, read_objectives
from layerline.studies.search_space import SearchSpace, space_problems
from layerline.studies.search_trial import Bench
from layerline.studies.study_file import StudySection, find_study, parse_study
from layerline.studies.study_storage import storage_of, study_folder
from layerline.studies.trial_slots import fill_slots
from layerline.training.objectives import ALL_NUMBERS

if TYPE_CHECKING:
    import optuna

DEFAULT_TRIALS = 50


@dataclasses.dataclass(frozen=True)
class Search:
    """A search and everything its trials need.

    Attributes:
        name: the study's.
        source: the name or path it was found by; None: params.yaml's section `study`.
        section: its file.
        bench: what trials train on.
        space: what varies.
        objectives: what is optimised.
        n_trials: planned.
        points: labels of the first trials; the others' are drawn.
        key: a hash of everything that decides a trial's value.
        earlier_key: the same as earlier releases had it, of what the space varies, too.
    """

    name: str
    source: str | None
    section: StudySection
    bench: Bench
    space: SearchSpace
    objectives: Sequence[Objective]
    n_trials: int
    points: Sequence[Mapping[str, Any]]
    key: str
    earlier_key: str

    @property
    def folder(self) -> Path:
        return self.bench.folder

    def open(self, url: str | None, is_new: bool = False) -> "optuna.Study":
        """Open the study in its storage and queue the planned trials.

        Raises:
            ParamsError: it was started with another file, params or data.
            TrackingError: the storage cannot be reached.
        """
        import optuna

        if is_new and not url:
            remove_trials(self.folder)
        storage = storage_of(self.folder, url)
        name = f"{self.bench.params.project}.{self.name}"
        if is_new and name in optuna.get_all_study_names(storage):
            optuna.delete_study(study_name=name, storage=storage)
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=[objective.direction for objective in self.objectives],
            pruner=make_pruner(self.section.pruner),
            load_if_exists=True,
        )
        self._claim(study)
        return study

    def _claim(self, study: "optuna.Study") -> None:
        with FileLock(self.folder / "slots.lock"):
            known = study.user_attrs.get("key")
            if known is None:
                study.set_user_attr("key", self.key)
                study.set_user_attr("run", uuid.uuid4().hex)
            elif known not in (self.key, self.earlier_key):
                message = (
                    "was started with another file, other params or data, so its trials cannot be "
                    "compared with new ones; --new starts it again, and forgets them"
                )
                raise ParamsError([Problem(self.name, message)], "study")
            fill_slots(study, self.n_trials, self.points)

    def sampler(self, slot: int) -> "optuna.samplers.BaseSampler":
        """The sampler for the trial of a slot; what it draws depends on the trials before it."""
        return make_sampler(self.section.sampler, self.bench.params.seed * 1_000_003 + slot)


def remove_trials(folder: Path) -> None:
    """Forget the trials of a study.

    Raises:
        BusyError: it is running.
    """
    from filelock import Timeout

    try:
        with FileLock(folder / "run.lock", timeout=0):
            for path in folder.glob("trial*"):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
    except Timeout:
        raise BusyError(f"{folder}: this study is running; wait for it, or stop it") from None


def read_search(workspace: Workspace, name: str | None, trials: int | None = None) -> Search:
    """Read a study's file and check all of it.

    Args:
        workspace: the project; data/scaled must be of today's params.
        name: of the study; None: the section `study` of params.yaml.
        trials: the planned number, before the file's.

    Raises:
        ParamsError: with every problem found in it, or data/scaled belongs to other params.
        DataError: there are too few rows for its folds.
        SourceError: data/scaled is missing or damaged.
    """
    source = name
    name, content = find_study(workspace, source)
    section = parse_study(content, name)
    raw = read_yaml(workspace.params)
    params = check_params(raw, workspace.params.name)
    require_current(workspace, "scale")
    scaled = read_manifest(workspace.scaled)
    objectives = read_objectives(section.objective, scaled.get("task") in ALL_NUMBERS)
    make_sampler(section.sampler, 0)
    make_pruner(section.pruner)
    require_fit(section, len(objectives), params.train.epochs)
    if section.folds:
        require_foldable(params)
        require_folds(workspace.scaled, section.folds, params.seed)
    folder = study_folder(workspace, name)
    folder.mkdir(parents=True, exist_ok=True)
    space = SearchSpace(section.space, raw)
    bench = Bench(workspace, raw, params, folder)
    problems = [*space_problems(section, raw), *_value_problems(bench, space)]
    if problems:
        raise ParamsError(problems, name)
    points = _points(section, space)
    n_trials = trials or section.trials or (len(points) if points else DEFAULT_TRIALS)
    if section.sampler.name == GRID:
        n_trials = min(n_trials, len(points))
    keys = (_key(section, content, scaled) for content in (_unvaried(section, raw), raw))
    return Search(name, source, section, bench, space, objectives, n_trials, points, *keys)


def _points(section: StudySection, space: SearchSpace) -> list[dict[str, Any]]:
    if section.sampler.name == GRID:
        return space.grid()
    first = space.defaults()  # so that the best is never worse than params.yaml as it is
    return [] if first is None else [first]


def _value_problems(bench: Bench, space: SearchSpace) -> list[Problem]:
    """Values that params.yaml would refuse, one by one, before any work."""
    problems = []
    for path, dimension in space.dimensions.items():
        values = dimension.choices or (dimension.low, dimension.high)
        for value in values:
            try:
                bench.params_of({**dimension.when, path: value})
            except ParamsError as error:
                problems += [Problem(f"space.{path}", str(found)) for found in error.problems]
    return list(dict.fromkeys(problems))


def _unvaried(section: StudySection, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The params without the values that every trial replaces: --apply changes no others."""
    varied = [path for path, dimension in section.space.items() if not dimension.when]
    return with_values(raw, dict.fromkeys(varied))


def _key(section: StudySection, raw: Mapping[str, Any], scaled: Mapping[str, Any]) -> str:
    """A hash of what decides a trial's value; not of how many trials there are, or how long."""
    decides = {k: v for k, v in dataclasses.asdict(section).items() if k not in _FREE}
    for name in ("rungs", "folds"):  # a study that was begun before there were any goes on
        if not decides[name]:
            del decides[name]
    own = {k: v for k, v in raw.items() if k in ("seed", "threads", "scale", "train", "evaluate")}
    facts = {"study": decides, "params": own, "data": scaled["files"]}
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


_FREE = ("trials", "minutes", "pruner")
