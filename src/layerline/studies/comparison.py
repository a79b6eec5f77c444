"""A comparison: a question that several variants of params answer, each trained from equal seeds.

Each finished training is a small file named after a hash of what decides it: a comparison that was
stopped, or gets more seeds, trains only what is missing.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from layerline.artifacts import Workspace, read_json, read_manifest, sha256_of, write_json
from layerline.config import Params, read_yaml
from layerline.config.components import SECTION
from layerline.errors import DivergedError, ParamsError, Problem, SourceError
from layerline.projects.outdated import require_current
from layerline.projects.preflight import check_params
from layerline.studies.search_objectives import Objective, read_objectives
from layerline.studies.search_space import fixed_reason
from layerline.studies.search_trial import Bench
from layerline.studies.study_file import find_study
from layerline.studies.study_storage import study_folder
from layerline.studies.train_subset import write_subset
from layerline.training.epoch_records import EpochRecord
from layerline.training.objectives import ALL_NUMBERS
from layerline.wrong_values import problems_of

ROWS = "rows"
CURVES = ("train_loss", "valid_loss", "valid_error")


@dataclass(frozen=True, kw_only=True, config=SECTION)
class ComparisonSection:
    """The file of a comparison.

    `variants`: a name -> values at dotted paths of params.yaml; the first is what others are
    compared with. `base`: values for all of them; `rows`, in either, is a number of train rows.
    `numbers`: what the names are the numbers of; they are drawn on a line then.
    """

    question: str
    variants: Annotated[dict[str, dict[str, Any]], Field(min_length=2)]
    base: dict[str, Any] = Field(default_factory=dict)
    objective: str = "auto"
    seeds: Annotated[int, Field(ge=1, le=1000)] = 5
    numbers: str | None = None

    @model_validator(mode="after")
    def _numbers_are_numbers(self) -> "ComparisonSection":
        if self.numbers is not None:
            try:
                [float(name) for name in self.variants]
            except ValueError:
                raise ValueError("with `numbers` each variant's name is a number") from None
        return self


@dataclasses.dataclass(frozen=True)
class Cell:
    """One training: what a variant came to from one seed.

    `value` is None where training diverged. `curves` are by epoch.
    """

    variant: str
    seed: int
    value: float | None
    train_value: float | None
    seconds: float
    curves: Mapping[str, Sequence[float]]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All trainings of a comparison."""

    name: str
    project: str
    section: ComparisonSection
    objective: Objective
    cells: Sequence[Cell]

    def of(self, variant: str) -> list[Cell]:
        """The cells of a variant, by seed."""
        return [cell for cell in self.cells if cell.variant == variant]


def read_comparison(workspace: Workspace, name: str) -> tuple[str, ComparisonSection]:
    """The name and the content of a comparison's file, in recipes/studies or a path.

    Raises:
        ParamsError: there is none, or with every problem in it.
    """
    name, content = find_study(workspace, name)
    if isinstance(content, Mapping) and "space" in content:
        message = f"is of a search; run it by `layerline study run {name}`"
        raise ParamsError([Problem("space", message)], name)
    try:
        return name, TypeAdapter(ComparisonSection).validate_json(json.dumps(content, default=str))
    except ValidationError as error:
        raise ParamsError(problems_of(error, ComparisonSection, content), name) from None


