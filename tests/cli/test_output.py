"""Tables, JSON and notes: readable on a terminal, plain and complete in a pipe."""

import json
import math

import numpy as np
import pytest

from layerline.cli.output import print_json, print_notes, print_table

ROWS = [["a", "1.5"], ["line\nbreak", ""], ["ü…×", "-2e-05"]]


def test_a_piped_table_has_one_line_per_row(capsys):
    print_table(["name", "value"], ROWS, "a title")
    assert capsys.readouterr().out.splitlines() == [
        "a title",
        "name        value",
        "a           1.5",
        "line break  -",
        "ü…×         -2e-05",
    ]


def test_a_table_without_rows_is_its_headers(capsys):
    print_table(["name", "value"], [])
    assert capsys.readouterr().out == "name  value\n"


def test_json_is_valid_whatever_is_in_it(capsys):
    print_json({"nan": math.nan, "inf": [math.inf], 3: "ü", "path": pytest, "t": (1, 2)})
    content = json.loads(capsys.readouterr().out)
    assert content["nan"] is None
    assert content["inf"] == [None]
    assert content["3"] == "ü"
    assert content["t"] == [1, 2]
    assert content["path"].startswith("<module 'pytest'")


def test_numbers_of_numpy_do_not_break_it(capsys):
    print_json({"a": np.float32(0.5), "b": np.int64(3)})
    assert set(json.loads(capsys.readouterr().out)) == {"a", "b"}


def test_notes_stay_out_of_stdout(capsys):
    print_notes(["one", "two"])
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "note: one\nnote: two\n"
