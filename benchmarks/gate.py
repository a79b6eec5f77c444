"""How often the gate promotes: challengers without a gain, and challengers that are truly better.

    python benchmarks/gate.py --repetitions 500

Two networks predict every row of scikit-learn's digits out of fold, one small, one larger. Each
repetition draws test rows from these real pairs of predictions. "No gain": a coin decides for every
row which of the two is called the challenger, so that neither is better. "1 point": the coin is
loaded so that the challenger's accuracy is one point higher in the population.
"""

import argparse
import dataclasses
from collections.abc import Callable

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_predict
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from layerline.config import GateSection
from layerline.evaluation.predictions import Predictions
from layerline.registry.gate import judge

GAIN = 0.01
NULL_ROWS = (10, 20, 30, 100, 360, 1000, 5000)
GAIN_ROWS = (360, 1000, 5000)


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Every row's truth, and what the worse and the better network give: (N,), (N, K) twice."""

    actual: np.ndarray
    worse: np.ndarray
    better: np.ndarray

    @property
    def difference(self) -> float:
        """How much more accurate the better one is."""
        right = [(p.argmax(axis=1) == self.actual).mean() for p in (self.worse, self.better)]
        return float(right[1] - right[0])

    def draw(
        self, n_rows: int, swap: float, generator: np.random.Generator
    ) -> tuple[Predictions, Predictions]:
        """(champion, challenger) on so many rows, exchanged on a share `swap` of them."""
        rows = generator.integers(len(self.actual), size=n_rows)
        swapped = (generator.random(n_rows) < swap)[:, None]
        low, high = self.worse[rows], self.better[rows]
        pair = np.where(swapped, high, low), np.where(swapped, low, high)
        actual = self.actual[rows]
        champion, challenger = (Predictions(actual, p.argmax(axis=1), p) for p in pair)
        return champion, challenger


def predict_digits() -> Pairs:
    x, y = load_digits(return_X_y=True)

    def out_of_fold(hidden: int, epochs: int) -> np.ndarray:
        network = MLPClassifier((hidden,), max_iter=epochs, random_state=0, tol=0.0)
        network.n_iter_no_change = epochs
        probabilities = cross_val_predict(
            make_pipeline(StandardScaler(), network), x, y, cv=5, method="predict_proba"
        )
        # As a float32 network would: no probability is exactly 0.
        return np.clip(probabilities, 1e-7, None)

    return Pairs(y, out_of_fold(12, 40), out_of_fold(128, 40))


def promoted(
    pairs: Pairs, n_rows: int, swap: float, section: GateSection, repetitions: int
) -> float:
    count = 0
    for seed in range(repetitions):
        pair = pairs.draw(n_rows, swap, np.random.default_rng([seed, n_rows]))
        count += judge(*pair, section, task="multiclass", seed=seed).promote
    return count / repetitions


def plainly_promoted(pairs: Pairs, n_rows: int, metric: str, repetitions: int) -> float:
    """What `better on the test rows` would promote without a gain."""
    count = 0
    for seed in range(repetitions):
        pair = pairs.draw(n_rows, 0.5, np.random.default_rng([seed, n_rows]))
        losses = [part.row_losses(metric).mean() for part in pair]
        count += losses[1] < losses[0]
    return count / repetitions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=500)
    parser.add_argument("--bootstrap", type=int, default=500)
    asked = parser.parse_args()
    import warnings

    warnings.simplefilter("ignore")  # 40 epochs are meant
    pairs = predict_digits()
    swap = (1 - GAIN / pairs.difference) / 2
    print(
        f"`python benchmarks/gate.py --repetitions {asked.repetitions}`: {len(pairs.actual):,} "
        f"pairs of real predictions; the networks' accuracies differ by "
        f"{100 * pairs.difference:.2f} points.\n"
    )
    print("| promoted | metric | " + " | ".join(f"{n:,} rows" for n in NULL_ROWS) + " |")
    print("|---|---|" + "---|" * len(NULL_ROWS))
    for metric in ("log_loss", "accuracy"):
        section = GateSection(metric=metric, bootstrap=asked.bootstrap, min_rows=2)
        kinds: dict[str, Callable[[int], float | None]] = {
            "no gain, plain `better`": lambda n, m=metric: plainly_promoted(
                pairs, n, m, asked.repetitions
            ),
            "no gain": lambda n, s=section: promoted(pairs, n, 0.5, s, asked.repetitions),
            "1 point of accuracy": lambda n, s=section: (
                promoted(pairs, n, swap, s, asked.repetitions) if n in GAIN_ROWS else None
            ),
        }
        for kind, measure in kinds.items():
            shares = [measure(n) for n in NULL_ROWS]
            cells = ["–" if share is None else f"{share:.1%}" for share in shares]
            print(f"| {kind} | {metric} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