def run_comparison(
    workspace: Workspace,
    name: str,
    section: ComparisonSection,
    n_seeds: int,
    on_cell: Callable[[Cell], None] = lambda cell: None,
) -> Comparison:
    """Train every variant from every seed, where that was not done before.

    Args:
        workspace: the project; data/scaled must be of today's params.
        name: the comparison's.
        section: its file.
        n_seeds: from params.yaml's seed on; each variant has the same.
        on_cell: called with each cell, known ones included.

    Raises:
        ParamsError: with every invalid value of every variant.
        SourceError: data/scaled is missing or damaged.
    """
    raw = read_yaml(workspace.params)
    params = check_params(raw, workspace.params.name)
    require_current(workspace, "scale")
    scaled = read_manifest(workspace.scaled)
    is_regression = scaled.get("task") in ALL_NUMBERS
    (objective,) = read_objectives(_objective(section, is_regression), is_regression)
    folder = study_folder(workspace, name)
    (folder / "cells").mkdir(parents=True, exist_ok=True)
    bench = Bench(workspace, raw, params, folder)
    variants = _variants(bench, section, name, scaled["n_rows"]["train"])
    cells = []
    for seed in range(n_seeds):
        for variant, chosen in variants.items():
            cells.append(_cell(bench, variant, chosen, seed, objective, scaled["files"]))
            on_cell(cells[-1])
    return Comparison(name, params.project, section, objective, cells)


def _objective(section: ComparisonSection, is_regression: bool) -> str:
    if section.objective == "auto":
        return "valid.rmse" if is_regression else "valid.accuracy"
    return section.objective


class _Variant(NamedTuple):
    params: Params
    n_rows: int | None  # of the train rows; None: all


def _variants(
    bench: Bench, section: ComparisonSection, name: str, n_train: int
) -> dict[str, _Variant]:
    found, problems = {}, []
    for variant, changes in section.variants.items():
        values = {**section.base, **changes}
        n_rows = values.pop(ROWS, None)
        if n_rows is not None and (not isinstance(n_rows, int) or not 2 <= n_rows <= n_train):
            message = (
                f"must be a whole number from 2 to {n_train}, as data/scaled has train rows; got "
                f"{n_rows!r}. Other numbers: a copy of the file in recipes/studies"
            )
            problems.append(Problem(f"variants.{variant}.{ROWS}", message))
        fixed = {path: reason for path in values if (reason := fixed_reason(path))}
        problems += [Problem(f"variants.{variant}.{path}", fixed[path]) for path in fixed]
        try:
            found[variant] = _Variant(bench.params_of(values), n_rows)
        except ParamsError as error:
            problems += [Problem(f"variants.{variant}", str(each)) for each in error.problems]
    if problems:
        raise ParamsError(problems, name)
    return found


def _cell(
    bench: Bench, variant: str, chosen: _Variant, seed: int, objective: Objective, files: Any
) -> Cell:
    params = chosen.params
    decides = {"train": dataclasses.asdict(params.train), "scale": dataclasses.asdict(params.scale)}
    facts = {**decides, "seed": params.seed + seed, "objective": objective.name, "data": files}
    facts |= {} if chosen.n_rows is None else {ROWS: chosen.n_rows}
    source = bench.source(params)  # where an alias moved, what was trained from it is another
    facts |= {} if source is None else {"source": sha256_of(source.weights)}
    text = json.dumps(facts, sort_keys=True, default=str)
    path = bench.folder / "cells" / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"
    try:
        return Cell(**{**read_json(path), "variant": variant, "seed": seed})
    except (SourceError, TypeError):
        cell = _train(bench, variant, chosen, seed, objective)
        write_json(path, dataclasses.asdict(cell))
        return cell


def _train(bench: Bench, variant: str, chosen: _Variant, seed: int, objective: Objective) -> Cell:
    records: list[EpochRecord] = []
    try:
        n_rows = chosen.n_rows
        cut = None if n_rows is None else functools.partial(write_subset, n_rows=n_rows)
        trained = bench.train(chosen.params, records.append, seed, cut)
    except DivergedError:
        value, train_value, seconds = None, None, 0.0
    else:
        measured = trained.measured
        value, seconds = objective.value(measured), measured.seconds
        on_train = measured._replace(metrics=trained.train_metrics())
        train_value = objective.value(on_train)
    curves = {name: [getattr(record, name) for record in records] for name in CURVES}
    return Cell(variant, seed, value, train_value, seconds, curves)
