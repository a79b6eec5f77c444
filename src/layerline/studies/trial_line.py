"""One line for a trial that is done, as a log or a terminal shows it."""

from typing import TYPE_CHECKING

from layerline.studies.study_setup import Search
from layerline.studies.trial_slots import ERROR, SLOT
from layerline.text import readable

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def trial_line(search: Search, trial: "FrozenTrial") -> str:
    """`trial 7: valid.log_loss 0.0801  learning_rate=0.004 hidden=[128]`."""
    names = [objective.name for objective in search.objectives]
    if trial.state.name == "COMPLETE":
        figures = zip(names, trial.values, strict=True)
        outcome = ", ".join(f"{name} {readable(value)}" for name, value in figures)
    elif trial.state.name == "PRUNED":
        outcome = f"pruned at {trial.user_attrs.get('pruned_at', '?')}"
    else:
        outcome = f"failed: {trial.user_attrs.get(ERROR, '')}"
    values = search.space.decode(trial.params).items()
    shown = (
        f"{path.rpartition('.')[2]}={readable(v) if isinstance(v, float) else v}"
        for path, v in values
    )
    return f"trial {trial.user_attrs[SLOT]}: {outcome}  {' '.join(shown)}"
