"""Trackers that are down or lie, machines short of something, odd environments and clocks."""

import contextlib
import shutil
import socket
import threading
from collections.abc import Iterator
from random import Random

from faults.bench import (
    HANGS_SECONDS,
    Bench,
    Injected,
    copy_bench,
    require,
    require_clear_end,
    require_no_defect,
)
from faults.kills import PREDICT, STAGES
from faults.surrounded import NOBODY, Surroundings, can_mount, is_root

_LIES = {
    "a page": b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<html>Hi</html>",
    "an empty object": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "an error": b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    "refused": b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n",
    "garbage": bytes(range(256)) * 4,
    "nothing, and closed": b"",
}


@contextlib.contextmanager
def _tracker(kind: str) -> Iterator[str]:
    """A server on loopback that answers wrongly, slowly or not at all; its URI."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        stop = threading.Event()

        def answer(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                connection.recv(65536)
                if kind == "silent":
                    stop.wait(HANGS_SECONDS)
                elif kind == "trickling":
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                    while not stop.wait(0.5):
                        connection.sendall(b" ")
                else:
                    connection.sendall(_LIES[kind])

        def serve() -> None:
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    connection, _ = listener.accept()
                    threading.Thread(target=answer, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stop.set()
            thread.join(5)


def wrong_tracker(bench: Bench, rng: Random) -> Injected:
    """A tracking server that is down, silent, trickling or lying; training is the same."""
    bench.choose("next")
    kind = rng.choice([*_LIES, "silent", "trickling", "down"])
    # One that trickles is given up after the store's seconds alone: ten minutes, unless told.
    environment = {
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "2",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "LAYERLINE_STORE_SECONDS": "10",
    }
    stage = rng.choice(["fetch", "scale", "train", "register", "flush", "runs"])
    command = ("layerline", stage) if stage in ("flush", "runs") else _script(stage)
    with contextlib.ExitStack() as stack:
        uri = "http://127.0.0.1:9" if kind == "down" else stack.enter_context(_tracker(kind))
        done = bench.run(*command, MLFLOW_TRACKING_URI=uri, **environment)
    require_clear_end(done, may_pass=True)
    if stage in ("fetch", "scale", "train"):
        require(done.code == 0, "a stage does without a tracker", f"{kind}\n{done.output}")
    return Injected(f"{stage} with a tracker: {kind}", "next")


def _script(stage: str) -> tuple[str, str]:
    return ("python", f"pipeline/{stage}.py")


def short_of(bench: Bench, rng: Random) -> Injected:
    """No room for files, few open files, or little memory: a message, and nothing good is lost."""
    bench.choose("next")
    command = rng.choice([*map(_script, STAGES), PREDICT, ("layerline", "verify")])
    kind = rng.choice(["file size", "open files", "memory"])
    around: Surroundings = {
        "file size": Surroundings(limits={"RLIMIT_FSIZE": rng.choice((0, 100, 4096, 20000))}),
        "open files": Surroundings(limits={"RLIMIT_NOFILE": rng.choice((16, 24, 40, 64))}),
        "memory": Surroundings(memory=rng.choice((1, 8, 40, 200)) * 2**20),
    }[kind]
    done = bench.run(*command, around=around)
    about = f"{' '.join(command)} short of {kind}: {around}"
    if kind != "memory":  # an allocator may end a process where no code of ours runs
        require("a defect in Layerline" not in done.output, "not called a defect", done.output)
        is_clean = "Traceback (most recent" not in done.output
        require(is_clean, "no traceback", f"{about}\n{done.output}")
    require(bench.n_champions() == 1, "there is exactly one champion", about)
    return Injected(about, "next")


_WRITES = {
    "fetch": "data/raw",
    "validate": "data/validated",
    "scale": "data/scaled",
    "train": "models",
    "evaluate": "reports",
    "register": "mlartifacts",
}


def bad_disk(bench: Bench, rng: Random) -> Injected:
    """A disk of its own that is full, or read-only, while a stage writes; earlier outputs stay."""
    if not can_mount():
        return short_of(bench, rng)  # a disk of one's own takes root
    stage = rng.choice(sorted(_WRITES))
    bench.choose("next")
    place = bench.root / _WRITES[stage]
    inside = {p.name for p in place.iterdir()}
    around = Surroundings(disk=str(place))
    if rng.random() < 0.7:
        around["kib"] = rng.choice((8, 24, 64, 200))
    done = bench.run(*_script(stage), around=around)
    about = f"{stage} on a disk: {around.get('kib', 'read-only')}"
    require_clear_end(done, may_pass=True, is_machine=True)
    is_same = {p.name for p in place.iterdir()} == inside
    require(is_same, "earlier outputs stay", f"{about}\n{done.output}")
    return Injected(about, "next")


def another_user(bench: Bench, rng: Random) -> Injected:
    """A command of a user who may read and not write: a message, nothing is changed."""
    if not is_root():
        return odd_environment(bench, rng)
    bench.root.parent.chmod(0o755)
    before = bench.trained()
    command = rng.choice(
        [*map(_script, STAGES), PREDICT, *(("layerline", c) for c in ("runs", "flush", "results"))]
    )
    done = bench.run(*command, around=Surroundings(user=NOBODY), HOME="/nonexistent")
    require_clear_end(done, may_pass=command[0] == "layerline", is_machine=True)
    require(bench.trained() == before, "nothing is changed", done.output)
    return Injected(f"another user: {' '.join(command)}")


def odd_environment(bench: Bench, rng: Random) -> Injected:
    """ASCII terminals, modules that shadow the library's, no HOME, time zones, cron's own."""
    kind, files, environment = rng.choice(
        [
            ("ascii", (), {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}),
            ("shadows", ("secrets.py", "types.py", "random.py", "queue.py"), {}),
            ("no home", (), {"HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent"}),
            ("zone", (), {"TZ": rng.choice(["Pacific/Apia", "America/St_Johns", "XYZ-27"])}),
            ("cron", (), {"TERM": "dumb", "LANG": "C", "SHELL": "/bin/sh", "COLUMNS": "1"}),
        ]
    )
    for name in files:
        (bench.root / name).write_text("raise RuntimeError('this is not the standard library')\n")
    command = rng.choice(
        [
            _script(rng.choice(["fetch", "validate", "train"])),
            ("layerline", rng.choice(["results", "flush", "runs", "history"])),
        ]
    )
    done = bench.run(*command, is_cold=True, **environment)
    for name in files:
        (bench.root / name).unlink()
    require_no_defect(done)
    require(done.code == 0, f"works with {kind}", f"{command}\n{done.output}")
    return Injected(f"{' '.join(command)}: {kind}")


def clock_set_back(bench: Bench, rng: Random) -> Injected:
    """The clock jumps, or summer ends; nothing waits for it, and the bytes are the same."""
    faketime = shutil.which("faketime")
    if faketime is None:
        return odd_environment(bench, rng)
    bench.choose("next")
    moment = rng.choice(["-400d", "-1d", "-1h", "+1d", "+30d", "@2026-10-25 02:59:58"])
    stage = rng.choice(["scale", "train", "evaluate"])
    options = ("-f", moment) if moment[0] in "+-@" else (moment,)
    zone = {"TZ": "Europe/Berlin"}
    done = bench.run(faketime, *options, *_script(stage), is_cold=True, **zone)
    require_clear_end(done, may_pass=True)
    return Injected(f"{stage} at {moment}", "next")


_MISREAD = ("a%20b", "a?b")  # by MLflow: refused
_PATHS = (
    *_MISREAD,
    "with a blank",
    "größe-数",
    "it's",
    'qu"ote',
    "a#b",
    "a&b;c",
    "-x",
    "$HOME",
)


def odd_path(bench: Bench, rng: Random) -> Injected:
    """The project in a folder of an odd name: `dvc repro` and the commands work in it."""
    name = rng.choice(_PATHS)
    moved = copy_bench(bench, bench.root.with_name(name))
    try:
        moved.choose("next")
        if name in _MISREAD:
            done = moved.run("layerline", "runs")
            require(done.code == 8, "refused in an odd path", f"{name}\n{done.output}")
            require("rename the folder" in done.output, "with a message", done.output)
            return Injected(f"in a folder {name!r}")
        for command in (("dvc", "repro"), PREDICT, ("layerline", "results"), ("layerline", "runs")):
            done = moved.run(*command)
            require_no_defect(done)
            require(done.code == 0, "works in an odd path", f"{name}: {command}\n{done.output}")
        require(moved.trained() == bench.hashes["next"], "the bytes are the same", name)
    finally:
        moved.stop_all()
    return Injected(f"in a folder {name!r}")
