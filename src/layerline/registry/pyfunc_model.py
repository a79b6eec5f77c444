"""The code of the MLflow model (models from code, no pickle): a bundle behind MLflow's predict."""

from pathlib import Path

import mlflow.models
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from layerline.registry.bundle import Model, Rows, load_bundle


class BundleModel(PythonModel):
    """Raw rows in, predictions out; the bytes are checked when it is loaded."""

    model: Model

    def load_context(self, context: PythonModelContext) -> None:
        """Load the bundle.

        Raises:
            SourceError: a byte of it was changed.
        """
        self.model = load_bundle(Path(context.artifacts["bundle"]))

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Predict as `Model.predict` does; without type hints, which MLflow would enforce."""
        rows: Rows = model_input
        predictions: pd.DataFrame = self.model.predict(rows)
        return predictions


mlflow.models.set_model(BundleModel())
