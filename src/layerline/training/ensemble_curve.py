"""The learning curve of an ensemble while its members train, and what it makes of them."""

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from layerline.config import TrainSection
from layerline.networks.serialization import NetworkSpec
from layerline.training.dataset import Rows, TrainingData
from layerline.training.early_stopping import BestWeights
from layerline.training.ensemble_builder import mean_of
from layerline.training.epoch_measurement import error_of
from layerline.training.epoch_records import EpochRecord, FitResult
from layerline.training.fold_rows import OutOfFold, out_of_fold
from layerline.training.member import Member
from layerline.training.member_choice import choose_members, together
from layerline.training.objectives import build_link
from layerline.training.scores import find_score
from layerline.training.session_builder import build_stopping


class EnsembleCurve:
    """A record for each epoch: of the mean of the answers of the members' best weights so far.

    Training ends when that is no better for as long as early stopping waits for a network. With
    folds a row's answer is that of the members that did not learn from it.
    """

    def __init__(self, section: TrainSection, data: TrainingData, spec: NetworkSpec) -> None:
        self.records: list[EpochRecord] = []
        self.reason: str | None = None
        self._monitored = section.monitored
        self._stopping = section.early_stopping
        self._rules = build_stopping(section, data.targets).for_several
        self._best = BestWeights(self._stopping.min_delta if self._stopping else 0.0)
        self._mean = mean_of(spec)
        self._loss = data.build_loss(section)
        self._link = build_link(section.loss, data.task, data.targets)
        self._score = find_score(section.monitored, data.task)
        # Inputs are not looked at again.
        self._rows = dataclasses.replace(data.valid, x=data.valid.x.new_empty(len(data.valid), 0))

    def add(self, epoch: int, members: Sequence[Member], rows_per_second: float) -> EpochRecord:
        """The record of this epoch, after which `reason` may say why training ends."""
        last = [member.history[-1] for member in members]
        if members[0].fold is None:
            outputs, rows = (
                together([_answers(member) for member in members], self._mean),
                self._rows,
            )
        else:
            found = self.out_of_fold(members)
            outputs, rows = found.outputs, self._rows.at(found.rows)
        loss, error, score = self._measure(outputs, rows)
        record = EpochRecord(
            epoch=epoch,
            train_loss=sum(own.train_loss for own in last) / len(last),
            valid_loss=loss,
            valid_error=error,
            valid_score=score,
            learning_rate=sum(own.learning_rate for own in last) / len(last),
            gradient_norm=sum(own.gradient_norm for own in last) / len(last),
            rows_per_second=rows_per_second,
        )
        self.records.append(record)
        self._watch(record)
        return record

    def _watch(self, record: EpochRecord) -> None:
        value, best = record.monitored(self._monitored), self._best
        if value < best.value - best.min_delta:
            best.value, best.epoch = value, record.epoch
        self.reason = self._rules.reason(best, record.epoch, 0.0)

    def out_of_fold(self, members: Sequence[Member]) -> OutOfFold:
        """The members' answers for rows that they did not learn from."""
        answers = [(member.fold, _answers(member)) for member in members if member.fold]
        return out_of_fold(answers, self._mean, len(self._rows))

    def _measure(self, outputs: Tensor, rows: Rows) -> tuple[float, float, float | None]:
        rows = rows.to(outputs.device)
        predicted = self._link(outputs)
        score = None if self._score is None else self._score(predicted, rows.y)
        return float(self._loss(outputs, rows.targets)), error_of(predicted, rows), score

    def weights(self, members: Sequence[Member], keep: str) -> list[float]:
        """What each member counts: all alike, or as chosen by the validation rows."""
        if keep == "all":
            return [1 / len(members)] * len(members)
        answers = [_answers(member) for member in members]
        return choose_members(answers, self._mean, self.value)

    def value(self, outputs: Tensor) -> float:
        """What early stopping monitors, of outputs (N, O) for the validation rows."""
        loss, error, score = self._measure(outputs, self._rows)
        if score is not None:
            return score
        return loss if self._monitored == "loss" else error

    @property
    def result(self) -> FitResult:
        """The history, and the epoch after which nothing was gained."""
        epoch = self._best.epoch if self._stopping else len(self.records)
        return FitResult(tuple(self.records), epoch, self.reason)

    def load(self, records: Sequence[EpochRecord]) -> None:
        """Resume after these epochs."""
        self.records, self.reason = [], None
        for record in records:
            self.records.append(record)
            self._watch(record)


def _answers(member: Member) -> Tensor:
    assert member.answers is not None
    return torch.as_tensor(member.answers)
