"""Trackers that are down or lie, machines short of something, odd environments and clocks."""

import contextlib
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from random import Random

from faults.bench import Bench, Injected, Outcome, require, require_clear_end, require_no_defect

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
                    stop.wait(60)
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
    bench.choose("second")
    kind = rng.choice([*_LIES, "silent", "trickling", "down"])
    environment = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "2", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
    with contextlib.ExitStack() as stack:
        uri = "http://127.0.0.1:9" if kind == "down" else stack.enter_context(_tracker(kind))
        stage = rng.choice(["train", "train", "register"])
        done = bench.stage(stage, MLFLOW_TRACKING_URI=uri, **environment)
        require_clear_end(done, may_pass=True)
        if stage == "train":
            require(done.code == 0, "training does without a tracker", f"{kind}\n{done.output}")
    return Injected(f"{stage} with a tracker: {kind}", "second")


def _limited(bench: Bench, limits: dict[int, int], *command: str, **environment: str) -> Outcome:
    def limit() -> None:
        for name, value in limits.items():
            resource.setrlimit(name, (value, value))

    done = subprocess.run(
        command,
        cwd=bench.root,
        env=bench.checkout.environment | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=180,
        preexec_fn=limit,
        check=False,
    )
    return Outcome(done.returncode, done.stdout)


def short_of(bench: Bench, rng: Random) -> Injected:
    """No room for files, few open files, or little memory: a message, and nothing good is lost."""
    bench.choose("second")
    stage = rng.choice(["fetch", "validate", "scale", "train", "evaluate", "register"])
    kind, limits = rng.choice(
        [
            ("file size", {resource.RLIMIT_FSIZE: rng.choice((0, 100, 4096, 20000))}),
            ("open files", {resource.RLIMIT_NOFILE: rng.choice((24, 40, 64))}),
            ("memory", {resource.RLIMIT_AS: rng.choice((700, 1500, 3000)) * 2**20}),
        ]
    )
    done = _limited(bench, limits, sys.executable, f"pipeline/{stage}.py")
    about = f"{stage} short of {kind} {list(limits.values())}"
    if kind != "memory":  # an allocator or the loader may end a process where no code of ours runs
        require("a defect in Layerline" not in done.output, "not called a defect", done.output)
        require(
            "Traceback (most recent" not in done.output, "no traceback", f"{about}{done.output}"
        )
    require(bench.n_champions() == 1, "there is exactly one champion", about)
    return Injected(about, "second")


def full_disk(bench: Bench, rng: Random) -> Injected:
    """A disk of its own that is full while a stage writes; earlier outputs stay."""
    if os.geteuid() != 0 or subprocess.run(["which", "mount"], capture_output=True).returncode:
        return short_of(bench, rng)  # a disk of one's own takes root
    stage, folder = rng.choice(
        [
            ("fetch", "data/raw"),
            ("scale", "data/scaled"),
            ("train", "models"),
            ("evaluate", "reports"),
        ]
    )
    bench.choose("second")
    place = bench.root / folder
    inside = {p.name for p in place.iterdir()}
    size = rng.choice((8, 24, 64))
    script = (
        f"cp -a {folder} /tmp/.kept.$$ && mount -t tmpfs -o size={size}k tmpfs {folder} && "
        f"cp -a /tmp/.kept.$$/. {folder}/ 2>/dev/null; rm -rf /tmp/.kept.$$; "
        f"{sys.executable} pipeline/{stage}.py"
    )
    done = bench.run("unshare", "-m", "sh", "-c", script)
    require_no_defect(done)
    require({p.name for p in place.iterdir()} == inside, "earlier outputs stay", done.output)
    return Injected(f"{stage} on a disk of {size} KiB", "second")


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
    stage = rng.choice(["fetch", "validate", "train", "register"])
    for command in (
        ("sh", "-c", f"cd {bench.root} && {sys.executable} pipeline/{stage}.py"),
        ("layerline", rng.choice(["results", "flush", "runs", "history"])),
    ):
        done = bench.run(*command, **environment)
        require_no_defect(done)
        require(done.code == 0, f"works with {kind}", f"{command}\n{done.output}")
    for name in files:
        (bench.root / name).unlink()
    return Injected(f"{stage}: {kind}")


def clock_set_back(bench: Bench, rng: Random) -> Injected:
    """The clock jumps; runs keep their order in the store, locks and snapshots do not hang."""
    bench.choose("second")
    faketime = "/usr/bin/faketime"
    if not os.path.exists(faketime):  # noqa: PTH110
        return odd_environment(bench, rng)
    days = rng.choice((-400, -1, 1, 30))
    stage = rng.choice(["train", "evaluate", "register"])
    started = time.monotonic()
    done = bench.run(faketime, "-f", f"{days:+d}d", sys.executable, f"pipeline/{stage}.py")
    require_clear_end(done, may_pass=True)
    require(time.monotonic() - started < 90, "nothing waits for a clock", done.output)
    return Injected(f"{stage} {days:+d} days", "second")
