"""lineage.json: what a version was made of, and how it was judged, as one artifact of its run.

The pages of a version and of its run show the few tags that people read; all others are in here.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from layerline.tracking.mlflow_names import plain_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient

LINEAGE = "lineage.json"
_OURS = ("layerline.", "dvc.", "mlflow.source.git.")
_OF_REPLAY = "layerline.cursor."


def log_lineage(client: "MlflowClient", facts: Mapping[str, Any]) -> None:
    """Write it into the run of a version; `facts` are those of reports/registration.json."""
    version = client.get_model_version(facts["project"], str(facts["version"]))
    run = client.get_run(version.run_id)
    content = {
        "model_uri": facts["model_uri"],
        "registration": dict(facts),
        "version": _listed(plain_tags(version.tags)),
        "run": {"run_id": version.run_id, **_listed(_ours(run.data.tags))},
    }
    client.log_dict(version.run_id, content, LINEAGE)


def _ours(tags: Mapping[str, str]) -> dict[str, str]:
    known = plain_tags(tags).items()
    return {k: v for k, v in known if k.startswith(_OURS) and not k.startswith(_OF_REPLAY)}


def _listed(tags: Mapping[str, str]) -> dict[str, Any]:
    """By name; lists of DVC's hashes as lists."""
    return {name: v.splitlines() if "\n" in v else v for name, v in sorted(tags.items())}
