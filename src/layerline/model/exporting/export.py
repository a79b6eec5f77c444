"""A model's exports as files, each proved to predict as the model does.

    model.onnx     for onnxruntime and others; inputs and outputs are described in onnx.py
    model.pt2      for torch.export.load and AOTInductor; described in portable.py
    columns.json   what the columns, codes and outputs mean

To add a format: a function, a line in EXPORTS.
"""

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from layerline.artifacts import replace_folder, write_json
from layerline.errors import LayerlineError
from layerline.model.bundle import EXAMPLES_IMAGES, EXAMPLES_TABLE, Rows
from layerline.model.exporting.torch_module import Portable, example_inputs, is_text
from layerline.model.inputs import read_columns
from layerline.model.load import load_bundle
from layerline.model.predictor import Model
from layerline.scaling.preprocessing.categories import codes_of
from layerline.scaling.preprocessing.numbers import to_numbers
from layerline.scaling.preprocessing.scalers import refuse_own
from layerline.tables.storage import read_parquet
from layerline.tables.targets import TargetColumn, write_targets

TOLERANCE = 1e-5  # of probabilities; of numbers, of one standardised unit
PROVED_ROWS = 1000
COLUMNS = "columns.json"

Outputs = tuple[NDArray[Any], ...]


def write_onnx(model: Model, folder: Path, rows: Rows) -> Outputs:
    """Write model.onnx; return what onnxruntime makes of the rows."""
    import onnx
    import onnxruntime

    from layerline.model.exporting.onnx import inputs_of, to_onnx

    path = folder / "model.onnx"
    onnx.save(to_onnx(model), path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    wanted = {item.name for item in session.get_inputs()}
    given = {name: value for name, value in inputs_of(model, rows).items() if name in wanted}
    found = dict(
        zip([o.name for o in session.get_outputs()], session.run(None, given), strict=True)
    )
    if model.about.targets:
        last = "probabilities" if "probabilities" in found else "prediction"
        return found[last], found["prediction"]
    if model.about.classes is None:
        return found.get("quantiles", found["prediction"][:, None]), found["prediction"]
    return found["probabilities"], found["prediction"]


def write_torch(model: Model, folder: Path, rows: Rows) -> Outputs:
    """Write model.pt2; return what it makes of the rows once it is loaded again."""
    path = folder / "model.pt2"
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        inputs = example_inputs(model)
        shapes = (tuple({0: torch.export.Dim("rows")} for _ in inputs),)
        program = torch.export.export(
            Portable(model).eval(), tuple(inputs.values()), dynamic_shapes=shapes, strict=False
        )
        torch.export.save(program, path)
        found = torch.export.load(path).module()(*tensors_of(model, rows))
    arrays = [tensor.numpy() for tensor in found]
    if model.about.targets:
        return arrays[-1], arrays[0]
    if model.about.classes is None:
        return arrays[-1].reshape(len(arrays[0]), -1), arrays[0]
    return arrays[1], np.asarray(pd.Series(model.about.classes)[arrays[0]])


EXPORTS: dict[str, Callable[[Model, Path, Rows], Outputs]] = {
    "onnx": write_onnx,
    "torch": write_torch,
}


def tensors_of(model: Model, rows: Rows) -> list[torch.Tensor]:
    """The portable module's inputs for rows whose columns have the model's types."""
    preprocessor = model.preprocessor
    if preprocessor.image_shape is not None:
        return [torch.from_numpy(np.array(rows))]
    assert isinstance(rows, pd.DataFrame)
    tensors = []
    if preprocessor.numbers:
        tensors.append(torch.from_numpy(to_numbers(rows, preprocessor.numbers.names)))
    if preprocessor.dates:
        dates = [item.name for item in preprocessor.dates]
        tensors.append(torch.from_numpy(to_numbers(rows, dates)))
    if preprocessor.categories:
        codes = [codes_of(rows[item.name], item.levels) for item in preprocessor.categories]
        tensors.append(torch.from_numpy(np.stack(codes, axis=1)))
    return tensors


def write_exports(model: Model, formats: Sequence[str], folder: Path, rows: Rows) -> None:
    """Write a model in each of the formats into `folder`.

    Args:
        model: the model.
        formats: of EXPORTS.
        folder: where the files go; it is there already.
        rows: raw rows to prove them by; the first 1,000 are taken.

    Raises:
        LayerlineError: an export predicts something else than the model.
    """
    if numbers := model.preprocessor.numbers:
        refuse_own(numbers.transforms, "neither ONNX nor torch.export carries")
    rows = rows[:PROVED_ROWS]
    typed = rows
    if isinstance(rows, pd.DataFrame):
        typed = read_columns(rows, model.about.columns)
    # Regions are no part of an export: whoever runs one adds them by columns.json.
    plain = dataclasses.replace(model.decision, conformal=None)
    expected = dataclasses.replace(model, decision=plain).predict(rows, any_value=True)
    for name in formats:
        _require_same(name, model, expected, EXPORTS[name](model, folder, typed))
    write_json(folder / COLUMNS, described(model))


def export_bundle(bundle: Path, formats: Sequence[str], folder: Path) -> None:
    """Write a bundle's exports into `folder`, which is made; proved by the rows it came with.

    Each of these rows is also tried with a gap in every column, and with an unknown word.

    Raises:
        SourceError: the bundle was changed, or `folder` holds other files.
        LayerlineError: an export predicts something else than the model.
    """
    model = load_bundle(bundle)
    if (bundle / EXAMPLES_IMAGES).exists():
        rows: Rows = np.load(bundle / EXAMPLES_IMAGES, allow_pickle=False)
    else:
        rows = _probed(read_parquet(bundle / EXAMPLES_TABLE), model)
    with replace_folder(folder, {"project": model.about.project}) as place:
        write_exports(model, formats, place, rows)


def _probed(rows: pd.DataFrame, model: Model) -> pd.DataFrame:
    """The rows, each with a gap in every column, and with an unknown word in those of words."""
    probes = [rows]
    words = {item.name for item in model.preprocessor.categories if is_text(item)}
    for name in rows.columns:
        probes.append(rows.assign(**{name: rows[name].mask(np.ones(len(rows), dtype=bool))}))
        if name in words:
            probes.append(rows.assign(**{name: "\N{REPLACEMENT CHARACTER}"}))
    return pd.concat(probes, ignore_index=True)


def _require_same(name: str, model: Model, expected: pd.DataFrame, found: Outputs) -> None:
    if model.about.targets:
        _require_same_targets(name, model.about.targets, expected, found)
        return
    values, prediction = found
    is_number = model.about.classes is None
    columns = expected if is_number and not model.link.levels else expected.iloc[:, 1:]
    unit = max(float(expected["prediction"].std()), 1e-12) if is_number else 1.0
    gaps = np.abs(columns.to_numpy(dtype=np.float64) - values)
    worst = float(gaps.max()) / unit if gaps.size else 0.0
    _require_near(name, worst, len(expected))
    if is_number:
        return
    differs = expected["prediction"].to_numpy() != prediction
    ties = model.decision.margins(columns.to_numpy(dtype=np.float64)) <= 2 * TOLERANCE
    if (differs & ~ties).any():
        raise LayerlineError(f"the {name} export names other classes than the model")


def _require_near(name: str, worst: float, n_rows: int) -> None:
    if not worst <= TOLERANCE:
        raise LayerlineError(
            f"the {name} export is {worst:.2g} away from the model on {n_rows:,} rows, at "
            f"most {TOLERANCE:g} is allowed; it was not written"
        )


def _require_same_targets(
    name: str, targets: Sequence[TargetColumn], expected: pd.DataFrame, found: Outputs
) -> None:
    values, prediction = found
    known = expected.iloc[:, -len(targets) :].to_numpy(dtype=np.float64)
    is_label = targets[0].levels is not None
    unit = 1.0 if is_label else np.maximum(known.std(axis=0), 1e-12)
    _require_near(name, float((np.abs(known - values) / unit).max(initial=0.0)), len(expected))
    differs = is_label & (prediction != (known >= 0.5)) & (np.abs(known - 0.5) > 2 * TOLERANCE)
    if differs.any():
        raise LayerlineError(f"the {name} export names other levels than the model")


def described(model: Model) -> dict[str, Any]:
    """The content of columns.json."""
    preprocessor, conformal = model.preprocessor, model.decision.conformal
    return {
        "project": model.about.project,
        "image_shape": preprocessor.image_shape,
        "numbers": list(preprocessor.numbers.names) if preprocessor.numbers else [],
        "dates": [item.name for item in preprocessor.dates],
        "categories": [
            {"name": item.name, "levels": list(item.levels)} for item in preprocessor.categories
        ],
        "classes": None if model.about.classes is None else list(model.about.classes),
        **({"targets": write_targets(targets)} if (targets := model.about.targets) else {}),
        "quantiles": list(model.link.levels),
        "conformal": conformal and dataclasses.replace(conformal, folds=None).to_json(),
    }
