"""The plots of a search: Optuna's own, drawn by Matplotlib.

To add one: a line in PLOTS.
"""

import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from layerline.studies.search_objectives import Objective

if TYPE_CHECKING:
    from optuna import Study

_DPI = 110
_MOST_NAMED = 12  # in a legend


class _Plot(NamedTuple):
    """A plot, and how many trials with a value it needs; `arguments` may choose params."""

    function: str
    caption: str
    least: int
    is_of_params: bool = False


PLOTS = (
    _Plot("plot_optimization_history", "The best value so far", 1),
    _Plot("plot_param_importances", "Which params matter", 4),
    _Plot("plot_slice", "Values by each param", 2),
    _Plot("plot_contour", "Values by the two params that matter most", 6, is_of_params=True),
    _Plot("plot_parallel_coordinate", "Every trial, param by param", 2),
    _Plot("plot_intermediate_values", "Values on the way: by epoch, rung or seed", 1),
)


def draw_plots(
    study: "Study", objectives: Sequence[Objective], folder: Path
) -> list[tuple[Path, str]]:
    """Draw what the trials allow; return each PNG with its caption."""
    os.environ.setdefault("MPLBACKEND", "agg")
    done = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
    study = _with_short_names(study)
    if len(objectives) > 1:
        return _draw_front(study, objectives, folder) if done else []
    varied = {name for trial in done for name in trial.params}
    spread = len({trial.value for trial in done}) > 1
    found = []
    for plot in PLOTS:
        needs_spread = plot.least > 2 and (not spread or len(varied) < 2)
        if len(done) < plot.least or needs_spread:
            continue
        path = folder / f"{plot.function.removeprefix('plot_')}.png"
        arguments = {}
        if plot.is_of_params:
            arguments["params"] = _most_important(study)
        elif plot.function == "plot_intermediate_values" and not any(
            trial.intermediate_values for trial in done
        ):
            continue
        _save(_matplotlib(plot.function), path, objectives[0].name, study, **arguments)
        found.append((path, plot.caption))
    return found


def _with_short_names(study: "Study") -> "Study":
    """A copy whose params have the last part of their path as name: whole paths overlap."""
    import optuna
    from optuna.trial import TrialState

    paths = {path for trial in study.get_trials(deepcopy=False) for path in trial.params}
    counts = Counter(path.rpartition(".")[2] for path in paths)
    names = {
        path: short if counts[short := path.rpartition(".")[2]] == 1 else path for path in paths
    }
    copied = optuna.create_study(directions=study.directions)
    for trial in study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)):
        trial.params = {names[path]: value for path, value in trial.params.items()}
        trial.distributions = {names[path]: d for path, d in trial.distributions.items()}
        copied.add_trial(trial)
    return copied


def _draw_front(
    study: "Study", objectives: Sequence[Objective], folder: Path
) -> list[tuple[Path, str]]:
    path, names = folder / "pareto_front.png", [objective.name for objective in objectives]
    if len(names) > 3:
        return []
    _save(_matplotlib("plot_pareto_front"), path, "", study, target_names=names)
    return [(path, "Trials that none is better than in every objective")]


def _matplotlib(name: str) -> Callable[..., Any]:
    from optuna.visualization import matplotlib

    function: Callable[..., Any] = getattr(matplotlib, name)
    return function


def _most_important(study: "Study") -> list[str]:
    from optuna.importance import get_param_importances

    return list(get_param_importances(study))[:2]


def _save(
    function: Callable[..., Any], path: Path, name: str, study: "Study", **arguments: Any
) -> None:
    import matplotlib.pyplot as plt
    import numpy as np
    import optuna

    if name and function.__name__ != "plot_intermediate_values":
        arguments["target_name"] = name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.simplefilter("ignore", UserWarning)
        axes = function(study, **arguments)
        figure = np.ravel(np.asarray(axes, dtype=object))[0].figure
        _dress(figure)
        figure.savefig(path, dpi=_DPI, bbox_inches="tight", metadata={"Software": None})
    plt.close("all")


def _dress(figure: Any) -> None:
    """The look of the other reports: white, the title left to the page, and no overlapping text."""
    panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    figure.set_size_inches(min(max(7.0, 2.4 * len(panels)), 14.0), 4.8)
    figure.suptitle("")
    places = Counter(axes.get_position().bounds for axes in panels)
    for axes in figure.axes:
        for side in ("left", "center"):
            axes.set_title("", loc=side)
        axes.set_facecolor("white")
        axes.spines[:].set_edgecolor("#888888")
        # Several scales in one place would have several grids.
        is_plain = axes.get_label() != "<colorbar>" and places[axes.get_position().bounds] == 1
        axes.grid(visible=False)
        if is_plain:
            axes.grid(color="#dddddd", linewidth=0.7)
        axes.set_axisbelow(True)
        _write_choices(axes)
        legend = axes.get_legend()
        if legend and not 1 < len(legend.get_texts()) <= _MOST_NAMED:
            legend.remove()


def _write_choices(axes: Any) -> None:
    """Choices as people write them, slanted below a plot, and readable where lines cross them."""
    names = [text.get_text() for text in axes.get_xticklabels()]
    if any(name.startswith("'") for name in names):
        axes.set_xticks(axes.get_xticks(), [name.strip("'") for name in names])
    if max(map(len, names), default=0) > 5 and len(names) > 2:
        axes.tick_params("x", labelrotation=40)
        for text in axes.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")
    for text in axes.get_yticklabels():
        text.set_bbox({"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1})
