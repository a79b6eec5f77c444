"""Is the network worth it? Its loss against that of the best baseline, row by row."""

from collections.abc import Sequence

from layerline.config import EvaluateSection
from layerline.evaluation.baselines import Baseline
from layerline.evaluation.bootstrap import interval
from layerline.evaluation.predictions import Predictions, judged_by
from layerline.text import readable


def compare_with_baselines(
    p: Predictions, baselines: Sequence[Baseline], section: EvaluateSection, seed: int
) -> str:
    """One sentence on whether the network is better than the best baseline, beyond chance."""
    if not baselines or not section.bootstrap:
        return ""
    figure = judged_by(p)
    sign = -1 if figure == "r2" else 1
    best = min(baselines, key=lambda found: sign * found.figures[figure])
    losses = p.row_losses(figure) * p.multiples
    gains = best.losses * p.multiples - losses
    gain = interval(gains, section.bootstrap, section.confidence, seed, p.groups)
    own = float(losses.mean()) ** (0.5 if figure == "rmse" else 1)
    own = 1 - own if figure == "r2" else own
    shown = (
        f"its test {figure} is {readable(own)}, that of the best baseline ({best.name}) "
        f"{readable(best.figures[figure])}; the mean gain per row is {readable(gain.mean)} "
        f"({readable(gain.lower)} to {readable(gain.upper)}"
        f"{', squared' if figure == 'rmse' else ''})"
    )
    if gain.lower > 0:
        return f"The network is worth it: {shown}."
    if gain.upper < 0:
        return f"The network is not worth it: {shown}. Use the baseline, or improve the training."
    return f"Not proven that the network is worth it: {shown}, which may be chance."
