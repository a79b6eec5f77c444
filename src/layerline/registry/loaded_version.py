"""What MLflow loads as a version by its name is compared with what was registered so."""

import time
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from layerline.registry.registration import require_tags
from layerline.registry.version_files import INSIDE

NAMED = "registered_model_meta"
# MLflow writes that file whenever it loads models:/NAME/VERSION. An older one may have come with a
# copy of the files, perhaps from another registry.
FRESH_SECONDS = 300.0


def require_registered_files(bundle: Path) -> None:
    """Compare a bundle inside an MLflow model with the tags of the version it is loaded as.

    Does nothing where it is loaded by its path, or where the registry cannot be asked any more.

    Raises:
        SourceError: the files are those of another version.
    """
    named = bundle.parents[len(INSIDE.parts) - 1] / NAMED
    try:
        if time.time() - named.stat().st_mtime > FRESH_SECONDS:
            return
        found = YAML(typ="safe", pure=True).load(named.read_text(encoding="utf-8"))
        name, number = str(found["model_name"]), str(found["model_version"])
    except (OSError, UnicodeDecodeError, YAMLError, KeyError, TypeError):
        return
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        tags = MlflowClient().get_model_version(name, number).tags
    except MlflowException:
        return
    require_tags(f"models:/{name}/{number}", bundle, tags)
