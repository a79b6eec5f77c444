"""Where a model comes from: the model card of its training, and the run that gets the page."""

import contextlib
from pathlib import Path
from typing import NamedTuple

from layerline.artifacts import NETWORK_WEIGHTS, Workspace, read_json_as, sha256_of
from layerline.artifacts.temporary import temporary_folder
from layerline.errors import LayerlineError, TrackingError
from layerline.evaluation.prediction_table import read_record
from layerline.runs.open_store import flush_first, open_store
from layerline.tracking.flush import run_id_of

CARD = "model_card.html"


class Home(NamedTuple):
    """A checkout's store, the run by its id or its key, and the model card as HTML."""

    folder: Path
    run_id: str = ""
    key: str = ""
    card: str | None = None

    def attach(self, page: Path) -> str:
        """Log a page as an artifact of the run; return the run's id.

        Raises:
            TrackingError: the store has no such run, or is unavailable.
        """
        if self.key:
            flush_first(self.folder)
        run_id = self.run_id or run_id_of(self.folder, self.key)
        if not run_id:
            raise TrackingError("MLflow has no run of this model yet; try `layerline flush`")
        with open_store(self.folder, f"attaching {page.name}") as client:
            client.log_artifact(run_id, str(page))
        return run_id


def home_of_project(workspace: Workspace) -> Home:
    """That of models/; its card only where evaluate has judged these very weights."""
    card, path = None, workspace.reports / CARD
    try:
        read_record(workspace.predictions, sha256_of(workspace.network / NETWORK_WEIGHTS))
        card = path.read_text(encoding="utf-8") if path.is_file() else None
        key = read_json_as(workspace.run_file("train"), lambda facts: str(facts["key"]))
    except (LayerlineError, OSError):
        key = ""
    return Home(workspace.home, key=key, card=card)


def home_of_version(home: Path, run_id: str) -> Home:
    """That of a registered version, whose run has the card; without, where the run is gone."""
    found = Home(home, run_id)
    with (
        contextlib.suppress(TrackingError),
        temporary_folder() as folder,
        open_store(home, "reading the model card") as client,
    ):
        names = {file.path for file in client.list_artifacts(run_id)} if run_id else set()
        if CARD in names:
            path = Path(client.download_artifacts(run_id, CARD, str(folder)))
            found = found._replace(card=path.read_text(encoding="utf-8"))
    return found
