"""YAML from users: what would take minutes, gigabytes or a traceback is refused with its place."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerline.config import load_params, parse_params, read_yaml
from layerline.config.yaml_reader import MAX_BYTES, parse_yaml
from layerline.errors import ParamsError
from layerline.validation.schema.schema_file import read_schema

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)
HOSTILE = {
    "billion laughs": (LAUGHS, "with its aliases expanded"),
    "itself in a list": ("a: &a [1, *a]\n", "a.1: an alias refers to what contains it"),
    "itself in a mapping": ("&a\nb: {c: *a}\n", "b.c: an alias refers to what contains it"),
    "deep": ("a: " + "[" * 60 + "]" * 60 + "\n", "is nested more than 40 levels deep"),
    "very deep": ("a: " + "[" * 100_000 + "\n", "not valid YAML 1.2"),
    "deep in blocks": ("".join(f"{' ' * i}a:\n" for i in range(900)), "not valid YAML 1.2"),
    "a list as a key": ("a:\n  ? [x, y]\n  : 1\n", "a: has a key that is a tuple"),
    "a date as a key": ("2024-12-31: 1\n", "has a key that is a date"),
    "5,000 digits": (f"seed: {'9' * 5000}\n", "not valid YAML 1.2: Exceeds the limit"),
    "5,000 hexadecimal digits": (f"seed: 0x{'f' * 5000}\n", "seed: is a number of more than 64"),
    "a key in two types": ("a: {1: x, '1': y}\n", "a: has two keys that both read '1'"),
    "a key twice": (
        "a: 1\na: 2\n",
        'not valid YAML 1.2: line 2, column 1: found duplicate key "a" with value "2" '
        '(original value: "1")',
    ),
    "a list that is not closed": (
        "b: 1\na: [1\n",
        "not valid YAML 1.2: line 3, column 1: expected",
    ),
    "a control character": ("a: \x00\n", "not valid YAML 1.2"),
    "a Python object": ("a: !!python/object:os.system x\n", "not valid YAML 1.2"),
}


@pytest.mark.parametrize(("text", "said"), HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("reader", [read_yaml, load_params, read_schema])
def test_hostile_files_end_in_one_message(tmp_path, text, said, reader):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError) as caught:
        reader(path)
    assert said in str(caught.value)
    assert caught.value.exit_code == 2
    assert len(str(caught.value)) < 1000


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ParamsError, match="larger than 4 MiB"):
        read_yaml(path)


def test_a_folder_and_other_encodings_are_refused(tmp_path):
    with pytest.raises(ParamsError, match="cannot be read"):
        read_yaml(tmp_path)
    (tmp_path / "params.yaml").write_text("project: ü\n", encoding="latin-1")
    with pytest.raises(ParamsError, match="cannot be read"):
        read_yaml(tmp_path / "params.yaml")


def test_aliases_are_used_as_people_use_them(tmp_path):
    text = "a: &a {x: [1, 2]}\nb: *a\nc: {d: *a, 3: null, 0.5: [true]}\n"
    content = parse_yaml(text, Path("params.yaml"))
    assert content["b"] == content["c"]["d"] == {"x": [1, 2]}
    assert json.loads(json.dumps(content))["c"]["3"] is None


def test_a_bomb_needs_no_gigabytes():
    code = (
        "import resource; from pathlib import Path; from layerline.config import parse_yaml\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        f"try: parse_yaml({LAUGHS!r}, Path('params.yaml'))\n"
        "except Exception as error: print(type(error).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "ParamsError\n"


PIECES = st.sampled_from(
    [
        *("a", "b", "&x ", "*x", "[", "]", "{", "}", ": ", "- ", "\n", "  ", ", ", "? ", "|", ">"),
        *("!!", "1", "<<", "'", '"', "#", "%", "@", "\t", "---\n", "null", "0x1", "1e9", "\\"),
        *("2024-12-31", "é"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_text_is_content_or_a_params_error(text):
    try:
        content = parse_yaml(text, Path("params.yaml"))
    except ParamsError:
        return
    params, problems = parse_params(content)
    assert (params is None) == bool(problems)
