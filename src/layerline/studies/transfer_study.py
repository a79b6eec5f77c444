"""Is it worth it? From scratch, feature extraction and fine-tuning, by number of labelled rows.

Each finished training is a small file in .layerline/studies, named by a hash of all that decides
its figure: a study that was stopped, or asked for more rows or seeds, trains what is missing.
"""

from collections.abc import Callable, Sequence

from layerline.artifacts import SourceFiles, Workspace, read_json, write_json
from layerline.config import Params
from layerline.errors import ParamsError, Problem, SourceError
from layerline.studies.report import Study
from layerline.studies.trial import MODES, Cell, open_bench, require_rows, train_cell


def run_study(
    workspace: Workspace,
    params: Params,
    source: SourceFiles,
    sizes: Sequence[int],
    n_seeds: int,
    n_steps: int,
    on_cell: Callable[[Cell, float], None] = lambda cell, figure: None,
) -> Study:
    """Train every cell that has no figure yet; return all of them.

    Args:
        workspace: its data/scaled is learnt from, its test rows are measured.
        params: with train.transfer; a fine_tune or feature_extraction there is taken as it stands.
        source: what train.transfer.from names.
        sizes: labelled rows a class; of numbers, rows.
        n_seeds: each draws other rows, another start and another order.
        n_steps: how long each training is, in steps of the optimizer.
        on_cell: hears of each cell, also of those that were there.

    Raises:
        ParamsError: there is no train.transfer, a class has too few rows, or a source does not fit.
        SourceError: an artifact is missing or damaged.
    """
    if params.train.transfer is None:
        message = "is not set; `transfer: {from: champion}` says what to start from"
        raise ParamsError([Problem("train.transfer", message)])
    bench = open_bench(workspace, params, source, n_steps)
    sizes = sorted(set(sizes))
    require_rows(bench, sizes[-1])
    folder = workspace.home / ".layerline" / "studies" / f"transfer-{bench.key[:16]}"
    figures: dict[Cell, float] = {}
    for cell in (Cell(m, size, seed) for size in sizes for seed in range(n_seeds) for m in MODES):
        path = folder / f"{cell.name}.json"
        try:
            figure = float(read_json(path)["figure"])
        except (SourceError, KeyError, TypeError, ValueError):
            figure = train_cell(bench, cell)
            write_json(path, {"figure": figure})
        figures[cell] = figure
        on_cell(cell, figure)
    unit = "rows" if bench.spec.classes is None else "rows a class"
    return Study(params.project, params.train.transfer.source, bench.figure, unit, n_steps, figures)
