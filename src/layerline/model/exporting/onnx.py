"""A model as ONNX, with one input for each column of the user's table.

Number columns and dates are float64 (B, 1), NaN for a gap, dates as days since 1970-01-01; text
columns are strings (B, 1), "" for a gap; categories of numbers or truth values are float64 (B, 1).
What the network and its surroundings do comes from PyTorch's exporter; the columns' part, which
PyTorch cannot express because it has no strings, is written here and joined with it.
"""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

from layerline.model.exporting.torch_module import IMAGES, Portable, example_inputs, is_text
from layerline.model.predictor import Model
from layerline.scaling.preprocessing.categories import MISSING, Category

OPSET, ML_OPSET = 20, 4
PREDICTION, PROBABILITIES, QUANTILES = "prediction", "probabilities", "quantiles"
_INDEX = "class_index"


def output_names(model: Model) -> list[str]:
    """The names of what the portable module returns."""
    if model.about.targets and model.about.targets[0].levels is not None:
        return [PREDICTION, PROBABILITIES]  # indices of levels: columns.json has their names
    if model.about.classes is not None:
        return [_INDEX, PROBABILITIES]
    return [PREDICTION, QUANTILES] if model.link.levels else [PREDICTION]


def to_onnx(model: Model) -> onnx.ModelProto:
    """The whole model as one checked graph."""
    core = _core(model)
    if model.preprocessor.image_shape is None:
        front = _front(model, core)
        shared = [(f"{name}_of_columns", name) for name in example_inputs(model)]
        core = compose.merge_models(front, core, io_map=shared)
    if model.about.classes is not None:
        _name_classes(core.graph, model.about.classes)
    core.producer_name, core.producer_version = "layerline", model.about.layerline
    del core.metadata_props[:]
    for node in core.graph.node:
        del node.metadata_props[:]  # stack traces of this machine
        node.ClearField("doc_string")
    core.graph.name = model.about.project
    onnx.checker.check_model(core, full_check=True)
    return core


def _core(model: Model) -> onnx.ModelProto:
    inputs = example_inputs(model)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            Portable(model).eval(),
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=output_names(model),
            dynamic_shapes=(tuple({0: torch.export.Dim("rows")} for _ in inputs),),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    proto: onnx.ModelProto = program.model_proto
    return proto


def _front(model: Model, core: onnx.ModelProto) -> onnx.ModelProto:
    """Columns -> the tensors that the portable module takes."""
    preprocessor = model.preprocessor
    inputs, nodes, outputs, constants = [], [], [], []
    groups = {
        "numbers": preprocessor.numbers.names if preprocessor.numbers else (),
        "dates": tuple(item.name for item in preprocessor.dates),
    }
    for group, names in groups.items():
        if names:
            inputs += [_column(name, TensorProto.DOUBLE) for name in names]
            nodes.append(helper.make_node("Concat", names, [f"{group}_of_columns"], axis=1))
            outputs.append(_tensor(f"{group}_of_columns", TensorProto.DOUBLE, len(names)))
    codes = []
    for place, category in enumerate(preprocessor.categories):
        kind = TensorProto.STRING if is_text(category) else TensorProto.DOUBLE
        inputs.append(_column(category.name, kind))
        codes.append(f"code_{place}")
        write = _text_codes if is_text(category) else _number_codes
        more_nodes, more_constants = write(category, codes[-1])
        nodes += more_nodes
        constants += more_constants
    if codes:
        nodes.append(helper.make_node("Concat", codes, ["codes_of_columns"], axis=1))
        outputs.append(_tensor("codes_of_columns", TensorProto.INT64, len(codes)))
    graph = helper.make_graph(nodes, "columns", inputs, outputs, constants)
    opsets = [*core.opset_import]
    known = {opset.domain for opset in opsets}
    if "ai.onnx.ml" not in known:
        opsets.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
        core.opset_import.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
    return helper.make_model(graph, opset_imports=opsets, ir_version=core.ir_version)


