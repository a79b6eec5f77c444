"""The MLflow model around a bundle: signature, example, requirements, and the code it needs.

The library travels with the version (`code_paths`), so that it loads where layerline is not
installed; a process that already imported layerline uses that one.
"""

import warnings
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import layerline
from layerline.model.bundle import About, Rows
from layerline.registry.version_files import PYFUNC_CODE, make_relocatable

if TYPE_CHECKING:
    from mlflow.models import ModelSignature
    from mlflow.types import ParamSchema

# What loading and predicting import; a test compares it with the real imports.
REQUIREMENTS = (
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "ruamel.yaml",
    "safetensors",
    "torch",
)
N_EXAMPLES = 5
_TYPES: Mapping[type, str] = {bool: "boolean", int: "long", float: "double"}


def pip_requirements() -> list[str]:
    """`name==version` of each, without local parts (`+cpu`), which no index knows."""
    return [f"{name}=={metadata.version(name).partition('+')[0]}" for name in REQUIREMENTS]


def signature_of(about: About) -> "ModelSignature":
    """The MLflow signature.

    Input columns have names and the type `any`: MLflow refuses whole numbers (int64) for `double`
    and gaps for `long`, and pandas' choice for a CSV depends on the other rows. The model itself
    checks each value and names column and row; the types are in the metadata.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec
    from mlflow.types.schema import AnyType

    if about.image_shape is None:
        inputs = Schema([ColSpec(AnyType(), column.name) for column in about.columns])
    else:
        inputs = Schema([TensorSpec(np.dtype(np.uint8), (-1, *about.image_shape))])
    if about.targets:
        types = [*(_mlflow_type(t.levels) for t in about.targets), *["double"] * len(about.targets)]
        pairs = zip(types, about.prediction_columns, strict=False)
        return ModelSignature(inputs, Schema([ColSpec(*pair) for pair in pairs]), _any_value())
    outputs = [ColSpec(_mlflow_type(about.classes), "prediction")]
    outputs += [ColSpec(_TYPES[kind], name) for name, kind in about.output_columns.items()]
    return ModelSignature(inputs=inputs, outputs=Schema(outputs), params=_any_value())


def _any_value() -> "ParamSchema":
    from mlflow.types import ParamSchema, ParamSpec

    return ParamSchema([ParamSpec("any_value", "boolean", False)])


def _mlflow_type(classes: tuple[Any, ...] | None) -> str:
    kinds = {type(label) for label in classes or (0.0,)}
    return _TYPES.get(kinds.pop(), "string") if len(kinds) == 1 else "string"


def save_mlflow_model(
    folder: Path, folders: Mapping[str, Path], about: About, examples: Rows, **ids: Any
) -> None:
    """Write the MLflow model into `folder`.

    Args:
        folder: where it goes.
        folders: the bundle and, if any, its exports; they are copied into it.
        about: the model's own description.
        examples: raw rows, of which the first few become the input example.
        ids: `run_id` and `model_id`, as MLflow gave them.
    """
    from mlflow import pyfunc
    from mlflow.models import Model

    with warnings.catch_warnings():
        # MLflow compares the example's columns with a range, which pandas 3 deprecates.
        warnings.filterwarnings("ignore", "Operation with range", DeprecationWarning)
        pyfunc.save_model(
            folder,
            mlflow_model=Model(**ids),
            python_model=str(Path(__file__).with_name(PYFUNC_CODE)),
            artifacts={name: str(place) for name, place in folders.items()},
            signature=signature_of(about),
            input_example=_input_example(about, examples),
            pip_requirements=pip_requirements(),
            code_paths=[str(Path(layerline.__file__).parent)],
            metadata={"layerline": about.layerline, "columns": _described(about)},
        )
    make_relocatable(folder)


def _described(about: About) -> list[dict[str, str]]:
    return [{"name": c.name, "kind": c.kind, "type": c.dtype} for c in about.columns]


def _input_example(about: About, examples: Rows) -> Rows:
    if not isinstance(examples, pd.DataFrame):
        return np.asarray(examples[:N_EXAMPLES])
    rows = examples[[column.name for column in about.columns]].head(N_EXAMPLES)
    return rows.reset_index(drop=True)
