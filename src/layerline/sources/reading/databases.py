"""A query or a table of any database that SQLAlchemy reaches -> its rows, a chunk at a time.

A server keeps the result and sends it piece by piece; nothing can be written through the
connection where the database can forbid it. Credentials come from the environment alone.
"""

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import MetaData, Table, create_engine, inspect, select
from sqlalchemy.engine import URL, Connection, CursorResult, Engine, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    NoSuchModuleError,
    NoSuchTableError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.exc import (
    DataError as BadValueError,
)
from sqlalchemy.pool import NullPool

from layerline.errors import DataError, LayerlineError, ParamsError, Problem, SourceError
from layerline.text import closest, first_line, listing

CONNECT_SECONDS = 5
_KEPT_ALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
_OPTIONS = "fetch.options"


class Rows(NamedTuple):
    """The columns of a result, its rows in chunks, and whether their order is fixed."""

    names: list[str]
    chunks: Iterator[list[tuple[Any, ...]]]
    is_ordered: bool


def find_url(url: str | None, url_env: str | None) -> URL:
    """The database's URL from params.yaml, or from an environment variable.

    Raises:
        ParamsError: none or both are given, it is not a URL, or params.yaml holds a password.
    """
    if (url is None) == (url_env is None):
        raise _wrong("url", "give either url, or url_env: the variable that holds it")
    if url_env is not None and url_env not in os.environ:
        raise _wrong("url_env", f"the environment variable {url_env} is not set")
    try:
        found = make_url(os.environ[url_env] if url_env is not None else str(url))
    except ArgumentError:
        where = "url" if url_env is None else "url_env"
        raise _wrong(where, "is not a database URL, such as postgresql://host/database") from None
    if url is not None and found.password is not None:
        raise _wrong(
            "url",
            "holds a password; put the URL into an environment variable and name it in url_env",
        )
    if found.drivername == "postgresql":  # SQLAlchemy would ask for psycopg2
        found = found.set(drivername="postgresql+psycopg")
    return found


def without_secrets(url: URL) -> str:
    """The URL without user, password and query, which may be secret."""
    return url.set(username=None, password=None, query={}).render_as_string()


@contextlib.contextmanager
def open_rows(url: URL, query: str | None, table: str | None, n_rows: int) -> Iterator[Rows]:
    """Run the query, or read the table by its primary key.

    Raises:
        ParamsError: unknown driver or table, or the database refuses the query.
        SourceError: it cannot be reached, or the connection broke.
        DataError: a value that Python cannot hold, a column twice.
    """
    if (query is None) == (table is None):
        raise _wrong("query", "give either query or table")
    engine = _engine(url)
    with contextlib.ExitStack() as stack:
        stack.callback(engine.dispose)
        # SQLAlchemy warns of types it does not know; values are checked one by one.
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        with _reporting_unreachable(url):
            connection = stack.enter_context(engine.connect())
        with _reporting_refusal(url, "table" if query is None else "query"):
            result, is_ordered = _run(_read_only(connection), query, table, n_rows)
            stack.callback(_close, result)
            if not result.returns_rows:
                raise _wrong("query", "returns no rows; it must be a SELECT")
            yield Rows(_names(result), _chunks(result, n_rows), is_ordered)


def _wrong(option: str, message: str) -> ParamsError:
    return ParamsError([Problem(f"{_OPTIONS}.{option}", message)])


def _engine(url: URL) -> Engine:
    backend = url.get_backend_name()
    if backend == "sqlite":
        _require_file(url)
    arguments: dict[str, Any] = {}
    if backend in ("postgresql", "mysql", "mariadb"):
        arguments["connect_timeout"] = CONNECT_SECONDS
    if backend == "postgresql":
        arguments |= _KEPT_ALIVE
    try:
        return create_engine(url, poolclass=NullPool, connect_args=arguments)
    except ModuleNotFoundError as error:
        hint = "psycopg[binary]" if backend == "postgresql" else error.name
        raise _wrong("url", f"needs the package {error.name}: pip install '{hint}'") from None
    except (NoSuchModuleError, ArgumentError) as error:
        raise _wrong("url", f"{url.drivername}:// is unknown to SQLAlchemy ({error})") from None


def _require_file(url: URL) -> None:
    """SQLite would make an empty database where there is none."""
    path = Path(url.database or "")
    if not path.is_file():
        raise SourceError(f"{path}: no such SQLite file (from {Path.cwd()})")


def _read_only(connection: Connection) -> Connection:
    backend = connection.dialect.name
    if backend == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
    if backend == "postgresql":
        connection = connection.execution_options(postgresql_readonly=True)
    return connection


def _run(
    connection: Connection, query: str | None, table: str | None, n_rows: int
) -> tuple[CursorResult[Any], bool]:
    options = {"stream_results": True, "max_row_buffer": n_rows, "no_parameters": True}
    if query is not None:
        # The driver's own way: in text() a colon, and for some drivers a percent sign, mean more.
        result = connection.exec_driver_sql(query, execution_options=options)
        return result, "order by" in " ".join(query.lower().split())
    schema, _, name = str(table).rpartition(".")
    try:
        found = Table(name, MetaData(), schema=schema or None, autoload_with=connection)
    except NoSuchTableError:
        names = inspect(connection).get_table_names(schema or None)
        near = closest(name, names)
        hint = f"did you mean {near!r}? " if near else ""
        raise _wrong("table", f"no table {table!r}; {hint}the tables: {listing(names)}") from None
    keys = list(found.primary_key)
    return connection.execute(select(found).order_by(*keys), execution_options=options), bool(keys)


def _close(result: CursorResult[Any]) -> None:
    with contextlib.suppress(SQLAlchemyError):  # the first failure is reported already
        result.close()


def _names(result: CursorResult[Any]) -> list[str]:
    names = list(result.keys())
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"the query returns {listing([repr(name) for name in twice])} more than once; "
            "name each column with AS"
        )
    return names


def _chunks(result: CursorResult[Any], n_rows: int) -> Iterator[list[tuple[Any, ...]]]:
    for rows in result.partitions(n_rows):
        yield [tuple(row) for row in rows]


@contextlib.contextmanager
def _reporting_unreachable(url: URL) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise SourceError(f"{without_secrets(url)}: cannot be reached ({_reason(error)})") from None


@contextlib.contextmanager
def _reporting_refusal(url: URL, option: str) -> Iterator[None]:
    shown = without_secrets(url)
    try:
        yield
    except LayerlineError:
        raise
    except BadValueError as error:
        raise DataError(
            f"{shown}: a value cannot be read ({_reason(error)}); cast it in the query"
        ) from None
    except (DBAPIError, ValueError) as error:
        if isinstance(error, ValueError):  # SQLAlchemy's own reading of SQLite's dates
            raise DataError(
                f"{without_secrets(url)}: {first_line(error)}; cast it in the query"
            ) from None
        if isinstance(error, ProgrammingError) or _is_of_the_query(error):
            raise _wrong(option, f"the database refuses it: {_reason(error)}") from None
        raise SourceError(
            f"{without_secrets(url)}: the connection broke ({_reason(error)})"
        ) from None


def _is_of_the_query(error: DBAPIError) -> bool:
    # SQLite and MySQL call a misspelt column an operational error.
    words = ("no such", "syntax error", "readonly", "unknown column", "misuse")
    return not error.connection_invalidated and any(w in str(error.orig).lower() for w in words)


def _reason(error: Exception) -> str:
    return first_line(getattr(error, "orig", None) or error)[:300]
