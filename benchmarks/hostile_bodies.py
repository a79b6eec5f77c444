"""A server under 300 hostile bodies: its memory, and how long honest callers wait meanwhile.

    python benchmarks/hostile_bodies.py [--bodies 300] [--callers 4]

Memory is that of all of the server's processes, shared pages counted once (PSS). Prints Markdown.
"""

import argparse
import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import hostile  # noqa: E402
import registered  # noqa: E402

from layerline.serving.worker_pool import IDLE_SECONDS  # noqa: E402
from layerline.tables.storage import read_table  # noqa: E402

ROW = {"size": 4.5, "count": 3, "planted": "2020-01-22", "soil": "clay", "is wild": True}
LAYERLINE = [sys.executable, "-W", "ignore", "-c", "from layerline.cli import main; main()"]


# A process of its own: what sends bodies of megabytes would be in its way.
HONEST = """
import http.client, json, sys, threading, time
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
seconds = []
while not stop.is_set():
    start = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
    connection.request("POST", "/predict", sys.argv[2], {"content-type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, answer.status
    connection.close()
    seconds.append(time.perf_counter() - start)
    time.sleep(0.02)
print(json.dumps(seconds))
"""


def make_bundle(folder: Path) -> Path:
    checkout = registered.build("classes", folder / "checkout")
    checkout.train()
    checkout.bundle(folder / "bundle", read_table(checkout.workspace.validated).head(20))
    return folder / "bundle"


class Server:
    """A real server, and the memory of its processes."""

    def __init__(self, bundle: Path) -> None:
        self._process = subprocess.Popen(
            [*LAYERLINE, "serve", str(bundle), "--port", "0"],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        )
        assert self._process.stderr is not None
        line = self._process.stderr.readline()
        self.port = int(line.rpartition(":")[2].partition("/")[0])
        while self.post(b"{}", hostile.JSON)[0] != 422:  # it listens a moment later
            assert self._process.poll() is None, line
            time.sleep(0.1)

    def memory(self) -> float:
        """MiB of all processes."""
        total = 0
        main = psutil.Process(self._process.pid)
        for process in [main, *main.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().pss
        return total / 2**20

    def post(self, body: bytes, content_type: str) -> tuple[int, float]:
        """(status, seconds); status 0 where the connection broke."""
        start = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        with contextlib.closing(connection):
            try:
                connection.request("POST", "/predict", body, {"content-type": content_type})
                status = connection.getresponse().status
            except OSError:
                status = 0
        return status, time.perf_counter() - start

    def end(self) -> int:
        self._process.terminate()
        return self._process.wait(timeout=60)


def flood(server: Server, n_bodies: int, n_callers: int) -> Counter[int]:
    """Send the bodies; return how many got which status."""
    kinds = list(hostile.bodies("soil"))
    waiting = iter(range(n_bodies))
    statuses: Counter[int] = Counter()
    lock = threading.Lock()

    def call() -> None:
        while True:
            with lock:
                number = next(waiting, None)
            if number is None:
                return
            _, content_type, body = kinds[number % len(kinds)]
            status, _ = server.post(body, content_type)
            with lock:
                statuses[status] += 1

    threads = [threading.Thread(target=call) for _ in range(n_callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bodies", type=int, default=300)
    parser.add_argument("--callers", type=int, default=4)
    arguments = parser.parse_args()
    row = json.dumps(ROW).encode()
    with tempfile.TemporaryDirectory(prefix="layerline-bench-") as name:
        server = Server(make_bundle(Path(name)))
        stop = threading.Event()
        memory: list[float] = []

        def watch() -> None:
            while not stop.is_set():
                memory.append(server.memory())
                time.sleep(0.1)

        for _ in range(50):
            server.post(row, hostile.JSON)
        idle = server.memory()
        calm = [server.post(row, hostile.JSON)[1] for _ in range(200)]
        watching = threading.Thread(target=watch)
        watching.start()
        caller = subprocess.Popen(
            [sys.executable, "-c", HONEST, str(server.port), row],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        start = time.perf_counter()
        statuses = flood(server, arguments.bodies, arguments.callers)
        took = time.perf_counter() - start
        stop.set()
        watching.join()
        seconds = json.loads(caller.communicate()[0])
        time.sleep(IDLE_SECONDS + 5)
        after = server.memory()
        load = os.getloadavg()[0]
        print(f"`python benchmarks/hostile_bodies.py`, {os.cpu_count()} cores, load {load:.1f}\n")
        print("| figure | value |\n|---|---|")
        print(f"| bodies, seconds | {arguments.bodies}, {took:.0f} |")
        pairs = ", ".join(f"{n} × {status}" for status, n in sorted(statuses.items()))
        print(f"| answers | {pairs} |")
        sizes = " / ".join(f"{size:.0f}" for size in (idle, max(memory), after))
        print(f"| memory idle / peak / after, MiB | {sizes} |")
        for title, found in (("calm", calm), ("meanwhile", seconds)):
            p50, p99 = (1000 * q for q in np.quantile(found, [0.5, 0.99]))
            print(f"| one row {title}: p50 / p99 ms, n | {p50:.1f} / {p99:.1f}, {len(found)} |")
        print(f"| exit code after SIGTERM | {server.end()} |")


if __name__ == "__main__":
    main()
