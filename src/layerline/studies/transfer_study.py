"""Is transfer worth it? Scratch, feature extraction and fine-tuning by number of labelled rows.

Each finished training is a small file in .layerline/studies, named after a hash of everything that
determines its result: a study that was stopped, or extended, trains only what is missing.
"""

import dataclasses
from collections.abc import Callable

from layerline.artifacts import SourceFiles, Workspace, read_json, write_json
from layerline.config import Params
from layerline.errors import ParamsError, Problem, SourceError
from layerline.evaluation.looks import note_look
from layerline.studies.study_report import Study
from layerline.studies.trial import MODES, Cell, open_bench, require_rows, train_cell


@dataclasses.dataclass(frozen=True)
class StudyPlan:
    """The size of a study.

    `sizes`: labelled rows per class (regression: rows). Each of the `n_seeds` has other rows,
    initial weights and order. `n_steps`: optimizer steps of each training.
    """

    sizes: tuple[int, ...]
    n_seeds: int
    n_steps: int

    @property
    def cells(self) -> list[Cell]:
        """All trainings."""
        sizes, seeds = sorted(set(self.sizes)), range(self.n_seeds)
        return [Cell(mode, size, seed) for size in sizes for seed in seeds for mode in MODES]


def run_study(
    workspace: Workspace,
    params: Params,
    source: SourceFiles,
    plan: StudyPlan,
    on_cell: Callable[[Cell, float], None] = lambda cell, figure: None,
) -> Study:
    """Train every cell without a result; return all of them.

    Args:
        workspace: trains on rows of its data/scaled, measures on the test rows.
        params: with train.transfer; if its mode is fine_tune or feature_extraction, those settings
            are used for that mode.
        source: the model named by train.transfer.from.
        plan: sizes, seeds and steps.
        on_cell: called with each cell and its metric, cached ones included.

    Raises:
        ParamsError: train.transfer is missing, a class has too few rows, or the source does not
            fit.
        SourceError: an artifact is missing or damaged.
    """
    if params.train.transfer is None:
        message = "is not set; set `transfer: {from: champion}` or another source"
        raise ParamsError([Problem("train.transfer", message)])
    bench = open_bench(workspace, params, source, plan.n_steps)
    require_rows(bench, max(plan.sizes))
    folder = workspace.home / ".layerline" / "studies" / f"transfer-{bench.key[:16]}"
    figures: dict[Cell, float] = {}
    for cell in plan.cells:
        path = folder / f"{cell.name}.json"
        try:
            figure = float(read_json(path)["figure"])
        except (SourceError, KeyError, TypeError, ValueError):
            note_look(workspace, study=bench.key, mode=cell.mode)
            figure = train_cell(bench, cell)
            write_json(path, {"figure": figure})
        figures[cell] = figure
        on_cell(cell, figure)
    unit = "rows" if bench.spec.classes is None else "rows a class"
    model = params.train.transfer.source
    return Study(params.project, model, bench.figure, unit, plan.n_steps, figures)
