"""What the stages import, imported once by the process that they are forked from.

A module that is missing here is imported by each stage that needs it, as ever.
"""

STAGE_IMPORTS = (
    "layerline.stage.stage_run",
    "layerline.projects.preflight",
    "layerline.projects.component_tables",
    "layerline.projects.watched_files",
    "layerline.sources.fetch",
    "layerline.validation.validate",
    "layerline.scaling.scale",
    "layerline.origins",
    "layerline.tracking.training_log",
    "layerline.training.train",
    "layerline.evaluation.evaluate",
    "layerline.tracking.shared_looks",
    "layerline.registry.register",
    "layerline.registry.candidate",
    "layerline.registry.contest",
    "layerline.tracking.mlflow_import",
    "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store",
    "layerline.retraining.warm_steps",
    "layerline.drift.registered_drift",
    "layerline.drift.drift_report",
    "sqlalchemy.dialects.sqlite",
    "sklearn.ensemble",
    "scipy.stats",
)
