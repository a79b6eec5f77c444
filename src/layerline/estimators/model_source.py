"""`layerline.load`: a saved folder, a project's models/, or a registered version -> a predictor."""

from pathlib import Path

from layerline.artifacts import Workspace, find_workspace
from layerline.artifacts.temporary import temporary_folder
from layerline.config import load_params
from layerline.errors import SourceError
from layerline.estimators.fitted_model import Predictor
from layerline.model.bundle import MANIFEST
from layerline.registry.candidate import write_model
from layerline.registry.download import bundle_in, registered_bundle
from layerline.registry.holdout import read_holdout


def load(source: str | Path) -> Predictor:
    """Load a model, after checking every byte of it.

    Args:
        source: a folder that `FittedModel.save` wrote or MLflow downloaded; a project, or its
            folder models/; or a registered model, `models:/NAME@champion` or `models:/NAME/3`, in
            the store of the project that the current folder is in, or of MLFLOW_TRACKING_URI.

    Raises:
        SourceError: there is no model, or its bytes were changed.
        TrackingError: there is no such version, or the store does not respond.
    """
    if ":/" in str(source):
        with registered_bundle(str(source), find_workspace().home) as bundle:
            return Predictor.read(bundle)
    folder = Path(source)
    bundle = bundle_in(folder)
    if (bundle / MANIFEST).is_file():
        return Predictor.read(bundle)
    root = folder.parent if folder.resolve().name == "models" else folder
    if (root / "params.yaml").is_file():
        return _of_project(Workspace(root))
    raise SourceError(
        f"{folder}: no model is here ({MANIFEST} is missing); give a folder that `save` wrote, a "
        "project or its models/, or a registered model such as models:/NAME@champion"
    )


def _of_project(workspace: Workspace) -> Predictor:
    """The model that the last `dvc repro` left in models/."""
    params = load_params(workspace.params)
    with temporary_folder() as folder:
        bundle = folder / "bundle"
        write_model(bundle, workspace, params, read_holdout(workspace, params.scale))
        return Predictor.read(bundle)
