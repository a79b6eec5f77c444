"""A chain of trainings, each started from the weights of the one before, walked back."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from layerline.runs.open_store import flush_first, open_store
from layerline.runs.resolve import choose
from layerline.runs.run import TRAINING, Run, experiments, search

if TYPE_CHECKING:
    from mlflow import MlflowClient

FROM, RUN, SHA256 = (f"layerline.transfer.{key}" for key in ("from", "run", "sha256"))
NETWORK = "layerline.sha256.network"


class Link(NamedTuple):
    """One training: its run, what it started from as params.yaml names it, its network's sha256."""

    run: str
    name: str
    when: str
    source: str
    sha256: str


def walk_back(home: Path, project: str, wanted: str, alias: str) -> list[Link]:
    """The chosen training, the one it started from, and so on to the first.

    A source that names its run is followed by that; a file, a folder or a DVC revision by the
    sha256 of its weights, wherever a run of this store made them.

    Args:
        home: the main checkout.
        project: the run's project.
        wanted: as `layerline runs --why` takes it.
        alias: which alias `champion` stands for.

    Raises:
        RequestError: there is no such run.
        TrackingError: the store is away.
    """
    flush_first(home)
    with open_store(home, f"walking back from {wanted}") as client:
        run: Run | None = choose(client, project, wanted, alias)
        links: list[Link] = []
        while run is not None and run.run_id not in {link.run for link in links}:
            tags = run.tags
            source = tags.get(FROM, "from scratch")
            links.append(Link(run.run_id, run.name, run.when, source, tags.get(NETWORK, "")))
            run = _before(client, run)
    return links


def _before(client: "MlflowClient", run: Run) -> Run | None:
    if RUN in run.tags:
        return choose(client, run.project, run.tags[RUN])
    sha256 = run.tags.get(SHA256)
    if sha256 is None:
        return None
    condition = f"{TRAINING} and tags.`{NETWORK}` = '{sha256}'"
    return next(search(client, experiments(client), condition), None)
