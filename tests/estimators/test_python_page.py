"""The examples of docs/python.md run as they stand."""

import re
from pathlib import Path
from typing import Any

import pytest
from checkouts import ROOT

BLOCK = re.compile(r"```python\n(.*?)```", re.S)


def test_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of frames; tests/pipeline/test_digits.py runs those of projects."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "python.md").read_text().partition("\n## Projects")[0]
    names: dict[str, Any] = {}
    for block in BLOCK.findall(text):
        exec(block, names)
    assert names["classifier"].classes == ("no", "yes")
    assert names["model"].params["train"]["optimizer"]["learning_rate"] == 0.01
    assert names["search"].best_estimator_.predict(names["X"]).shape == (400,)
