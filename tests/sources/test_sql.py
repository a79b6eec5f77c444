"""Rows of real databases: SQLite and PostgreSQL; each mistake ends in one message."""

import datetime
import os
import re
import socket
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from postgres import Postgres, postgresql

from layerline.errors import DataError, LayerlineError, SourceError
from layerline.sources import SOURCES, SourceInfo, sql
from layerline.sources.reading import databases
from layerline.sources.reading.records import column_of
from layerline.tables.storage import read_table


def fetch(tmp_path: Path, **options: object) -> tuple[pd.DataFrame, SourceInfo]:
    folder = tmp_path / "out"
    folder.mkdir(exist_ok=True)
    info = SOURCES["sql"].build(folder, "y", **options)
    assert [path.name for path in folder.iterdir()] == ["table.parquet"]
    return read_table(folder), info


@pytest.fixture
def shop(tmp_path: Path) -> str:
    """A SQLite database; its URL."""
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE sales (id INTEGER PRIMARY KEY, x REAL, zip TEXT, y TEXT)")
        rows = [(i, i / 10, f"00{i}", "ab"[i % 2]) for i in range(10, 0, -1)]
        connection.executemany("INSERT INTO sales VALUES (?, ?, ?, ?)", rows)
    connection.close()
    return f"sqlite:///{tmp_path / 'shop.db'}"


def test_a_table_comes_by_its_key(shop: str, tmp_path: Path) -> None:
    rows, info = fetch(tmp_path, url=shop, table="sales")
    assert rows["id"].tolist() == list(range(1, 11))
    assert rows["zip"].tolist()[0] == "001"
    assert info.origin == {"database": shop, "query": None, "table": "sales", "n_rows": 10}


def test_a_query_with_colons_and_percents(shop: str, tmp_path: Path) -> None:
    query = "SELECT x, y, '12:30' AS t FROM sales WHERE zip LIKE '%0%' ORDER BY id"
    rows, info = fetch(tmp_path, url=shop, query=query)
    assert len(rows) == 10
    assert set(rows["t"]) == {"12:30"}
    assert not [note for note in info.notes if "ORDER BY" in note]


def test_an_order_that_may_change_is_reported(shop: str, tmp_path: Path) -> None:
    _, info = fetch(tmp_path, url=shop, query="SELECT x, y FROM sales")
    assert "no fixed order" in info.notes[1]


def test_types_are_those_of_all_chunks(
    shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "CHUNK_ROWS", 3)
    query = (
        "SELECT CASE WHEN id < 8 THEN id ELSE id + 0.5 END AS n, NULLIF(id, 1) AS g, y FROM sales"
    )
    rows, _ = fetch(tmp_path, url=shop, query=f"{query} ORDER BY id")
    assert rows["n"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8.5, 9.5, 10.5]
    assert rows["g"].isna().sum() == 1
    query = "SELECT CASE WHEN id < 7 THEN id ELSE 'many' END AS n, y FROM sales ORDER BY id"
    with pytest.raises(DataError, match=r"rows 1 to 3 and string in .*rows 7 to 9"):
        fetch(tmp_path, url=shop, query=query)


def test_the_url_may_come_from_the_environment(
    shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_DB", shop)
    rows, _ = fetch(tmp_path, url_env="SHOP_DB", table="sales")
    assert len(rows) == 10


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"table": "sales"}, 2, "give either url, or url_env"),
        ({"url_env": "NOT_SET", "table": "sales"}, 2, "NOT_SET is not set"),
        ({"url": "nonsense", "table": "sales"}, 2, "is not a database URL"),
        ({"url": "postgresql://me:s3cret@h/d", "table": "t"}, 2, "holds a password"),
        ({"url": "oracle9://h/d", "table": "t"}, 2, "is unknown to SQLAlchemy"),
        ({"url": "mssql+pyodbc://h/d", "table": "t"}, 2, "needs the package pyodbc"),
        ({"url": "sqlite:///absent.db", "table": "t"}, 4, "no such SQLite file"),
        ({"url": "SHOP"}, 2, "give either query or table"),
        ({"url": "SHOP", "table": "sale"}, 2, "did you mean 'sales'?"),
        ({"url": "SHOP", "query": "SELECT z FROM sales"}, 2, "refuses it: no such column: z"),
        ({"url": "SHOP", "query": "SELEC 1"}, 2, "syntax error"),
        ({"url": "SHOP", "query": "DELETE FROM sales"}, 2, "readonly"),
        ({"url": "SHOP", "query": "SELECT y FROM sales WHERE id > 99"}, 3, "the query has no rows"),
        ({"url": "SHOP", "query": "SELECT x AS y, y FROM sales"}, 3, "returns 'y' more than once"),
        ({"url": "SHOP", "query": "SELECT x FROM sales"}, 3, "there is no target column 'y'"),
        ({"url": "SHOP", "query": "SELECT x'00' AS b, y FROM sales"}, 3, "is of type bytes"),
        ({"url": "SHOP", "query": "SELECT 1 AS y UNION SELECT 'a'"}, 3, "text and whole numbers"),
    ],
)
def test_refused(
    options: dict[str, str], code: int, message: str, shop: str, tmp_path: Path
) -> None:
    given = {key: shop if value == "SHOP" else value for key, value in options.items()}
    with pytest.raises(LayerlineError) as caught:
        fetch(tmp_path, **given)
    assert message in str(caught.value)
    assert caught.value.exit_code == code
    assert "s3cret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "t.db").write_bytes(b"x,y\n1,2\n" * 100)
    with pytest.raises(SourceError, match="file is not a database"):
        fetch(tmp_path, url=f"sqlite:///{tmp_path / 't.db'}", table="t")


