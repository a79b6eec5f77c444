"""The OpenAPI schema is the model's own, and the server keeps to it whatever it is sent."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import load_all_checks
from serving.conftest import ROW

from layerline.serving.load_model import load, parse_source
from layerline.serving.openapi import openapi_of

KINDS = ("classes", "numbers", "images")


@pytest.mark.parametrize("name", KINDS)
def test_columns_have_types_levels_gaps_and_an_example_that_works(name, served):
    document = served(name).ask("/openapi.json").json
    if name == "images":
        assert document["components"]["schemas"]["Image"]["minItems"] == 6
        return
    row = document["components"]["schemas"]["Row"]
    assert row["required"] == ["size", "count", "planted", "soil", "is wild"]
    assert {"type": "null"} in row["properties"]["size"]["anyOf"]
    assert row["properties"]["soil"]["anyOf"][0]["enum"] == ["00123", "clay", "sand"]
    assert row["properties"]["count"]["type"] == "integer"
    assert row["properties"]["is wild"] == {"type": "boolean", "enum": [False, True]}
    assert served(name).predict(row["examples"][0]).status == 200


def test_the_document_asks_for_the_token_where_there_is_one(bundle, tmp_path):
    loaded = load(parse_source(str(bundle("classes"))), tmp_path)
    document = openapi_of(loaded, with_token=True)
    assert document["security"] == [{"token": []}]
    assert "401" in document["paths"]["/predict"]["post"]["responses"]
    assert document["paths"]["/health"]["get"]["security"] == []


def check_all(server, n_examples: int) -> None:
    load_all_checks()
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")
    names = (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    )
    checks = schemathesis.checks.CHECKS.get_by_names(names)
    for operation in schema.get_all_operations():
        operation = operation.ok()

        @settings(
            max_examples=n_examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @_given(operation)
        def run(case) -> None:
            case.call_and_validate(checks=checks)

        run()


def _given(operation):
    from hypothesis import given

    return given(case=operation.as_strategy())


@pytest.mark.parametrize("name", ["classes", "images"])
def test_no_500_and_no_undocumented_answer(name, served):
    check_all(served(name), 8)
    assert name == "images" or served(name).predict(ROW).status == 200


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_no_500_and_no_undocumented_answer_in_many_tries(name, served):
    check_all(served(name), 1000)
