"""A registered model predicts a file: the version is fetched, checked, and predicts every row."""

from pathlib import Path

from layerline.artifacts import sha256_of
from layerline.config import Params
from layerline.model.bundle import MANIFEST
from layerline.model.chunks import check_input
from layerline.model.load import load_bundle
from layerline.model.predict_file import PredictOptions, PredictReport, require_other_file
from layerline.model.predict_file import predict_file as predict_with
from layerline.model.predictor import Model
from layerline.model.table_writers import check_output
from layerline.registry.download import registered_bundle


def default_uri(params: Params) -> str:
    """The model that `layerline predict` uses when none is named."""
    return f"models:/{params.project}@{params.register.alias}"


def predict_file(
    model_uri: str, source: Path, output: Path, home: Path, options: PredictOptions | None = None
) -> PredictReport:
    """Predict every row of `source` by a registered model; see `model.predict_file`.

    Args:
        model_uri: an MLflow model URI, such as models:/digits@champion.
        source: CSV, TSV or Parquet; .npy for image models.
        output: CSV, TSV or Parquet, by its suffix.
        home: the main checkout, `Workspace.home`.
        options: how; None is the usual way.

    Raises:
        LayerlineError: as `model.predict_file.predict_file`.
        SourceError: the version was changed.
        TrackingError: there is no such model, or the store does not respond.
    """
    check_output(output)
    check_input(source)  # a wrong INPUT is reported before a model is loaded
    require_other_file(source, output)
    with registered_bundle(model_uri, home) as bundle:
        model = load_bundle(bundle)
        identity = sha256_of(bundle / MANIFEST)
    return predict_with(model, identity, source, output, options or PredictOptions())


def load_registered(model_uri: str, home: Path) -> Model:
    """Load a registered model after checking its bytes.

    Raises:
        TrackingError: there is no such model, or the store does not respond.
        SourceError: its bytes were changed.
    """
    with registered_bundle(model_uri, home) as bundle:
        return load_bundle(bundle)