@pytest.mark.parametrize("silent", [False, True])
def test_a_dead_database_is_reported_in_seconds(
    silent: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "CONNECT_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not silent:
            server.close()
        with pytest.raises(SourceError, match="cannot be reached") as caught:
            fetch(tmp_path, url=f"postgresql://127.0.0.1:{port}/shop", table="t")
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("values", "kind", "found"),
    [
        ([1, None, -5], "int64", [1, None, -5]),
        ([1, 2.5], "double", [1.0, 2.5]),
        ([Decimal("0.10"), Decimal("NaN")], "double", None),
        ([None, None], "double", [None, None]),
        ([datetime.date(2024, 2, 29)], "timestamp[us]", [datetime.datetime(2024, 2, 29)]),
    ],
)
def test_values(values: list[object], kind: str, found: list[object] | None) -> None:
    array, note = column_of(values, "column 'x'")
    assert str(array.type) == kind
    assert found is None or array.to_pylist() == found
    assert note is None


EAST = datetime.timezone(datetime.timedelta(hours=9))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([2**63], "beyond 64 bits"),
        ([2**53 + 1, 0.5], "that a 64-bit float cannot represent"),
        ([Decimal(2**53 + 1)], "that a 64-bit float cannot represent"),
        ([Decimal("1e400")], "would become infinite"),
        ([Decimal("1e-400")], "would become zero"),
        ([datetime.datetime(1, 1, 1, tzinfo=EAST)], "outside the years 1 to 9999"),
        ([[1, 2]], "is of type list"),
        ([True, "x"], "text and true/false"),
    ],
)
def test_values_that_cannot_be_kept(values: list[object], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        column_of(values, "column 'x'")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgresql() as running:
        yield running


@pytest.fixture
def database(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a PostgreSQL database without user and password; those are in the environment."""
    import psycopg

    url = server.new_database()
    with psycopg.connect(url) as connection:
        connection.execute(
            "CREATE TABLE sales (id bigint PRIMARY KEY, price numeric(10, 2), day date, "
            "seen timestamptz, member boolean, code uuid, tags text[], y text)"
        )
        connection.execute(
            "INSERT INTO sales SELECT i, i / 4.0, date '2024-01-01' + i, "
            "timestamptz '2024-01-01 00:00+01', i % 2 = 0, gen_random_uuid(), NULL, 'a' || i % 3 "
            "FROM generate_series(1, 1000) AS i"
        )
    user, _, address = url.removeprefix("postgresql://").partition("@")
    name, _, password = user.partition(":")
    monkeypatch.setenv("PGUSER", name)
    monkeypatch.setenv("PGPASSWORD", password)
    return f"postgresql://{address}"


def test_postgresql_is_streamed(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "CHUNK_ROWS", 300)
    rows, info = fetch(tmp_path, url=database, table="sales")
    assert rows["id"].tolist() == list(range(1, 1001))
    assert rows["price"].tolist() == [i / 4 for i in range(1, 1001)]
    assert rows["seen"].iloc[0] == pd.Timestamp("2023-12-31 23:00")
    assert [str(kind) for kind in rows.dtypes] == [
        *("int64", "float64", "datetime64[us]", "datetime64[us]", "bool", "str", "float64", "str")
    ]
    assert info.origin["database"].endswith(database.partition("//")[2])
    assert any("read in UTC" in note for note in info.notes)


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("SELECT id, z FROM sales", 2, 'column "z" does not exist'),
        ("DELETE FROM sales", 2, "syntax error"),
        ("SELECT y FROM sales WHERE y LIKE '%zz%'", 3, "the query has no rows"),
        ("SELECT timestamp '20000-01-01' AS t, y FROM sales", 3, "a value cannot be read"),
        ("SELECT ARRAY[1, 2] AS t, y FROM sales", 3, "is of type list"),
        ("SELECT 1 / (id - 999) AS t, y FROM sales", 3, "division by zero"),
    ],
)
def test_postgresql_refuses(
    query: str, code: int, message: str, database: str, tmp_path: Path
) -> None:
    with pytest.raises(LayerlineError) as caught:
        fetch(tmp_path, url=database, query=query)
    assert message in str(caught.value)
    assert caught.value.exit_code == code


def test_a_passfile_and_a_wrong_password(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passfile = tmp_path / "pgpass"
    passfile.write_text(f"*:*:*:*:{os.environ['PGPASSWORD']}\n")
    passfile.chmod(0o600)
    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.setenv("PGPASSFILE", str(passfile))
    rows, _ = fetch(tmp_path, url=database, query="SELECT id, y FROM sales ORDER BY id")
    assert len(rows) == 1000
    passfile.write_text("*:*:*:*:wr0ng-pw\n")
    with pytest.raises(SourceError, match="password authentication failed") as caught:
        fetch(tmp_path, url=database, table="sales")
    assert "wr0ng-pw" not in str(caught.value)


def test_a_connection_that_breaks(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "CHUNK_ROWS", 1)
    # The session ends itself at the 500th row.
    query = (
        "SELECT id, y, CASE WHEN id = 500 THEN pg_terminate_backend(pg_backend_pid()) END AS t "
        "FROM sales ORDER BY id"
    )
    with pytest.raises(SourceError, match="the connection broke") as caught:
        fetch(tmp_path, url=database, query=query)
    assert caught.value.exit_code == 4
