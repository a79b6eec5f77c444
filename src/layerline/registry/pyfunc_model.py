"""The code of the MLflow model (models from code, no pickle): a bundle behind MLflow's predict.

Every version carries a copy of this file, which runs beside whatever layerline is imported: the
names that it imports must stay.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow.models
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

if TYPE_CHECKING:
    from layerline.model.predictor import Model


class BundleModel(PythonModel):
    """Raw rows in, predictions out; the bytes are checked when it is loaded."""

    model: "Model"

    def load_context(self, context: PythonModelContext) -> None:
        """Load the bundle.

        Raises:
            SourceError: a byte of it was changed, or it is the bundle of another version.
        """
        # Here, not above: MLflow runs this file even where a model is only written.
        from layerline.model.load import load_bundle
        from layerline.registry.loaded_version import require_registered_files

        bundle = Path(context.artifacts["bundle"])
        self.model = load_bundle(bundle)
        require_registered_files(bundle)

    def predict(
        self,
        context: PythonModelContext,
        # Image models get an array; MLflow warns without a hint, and infers nothing from this one.
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Predict raw rows as `Model.predict` does; `params` may hold its `any_value`."""
        any_value = bool((params or {}).get("any_value", False))
        return self.model.predict(model_input, any_value=any_value)


mlflow.models.set_model(BundleModel())
