"""What people write: params, schemas, rules, URLs. Any bytes are content or one message."""

import re
from pathlib import Path

import pandas as pd
import pytest
from checkouts import ROOT
from damage import damaged, fuzz, on_disk, or_message
from hypothesis import given
from hypothesis import strategies as st

from layerline.config import load_params
from layerline.errors import LayerlineError
from layerline.sources.reading.remote import _local_name
from layerline.sources.reading.remote_systems import open_system
from layerline.validation.cross_column import broken_rows
from layerline.validation.schema.expressions import ExpressionError, parse
from layerline.validation.schema.schema_file import read_schema

PARAMS = [
    path.read_bytes() for path in [ROOT / "params.yaml", *sorted(ROOT.glob("recipes/*.yaml"))]
]
SCHEMAS = [path.read_bytes() for path in sorted(ROOT.glob("data/schemas/*.yaml"))]
PIECES = st.lists(
    st.sampled_from(
        [
            *("a", "&x ", "*x", "[", "]", "{", "}", ": ", "- ", "\n", "  ", ", ", "? ", "|", "<<"),
            *(
                "!!",
                "1",
                "'",
                '"',
                "#",
                "%",
                "@",
                "\t",
                "---\n",
                "null",
                ".nan",
                "1e999",
                "é",
                "\0",
            ),
            *("project", "seed", "fetch", "train", "columns", "kind", "number", "target", "y"),
        ]
    ),
    max_size=40,
).map(lambda pieces: "".join(pieces).encode())


@fuzz(4)
@given(damaged(st.sampled_from([text[:1500] for text in PARAMS])) | PIECES)
def test_params(content: bytes) -> None:
    with on_disk("params.yaml", content) as path:
        params = or_message(lambda: load_params(path), "")
        assert params is None or params.project


@fuzz(4)
@given(damaged(st.sampled_from([text[:1500] for text in SCHEMAS])) | PIECES)
def test_schemas(content: bytes) -> None:
    with on_disk("s.yaml", content) as path:
        schema = or_message(lambda: read_schema(path), "s.yaml")
        assert schema is None or schema.target


KINDS = {"a": "number", "b": "number", "date": "date", "city": "category"}
FRAME = pd.DataFrame(
    {
        "a": [1.0, 2.0],
        "b": [0.0, float("nan")],
        "date": pd.to_datetime(["2024-02-29", None]),
        "city": pd.Series(["x", None], dtype="str"),
    }
)
WORDS = st.sampled_from(
    [
        *(
            "and",
            "or",
            "not",
            "in",
            "is",
            "None",
            "date",
            "city",
            "1e9",
            "1e999",
            "'x'",
            "**",
            "<<",
        ),
        *("__class__", "lambda", "if", "else", "for", "year", "abs", *"ab()+-*/%<>=!., []{}':|~@"),
    ]
)


@fuzz(6)
@given(st.lists(WORDS, max_size=16).map(" ".join) | st.text(max_size=60))
@pytest.mark.filterwarnings("ignore")
def test_rules(text: str) -> None:
    rule = or_message(lambda: parse(text, KINDS), "", ExpressionError)
    assert rule is None or broken_rows(rule, FRAME).shape == (2,)


URLS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["http://host/", "https://u:p@h:1/", "s3://b/", "file:///", "x:", "", "//h/"]),
    st.lists(
        st.sampled_from(
            ["..", "/", "%2f", "%2e", "\\", "%5c", "%00", "a", ".csv", ".lock", "about"]
        )
        | st.text(max_size=3),
        max_size=8,
    ).map("".join),
    st.sampled_from(["", "?x=../y", "#/../z", ".tar.gz", ".json", "%"]),
)


@fuzz(6)
@given(URLS)
def test_urls(url: str) -> None:
    try:
        name = _local_name(url)
    except ValueError:  # urlsplit's own, of a host: what opens it says so first
        with pytest.raises((LayerlineError, ValueError)):
            open_system(url)
        return
    assert re.fullmatch(r"data(\.[a-z0-9_]+)*", name)
    assert Path("x", name).resolve().parent == Path("x").resolve()
    assert name not in (".lock", "about.json", "part.json")
