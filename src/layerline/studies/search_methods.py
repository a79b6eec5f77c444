"""Samplers and pruners: Optuna's, by the names that a study's file uses.

To add one: a function whose keyword-only arguments are its options, and a line in its table.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from layerline.config.components import Component
from layerline.errors import ParamsError, Problem
from layerline.lookup import pick, read_options
from layerline.studies.study_file import EPOCHS, StudySection

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

GRID = "grid"
Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=1)]
Factor = Annotated[int, Field(ge=2)]
Probability = Annotated[float, Field(ge=0, le=1)]


def _random(seed: int) -> "BaseSampler":
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed)


def _tpe(seed: int, *, startup: Count = 10, multivariate: bool = False) -> "BaseSampler":
    """Tree-structured Parzen estimator. Source: Bergstra et al. (2011); Watanabe (2023)."""
    from optuna.samplers import TPESampler

    return TPESampler(
        seed=seed, n_startup_trials=startup, multivariate=multivariate, constant_liar=True
    )


def _gp(seed: int, *, startup: Count = 10) -> "BaseSampler":
    """Gaussian process with expected improvement."""
    from optuna.samplers import GPSampler

    return GPSampler(seed=seed, n_startup_trials=startup)


def _cma_es(seed: int, *, startup: Count = 1) -> "BaseSampler":
    """Covariance matrix adaptation. Source: Hansen, The CMA Evolution Strategy (2016)."""
    from optuna.samplers import CmaEsSampler

    return CmaEsSampler(seed=seed, n_startup_trials=startup, warn_independent_sampling=False)


SAMPLERS: Mapping[str, Callable[..., "BaseSampler"]] = {
    GRID: _random,  # its points are laid out beforehand
    "random": _random,
    "tpe": _tpe,
    "gp": _gp,
    "cma_es": _cma_es,
}


def _never() -> "BasePruner":
    from optuna.pruners import NopPruner

    return NopPruner()


def _median(*, startup: Count = 5, warmup: Count = 2) -> "BasePruner":
    """Stop a trial that is worse than the median of the earlier ones at the same epoch."""
    from optuna.pruners import MedianPruner

    return MedianPruner(n_startup_trials=startup, n_warmup_steps=warmup)


def _hyperband(*, least: Size = 1, most: Size | None = None, factor: Factor = 3) -> "BasePruner":
    """Source: Li et al., Hyperband (2018)."""
    from optuna.pruners import HyperbandPruner

    return HyperbandPruner(
        min_resource=least, max_resource="auto" if most is None else most, reduction_factor=factor
    )


def _halving(*, least: Size = 1, factor: Factor = 3) -> "BasePruner":
    """Keep the best 1 / `factor` at `least` epochs, of those again at `factor` times as many, ...

    Of the trials so far: no trial waits for others.
    Source: Li et al., A System for Massively Parallel Hyperparameter Tuning (2020).
    """
    from optuna.pruners import SuccessiveHalvingPruner

    return SuccessiveHalvingPruner(min_resource=least, reduction_factor=factor)


def _wilcoxon(*, p: Probability = 0.1, least: Count = 2) -> "BasePruner":
    """Stop a trial whose seeds, or folds, are surely worse than the same ones of the best trial."""
    from optuna.pruners import WilcoxonPruner

    return WilcoxonPruner(p_threshold=p, n_startup_steps=least)


PRUNERS: Mapping[str, Callable[..., "BasePruner"]] = {
    "none": _never,
    "median": _median,
    "halving": _halving,
    "hyperband": _hyperband,
    "wilcoxon": _wilcoxon,
}


def make_sampler(chosen: Component, seed: int) -> "BaseSampler":
    """The sampler of a study; `seed` decides what it draws.

    Raises:
        ParamsError: its name or an option is invalid.
    """
    build = _pick(SAMPLERS, chosen, "sampler")
    options = read_options(build, chosen.options, "sampler")
    with _without_warnings():
        return build(seed, **options)


def make_pruner(chosen: Component) -> "BasePruner":
    """The pruner of a study.

    Raises:
        ParamsError: its name or an option is invalid.
    """
    build = _pick(PRUNERS, chosen, "pruner")
    options = read_options(build, chosen.options, "pruner")
    with _without_warnings():
        return build(**options)


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Optuna calls what it has had for years experimental; its version is pinned."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def _pick(table: Mapping[str, Any], chosen: Component, where: str) -> Callable[..., Any]:
    build: Callable[..., Any] = pick(table, chosen.name, where)
    return build


def require_fit(section: StudySection, n_objectives: int, n_epochs: int) -> None:
    """Refuse methods that do not go together.

    Args:
        section: the study's file.
        n_objectives: how many it has.
        n_epochs: train.epochs of params.yaml.

    Raises:
        ParamsError: with every problem found.
    """
    problems, sampler, pruner = [], section.sampler, section.pruner
    if n_objectives > 1 and pruner.name != "none":
        message = "stops trials by one objective, and this study has several; remove it"
        problems.append(Problem("pruner", message))
    if n_objectives > 1 and sampler.name == "cma_es":
        problems.append(Problem("sampler", "cma_es has one objective; use tpe or random"))
    if pruner.name == "wilcoxon" and section.n_trainings < 3:
        message = (
            "wilcoxon compares trials seed by seed or fold by fold; set `seeds: 3` or `folds: 3`"
        )
        problems.append(Problem("pruner", message))
    if section.folds and section.seeds > 1:
        message = f"a trial is a mean over folds or over seeds, and `seeds` is {section.seeds}"
        problems.append(Problem("folds", f"{message}; keep one of them"))
    problems += [Problem("rungs", message) for message in _rung_problems(section, n_epochs)]
    if problems:
        raise ParamsError(problems, "study")


def _rung_problems(section: StudySection, n_epochs: int) -> Iterator[str]:
    if not section.rungs:
        return
    if section.pruner.name in ("none", "wilcoxon"):
        yield f"the pruner `{section.pruner.name}` ends no trial at them; use halving or median"
    for name, value in (("seeds", section.seeds), ("folds", section.folds or 1)):
        if value > 1:
            yield f"are short trainings of one seed, and `{name}` is {value}; keep one of them"
    if EPOCHS not in section.space and section.rungs[-1] >= n_epochs:
        last = section.rungs[-1]
        yield f"{last} epochs are not fewer than {EPOCHS}, {n_epochs}; a rung is a shorter training"
    if section.pruner.name in ("halving", "hyperband"):
        # At a rung of its own between two of the study's, it would halve twice at once.
        options = read_options(PRUNERS[section.pruner.name], section.pruner.options, "pruner")
        own = [options["least"] * options["factor"] ** k for k in range(len(section.rungs))]
        if list(section.rungs) != own:
            yield f"{section.pruner.name} with such `least` and `factor` has the rungs {own}"