def _column(name: str, kind: int) -> onnx.ValueInfoProto:
    return _tensor(name, kind, 1)


def _tensor(name: str, kind: int, width: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["rows", width])


Parts = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]


def _text_codes(category: Category, output: str) -> Parts:
    keys = ["" if level is MISSING else str(level) for level in category.levels] or [""]
    node = helper.make_node(
        "LabelEncoder",
        [category.name],
        [output],
        domain="ai.onnx.ml",
        keys_strings=keys,
        values_int64s=list(range(len(keys))) if category.levels else [-1],
        default_int64=-1,
    )
    return [node], []


def _number_codes(category: Category, output: str) -> Parts:
    """The sum of (place + 1) over the levels that are equal, less 1."""
    levels = [np.nan if level is MISSING else float(level) for level in category.levels]
    places = np.arange(1.0, len(levels) + 1)
    missing = places[np.isnan(levels)].sum()
    constants = {
        "levels": np.array([levels]),
        "places": places[:, None],
        "missing": np.array([[missing]]),
        "one": np.array([[1.0]]),
    }
    named = {key: f"{output}_{key}" for key in constants}
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("Equal", [category.name, named["levels"]], "equal", {}),
        ("Cast", [f"{output}_equal"], "share", {"to": TensorProto.DOUBLE}),
        ("MatMul", [f"{output}_share", named["places"]], "known", {}),
        ("IsNaN", [category.name], "gap", {}),
        ("Cast", [f"{output}_gap"], "gap_number", {"to": TensorProto.DOUBLE}),
        ("Mul", [f"{output}_gap_number", named["missing"]], "gap_place", {}),
        ("Add", [f"{output}_known", f"{output}_gap_place"], "place", {}),
        ("Sub", [f"{output}_place", named["one"]], "less", {}),
    ]
    nodes = [
        helper.make_node(kind, given, [f"{output}_{name}"], **options)
        for kind, given, name, options in steps
    ]
    nodes.append(helper.make_node("Cast", [f"{output}_less"], [output], to=TensorProto.INT64))
    return nodes, [numpy_helper.from_array(array, named[key]) for key, array in constants.items()]


def _name_classes(graph: onnx.GraphProto, classes: tuple[Any, ...]) -> None:
    """Replace the output `class_index` by the user's own labels."""
    labels = np.array([str(c) for c in classes], dtype=object)
    kind = TensorProto.STRING
    kinds = {type(label) for label in classes}
    for python, number in ((bool, TensorProto.BOOL), (int, TensorProto.INT64)):
        if kinds == {python}:
            labels, kind = np.array(classes), number
    graph.initializer.append(numpy_helper.from_array(labels, "classes"))
    graph.node.append(helper.make_node("Gather", ["classes", _INDEX], [PREDICTION], axis=0))
    place = next(at for at, output in enumerate(graph.output) if output.name == _INDEX)
    named = helper.make_tensor_value_info(PREDICTION, kind, ["rows"])
    graph.output[place].CopyFrom(named)


def inputs_of(model: Model, columns: Any) -> dict[str, NDArray[Any]]:
    """What onnxruntime takes for a table whose columns have the model's types (or for images)."""
    if model.preprocessor.image_shape is not None:
        return {IMAGES: np.asarray(columns)}
    return dict(_inputs(model, columns))


def _inputs(model: Model, frame: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    from layerline.scaling.preprocessing.numbers import to_numbers

    preprocessor = model.preprocessor
    numbers = preprocessor.numbers.names if preprocessor.numbers else ()
    as_numbers = [*numbers, *(item.name for item in preprocessor.dates)]
    as_numbers += [item.name for item in preprocessor.categories if not is_text(item)]
    for name in as_numbers:
        yield name, to_numbers(frame, [name])
    for category in preprocessor.categories:
        if is_text(category):
            text = frame[category.name].astype(object)
            yield category.name, text.where(text.notna(), "").to_numpy(dtype=object)[:, None]
