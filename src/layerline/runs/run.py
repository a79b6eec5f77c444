"""A run as Layerline sees it, and how runs are read from MLflow's store."""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from layerline.tracking.mlflow_names import plain, plain_tag
from layerline.tracking.mlflow_runs import KEY_TAG, STAGE_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient

TRAINING = f"tags.`{STAGE_TAG}` = 'train'"
CHANGED = "layerline.changed."
EXPERIMENT_TAG = "dvc.exp.name"
PAGE = 500
_OLD_OPTION = re.compile(
    r"^(scale\.(?:split|target)|train\.(?:loss|optimizer|schedule))\.options\."
)


@dataclass(frozen=True)
class Dataset:
    """A data set that a run read."""

    name: str
    digest: str
    context: str


@dataclass(frozen=True)
class Run:
    """One MLflow run. `params` are those in force: a later stage may have run with others."""

    run_id: str
    name: str
    project: str
    status: str
    start_ms: int
    end_ms: int | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    datasets: tuple[Dataset, ...] = ()

    @property
    def short(self) -> str:
        return self.run_id[:8]

    @property
    def stage(self) -> str:
        """The stage that made the run; empty when another tool did."""
        return self.tags.get(STAGE_TAG, "") if KEY_TAG in self.tags else ""

    @property
    def dvc_experiment(self) -> str:
        return self.tags.get(EXPERIMENT_TAG, "")

    @property
    def when(self) -> str:
        """The start, in the reader's own time."""
        return f"{datetime.fromtimestamp(self.start_ms / 1000):%Y-%m-%d %H:%M}"

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        end_ms = time.time() * 1000 if self.end_ms is None else self.end_ms
        return max(0.0, (end_ms - self.start_ms) / 1000)

    @property
    def took(self) -> str:
        return duration(self.seconds)

    def __str__(self) -> str:
        return f"{self.short} ({self.name}, {self.when}, {self.status})"


def duration(seconds: float) -> str:
    """Seconds as a person reads them at a glance: 3.2 s, 41 s, 12 min 5 s, 3 h 20 min, 4 days."""
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours / 24:.0f} days"


def to_run(found: Any, project: str) -> Run:
    """MLflow's run as ours."""
    tags = {plain_tag(name): value for name, value in found.data.tags.items()}
    logged = dict(found.data.params)
    logged |= {k.removeprefix(CHANGED): v for k, v in tags.items() if k.startswith(CHANGED)}
    inputs = found.inputs.dataset_inputs if found.inputs else ()
    return Run(
        run_id=str(found.info.run_id),
        name=str(found.info.run_name or ""),
        project=project,
        status=str(found.info.status),
        start_ms=int(found.info.start_time or 0),
        end_ms=None if found.info.end_time is None else int(found.info.end_time),
        params={_of_today(name): value for name, value in logged.items()},
        metrics={plain(name): value for name, value in found.data.metrics.items()},
        tags=tags,
        datasets=tuple(_to_dataset(item) for item in inputs),
    )


def _of_today(param: str) -> str:
    """The name in params.yaml of a param that an earlier release logged by its place in memory."""
    return _OLD_OPTION.sub(r"\1.", param).replace("scale.split.name", "scale.split.method")


def _to_dataset(item: Any) -> Dataset:
    context = {tag.key: tag.value for tag in item.tags}.get("mlflow.data.context", "")
    return Dataset(str(item.dataset.name), str(item.dataset.digest), str(context))


def experiments(client: "MlflowClient") -> dict[str, str]:
    """The name of each experiment that is not deleted, by its id."""
    names: dict[str, str] = {}
    token = None
    while True:
        page = client.search_experiments(page_token=token)
        names |= {str(found.experiment_id): str(found.name) for found in page}
        token = page.token
        if not token:
            return names


def experiment_of(client: "MlflowClient", project: str) -> dict[str, str]:
    """The experiment of one project by its id; empty when there is none, or it was deleted."""
    found = client.get_experiment_by_name(project)
    if found is None or found.lifecycle_stage == "deleted":
        return {}
    return {str(found.experiment_id): project}


def search(
    client: "MlflowClient",
    names: Mapping[str, str],
    condition: str = TRAINING,
    page_size: int = PAGE,
) -> Iterator[Run]:
    """Yield the runs of some experiments, newest first; pages are read as they are needed.

    Args:
        client: the store.
        names: the experiments, from `experiments` or `experiment_of`.
        condition: a filter in MLflow's syntax; default: trainings.
        page_size: how many are read at once.
    """
    token = None
    while names:
        page = client.search_runs(
            list(names),
            filter_string=condition,
            max_results=page_size,
            order_by=["attributes.start_time DESC"],
            page_token=token,
        )
        yield from (to_run(found, names[str(found.info.experiment_id)]) for found in page)
        token = page.token
        if not token:
            return
