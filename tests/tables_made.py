"""A table with every kind of column, and files that hold what a test says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def frame() -> pd.DataFrame:
    """60 rows with every kind of column, gaps, and a class target."""
    rng = np.random.default_rng(0)
    n = 60
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "income": np.where(np.arange(n) % 7 == 0, np.nan, rng.normal(1000, 100, n)),
            "city": rng.choice(["Bern", "Köln", "NA"], n),
            "member": rng.choice([True, False], n),
            "since": pd.to_datetime("2020-01-01") + pd.to_timedelta(np.arange(n), unit="D"),
            "note": [f"free words {i}" for i in range(n)],
            "kind": rng.choice(["a", "b", "c"], n),
        }
    ).astype({"since": "datetime64[us]", "city": "str", "note": "str", "kind": "str"})


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[..., Path]:
    def write(content: str | bytes, name: str = "t.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
