"""What a study logs: a parent run, and a child run for each trial, in experiment NAME-studies."""

import contextlib
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from layerline.stage.run_journal import flush_beside
from layerline.tracking.journal import Journal
from layerline.tracking.tracking_switch import NoJournal, is_off

if TYPE_CHECKING:
    from optuna import Study

    from layerline.studies.study_setup import Search

PARENT_TAG = "mlflow.parentRunId"


def open_study_journal(search: "Search", study: "Study") -> Journal:
    """The journal of the study's own run; a study that is resumed goes on with its run."""
    key = study.user_attrs["run"]
    continues = bool(study.user_attrs.get("run_started"))
    journal = _open(search, key, "study", search.name, continues)
    study.set_user_attr("run_started", True)
    if not continues:
        section = search.section
        journal.params(
            {
                "objective": ", ".join(each.name for each in search.objectives),
                "sampler": section.sampler.name,
                "pruner": section.pruner.name,
                "seeds": section.seeds,
                **({"folds": section.folds} if section.folds else {}),
            }
        )
        journal.tags({"layerline.study": search.name})
    return journal


@contextlib.contextmanager
def open_report_journal(search: "Search", study: "Study", is_sent: bool) -> Iterator[Journal]:
    """The study's own run, for its report; all journals are sent to MLflow meanwhile, if at all."""
    key = study.user_attrs["run"]
    journal = _open(search, key, "study", search.name, continues=True)
    with contextlib.ExitStack() as stack:
        if is_sent:
            stack.enter_context(flush_beside(search.bench.workspace, journal))
        yield stack.enter_context(journal)


def open_trial_journal(
    search: "Search", study: "Study", number: int, values: Mapping[str, Any]
) -> AbstractContextManager[Any]:
    """The journal of one trial: params that vary, under the names that params.yaml has."""
    journal = _open(search, uuid.uuid4().hex, "trial", f"{search.name}-{number:04d}")
    journal.link(PARENT_TAG, study.user_attrs["run"])
    journal.params(dict(values))
    journal.tags({"layerline.study": search.name, "layerline.trial": number})
    return journal


def _open(search: "Search", key: str, stage: str, name: str, continues: bool = False) -> Journal:
    if is_off():
        return NoJournal(key)
    bench = search.bench
    return Journal.create(
        bench.workspace.journals,
        key=key,
        stage=stage,
        experiment=f"{bench.params.project}-studies",
        run_name=name,
        continues=continues,
    )
