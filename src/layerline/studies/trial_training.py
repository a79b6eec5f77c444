"""The trainings of one trial, and what its pruner sees of them.

Without rungs a pruner sees the validation loss of each epoch, or the value of each seed or fold.
With rungs the trial first trains whole, shorter trainings, each to the end of a schedule of its
own, and the pruner sees the objective that each comes to. Nothing of a short training is left in
the next one, so the last has the bytes of a training alone.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from layerline.config import Params
from layerline.studies.fold_data import require_foldable, write_fold
from layerline.studies.search_trial import Trained, mean_values
from layerline.studies.study_file import EPOCHS
from layerline.studies.study_setup import Search
from layerline.training.epoch_records import EpochRecord

if TYPE_CHECKING:
    from optuna import Trial


Metrics = Mapping[str, float]


class TrialTraining:
    """Trains a trial, unless its pruner ends it.

    Args:
        search: the study's file, data and plan.
        trial: Optuna's, which the pruner looks at.
        journal: of the trial's run.
    """

    def __init__(self, search: Search, trial: "Trial", journal: Any) -> None:
        self._search, self._trial, self._journal = search, trial, journal
        self.n_epochs = 0  # of all its trainings

    def run(self, values: Mapping[str, Any]) -> list[float]:
        """Train with these values of params.yaml; each objective's mean over seeds or folds.

        Raises:
            TrialPruned: the pruner ended it.
            ParamsError, SourceError, DivergedError: as the stages scale and train.
        """
        params = self._search.bench.params_of(values)
        for n_epochs in self._search.section.rungs:
            if n_epochs < params.train.epochs:
                self._rung(values, n_epochs)
        return self._whole(params)

    def _rung(self, values: Mapping[str, Any], n_epochs: int) -> None:
        params = self._search.bench.params_of({**values, EPOCHS: n_epochs})
        trained = self._search.bench.train(params, self._listen(f"rung_{n_epochs}/"))
        value = self._search.objectives[0].value(trained.measured)
        self._journal.metrics({self._rung_metric: value}, step=n_epochs)
        self._report(value, n_epochs)

    @property
    def _rung_metric(self) -> str:
        """The curve of what a whole training comes to, by its epochs."""
        return f"rungs/{self._search.objectives[0].name}"

    def _whole(self, params: Params) -> list[float]:
        """The trainings of all epochs."""
        section, found, metrics = self._search.section, list[list[float]](), list[Metrics]()
        if section.folds:
            require_foldable(params)
        for number in range(section.n_trainings):
            trained = self._train(params, number)
            found.append([each.value(trained.measured) for each in self._search.objectives])
            metrics.append(trained.measured.metrics)
            if number == 0:
                self._keep_facts(trained)
            if section.n_trainings > 1 and len(found[0]) == 1:
                self._report(found[-1][0], number)
        means = mean_values(found)
        self._keep_metrics(metrics)
        if section.rungs:
            self._journal.metrics({self._rung_metric: means[0]}, step=params.train.epochs)
        return means

    def _train(self, params: Params, number: int) -> Trained:
        """From a seed of its own, or on a fold."""
        bench, n_folds = self._search.bench, self._search.section.folds
        if n_folds is None:
            return bench.train(params, self._on_epoch(), number)
        cut = functools.partial(write_fold, n_folds=n_folds, number=number, seed=params.seed)
        return bench.train(params, self._on_epoch(), cut=cut)

    def _keep_facts(self, trained: Trained) -> None:
        facts = {
            # No fold has the rows that `dvc repro` trains on.
            **({} if self._search.section.folds else {"network_sha256": trained.network_sha256}),
            "kept_epoch": trained.result.kept_epoch,
            "seconds": trained.measured.seconds,
        }
        for name, value in facts.items():
            self._trial.set_user_attr(name, value)

    def _keep_metrics(self, metrics: Sequence[Metrics]) -> None:
        """The means of the metrics that every training has."""
        names = [name for name in metrics[0] if all(name in each for each in metrics)]
        means = mean_values([[each[name] for name in names] for each in metrics])
        found = dict(zip(names, means, strict=True))
        self._trial.set_user_attr("metrics", found)
        self._journal.metrics({f"valid_{name}": value for name, value in found.items()})

    def _on_epoch(self) -> Callable[[EpochRecord], None]:
        """The listener of a training of all epochs."""
        section = self._search.section
        if section.n_trainings > 1:
            return self._count
        if section.rungs or len(self._search.objectives) > 1:
            return self._listen()
        # What a pruner compares at equal epochs is a loss, in the objective's direction.
        sign = 1.0 if self._search.objectives[0].is_lower_better else -1.0
        return self._listen(then=lambda r: self._report(sign * r.valid_loss, r.epoch))

    def _listen(
        self, prefix: str = "", then: Callable[[EpochRecord], None] = lambda record: None
    ) -> Callable[[EpochRecord], None]:
        def on_epoch(record: EpochRecord) -> None:
            self._count(record)
            figures = {"valid_loss": record.valid_loss, "train_loss": record.train_loss}
            named = {f"{prefix}{name}": value for name, value in figures.items()}
            self._journal.metrics(named, step=record.epoch)
            then(record)

        return on_epoch

    def _count(self, record: EpochRecord) -> None:
        self.n_epochs += 1

    def _report(self, value: float, step: int) -> None:
        from optuna import TrialPruned

        if not math.isfinite(value):
            return
        self._trial.report(value, step)
        if self._trial.should_prune():
            self._trial.set_user_attr("pruned_at", step)
            raise TrialPruned
