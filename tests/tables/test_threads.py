"""The second core: order, errors, and the very same artifacts."""

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from layerline.artifacts import Workspace
from layerline.config import FetchSection, ScaleSection, ValidateSection
from layerline.scaling.scale import scale
from layerline.sources.fetch import fetch
from layerline.tables import storage, threads
from layerline.tables.storage import read_table, write_tables
from layerline.validation import row_batches
from layerline.validation.schema.infer import infer_schema
from layerline.validation.schema.schema_file import write_schema
from layerline.validation.validate import validate_raw

SCHEMA = Path("schema.yaml")


@pytest.fixture(params=[1, 2, 3])
def n_threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    count: int = request.param
    monkeypatch.setattr(threads, "n_threads", lambda: count)
    return count


def test_results_come_in_order(n_threads: int) -> None:
    assert list(threads.ahead(range(50))) == list(range(50))
    assert list(threads.in_order(lambda n: n * n, range(50))) == [n * n for n in range(50)]
    assert threads.side_by_side(str, range(50)) == [str(n) for n in range(50)]
    assert list(threads.ahead([])) == list(threads.in_order(str, [])) == []


def failing() -> Iterator[int]:
    yield from range(3)
    raise OSError("the fourth")


def test_errors_come_where_their_item_would(n_threads: int) -> None:
    for items in threads.ahead(failing()), threads.in_order(int, failing()):
        with pytest.raises(OSError, match="the fourth"):
            list(items)
    found = threads.ahead(failing())
    assert [next(found), next(found), next(found)] == [0, 1, 2]
    with pytest.raises(ValueError, match="zero"):
        list(threads.in_order(lambda n: 1 / n if n else int("zero"), [2, 1, 0]))


def test_a_reader_that_stops_early_leaves_no_thread_behind(n_threads: int) -> None:
    before = threading.active_count()
    found = threads.ahead(iter(range(50)))
    assert next(found) == 0
    found.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_an_error_of_a_write_is_raised(n_threads: int, tmp_path: Path) -> None:
    table = pa.table({"x": np.arange(3000.0)})
    with pytest.raises(OSError, match="absent"):
        write_tables(tmp_path / "absent" / "t.parquet", table.schema, [table] * 3)


def artifacts(root: Path, file: Path) -> dict[str, str]:
    """The hash of each file that fetch, validate and scale make of a table."""
    workspace = Workspace(root)
    options = {"path": str(file)}
    fetch(workspace, FetchSection(source="files", target="kind", options=options))
    write_schema(root / SCHEMA, infer_schema(read_table(workspace.raw), "kind", "binary"))
    validate_raw(workspace, ValidateSection(), SCHEMA)
    scale(workspace, ScaleSection(), seed=0)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


@pytest.fixture(scope="module")
def long_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    n = 6000
    columns = {f"x{column}": rng.lognormal(size=n) for column in range(5)}
    frame = pd.DataFrame(columns | {"town": rng.choice(["Ulm", "Graz", None], n)})
    frame.loc[::7, "x1"] = None
    frame["kind"] = np.where(frame["x0"] + rng.normal(size=n) > 1, "a", "b")
    frame = pd.concat([frame, frame[:300]])  # repeated rows
    file = tmp_path_factory.mktemp("table") / "long.csv"
    frame.to_csv(file, index=False)
    return file


def test_artifacts_do_not_depend_on_the_number_of_threads(
    long_table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_batches, "WHOLE_CELLS", 0)  # as a table that does not fit
    monkeypatch.setattr(storage, "ROW_GROUP", 1 << 10)
    found = []
    for count in (1, 2, 4):
        monkeypatch.setattr(threads, "n_threads", lambda count=count: count)
        root = tmp_path / str(count)
        root.mkdir()
        found.append(artifacts(root, long_table))
    assert len(found[0]) > 12
    assert found[0] == found[1] == found[2]
