"""The OpenAPI schema of one model: its columns' types, limits, levels, and an example row."""

from collections.abc import Mapping, Sequence
from typing import Any

from layerline import __version__
from layerline.serving.column_checks import examples_of, json_types_of
from layerline.serving.load_model import ServedModel
from layerline.serving.request_handler import JSON, RequestHandler

PROBLEMS: Mapping[int, str] = {
    400: "The body does not match its content type, or the request is not valid HTTP.",
    401: "The bearer token is missing or wrong.",
    408: "The body did not arrive in time.",
    411: "The body has neither a length nor chunks.",
    413: "The body is larger than the limit.",
    415: "Unknown content type.",
    422: "Rows violate the schema; row and field are named.",
    503: "Too many requests are in flight, or it took too long; try again later.",
}
_TEXT = {"type": "string"}
_MODEL = "Model"  # the heading on /docs; other routes are of the process


def openapi_of(served: ServedModel, with_token: bool) -> dict[str, Any]:
    """The whole document.

    Args:
        served: whose columns it describes.
        with_token: whether requests need a bearer token.
    """
    handler = served.handler
    description = (
        f"Predicts {handler.model.about.target!r} with version {served.version} of "
        f"{served.describe()['name']}. Rows count from 1 in messages."
    )
    components: dict[str, Any] = {"schemas": _schemas(handler)}
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": f"Layerline: {served.describe()['name']}",
            "version": __version__,
            "description": description,
        },
        "paths": _paths(handler, with_token),
        "components": components,
    }
    if with_token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _schemas(handler: RequestHandler) -> dict[str, Any]:
    fault = {
        "row": {"type": ["integer", "null"]},
        "field": {"type": ["string", "null"]},
        "message": _TEXT,
    }
    detail = {"type": "array", "items": _object(fault)}
    schemas = {
        "Prediction": _object(_prediction(handler)),
        "Predictions": _object(
            {
                "version": _TEXT,
                "predictions": {"type": "array", "items": _ref("Prediction")},
            }
        ),
        "Problem": _object({"detail": detail}),
    }
    if handler.is_image:
        return {**schemas, "Image": image_schema(handler.model.about.image_shape or ())}
    return {**schemas, "Row": row_schema(handler)}


def row_schema(handler: RequestHandler) -> dict[str, Any]:
    """One row: every column of the model is required, others are ignored."""
    columns = handler.reader.columns
    properties = json_types_of(columns, handler.any_value)
    return {**_object(properties), "examples": [examples_of(columns)]}


def image_schema(shape: Sequence[int]) -> dict[str, Any]:
    """Nested arrays of one image's shape."""
    schema: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 255}
    for size in reversed(shape):
        schema = {"type": "array", "items": schema, "minItems": size, "maxItems": size}
    return schema


def _prediction(handler: RequestHandler) -> dict[str, Any]:
    about = handler.model.about
    first: dict[str, Any] = {"type": "number"}
    if about.targets:
        of_targets = [
            first if t.levels is None else {"enum": list(t.levels)} for t in about.targets
        ]
        share = {**first, "minimum": 0, "maximum": 1}
        each = [*of_targets, *[share] * len(about.targets)]
        return dict(zip(about.prediction_columns, each, strict=False))
    kinds: dict[type, dict[str, Any]] = {float: first, bool: {"type": "boolean"}}
    if about.classes is not None:
        kinds[float] = {**first, "minimum": 0, "maximum": 1}
        first = {"enum": list(about.classes)}
    others = {name: kinds[kind] for name, kind in about.output_columns.items()}
    return {"prediction": first, **others}


def _paths(handler: RequestHandler, with_token: bool) -> dict[str, Any]:
    one = _ref("Image" if handler.is_image else "Row")
    rows = {"oneOf": [one, {"type": "array", "items": one, "minItems": 1}]}
    content: dict[str, Any] = {JSON: {"schema": rows}}
    for content_type in handler.uploads:
        content[content_type] = {"schema": {**_TEXT, "format": "binary"}}
    predict = {
        "tags": [_MODEL],
        "summary": "Predict rows: one, a list, or a file",
        "operationId": "predict",
        "requestBody": {"required": True, "content": content},
        "responses": {
            "200": _json("One prediction per row, in order.", _ref("Predictions")),
            **{str(code): _problem(text) for code, text in _expected(with_token).items()},
        },
    }
    description = _json("Version, sha256 of each file, lineage.", {"type": "object"})
    metrics = {"description": "Prometheus text.", "content": {"text/plain": {"schema": _TEXT}}}
    state = _json("ok", _object({"status": _TEXT}))
    refused = {"401": _problem(PROBLEMS[401])} if with_token else {}
    return {
        "/predict": {"post": predict},
        "/model": {
            "get": _get("The model being served", {"200": description, **refused}, tag=_MODEL)
        },
        "/metrics": {"get": _get("Metrics for Prometheus", {"200": metrics, **refused})},
        "/health": {"get": _get("Whether the process is alive", {"200": state}, is_open=True)},
        "/ready": {"get": _get("Whether a model is ready", {"200": state}, is_open=True)},
    }


def _expected(with_token: bool) -> dict[int, str]:
    return {code: text for code, text in PROBLEMS.items() if code != 401 or with_token}


def _get(
    summary: str, responses: Mapping[str, Any], is_open: bool = False, tag: str = "Process"
) -> dict[str, Any]:
    return {
        "tags": [tag],
        "summary": summary,
        "responses": dict(responses),
        **({"security": []} if is_open else {}),
    }


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {JSON: {"schema": dict(schema)}}}


def _problem(description: str) -> dict[str, Any]:
    return _json(description, _ref("Problem"))
