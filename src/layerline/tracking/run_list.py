"""The list of runs in MLflow's pages: the columns that it opens with, and its address.

MLflow shows no figure there by itself. A view that somebody shared is a tag of the experiment, and
an address that names it opens with it.
"""

import json

TRAINING_PAGES = "?workflowType=machine_learning"  # a link without it opens on language models
_VIEW = "layerline"
_COLUMNS = (
    "attributes.`Models`",
    "attributes.`Description`",  # begins with the verdict and the figures
    *(f"metrics.`test/{name}`" for name in ("accuracy", "log_loss", "rmse", "r2")),
    "params.`train.network`",
)
# Opens the experiment in the UI's view of trainings; the default view is for language models.
EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    f"mlflow.sharedViewState.{_VIEW}": json.dumps({"selectedColumns": _COLUMNS}),
}


def run_list(experiment_id: str, port: int = 5000) -> str:
    """The address of an experiment's runs, where `layerline ui` serves.

    >>> run_list("2")
    'http://127.0.0.1:5000/#/experiments/2/runs?workflowType=machine_learning&viewStateShareKey=layerline'
    """
    place = f"http://127.0.0.1:{port}/#/experiments/{experiment_id}/runs"
    return f"{place}{TRAINING_PAGES}&viewStateShareKey={_VIEW}"
