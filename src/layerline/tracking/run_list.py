"""The list of runs in MLflow's pages: the columns that it opens with, and its address.

MLflow shows no figure there by itself. A view that somebody shared is a tag of the experiment, and
an address that names it opens with it.
"""

import json

_VIEW = "layerline"
_COLUMNS = (
    *(f"metrics.`test/{name}`" for name in ("accuracy", "log_loss", "rmse", "r2")),
    *(f"tags.`layerline.registration.{name}`" for name in ("promoted", "reason")),
    "params.`train.network`",
    "attributes.`Models`",
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
    query = f"workflowType=machine_learning&viewStateShareKey={_VIEW}"
    return f"http://127.0.0.1:{port}/#/experiments/{experiment_id}/runs?{query}"
