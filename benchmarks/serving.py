"""The server beside `mlflow models serve`: latency, throughput, and a minute of swaps under load.

    python benchmarks/serving.py [--soak-seconds 60]

Trains two versions of a 30-256-256-1 network in a fresh checkout, serves them for real, asks with
`wrk` (Debian: apt-get install wrk), and prints Markdown. About four minutes on a quiet machine.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from checkouts import Checkout, make_checkout  # noqa: E402

N_FEATURES, N_SWAPS = 30, 10
LAYERLINE = [sys.executable, "-W", "ignore", "-c", "from layerline.cli import main; main()"]


def rows(n_rows: int, seed: int) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n_rows, N_FEATURES)).round(4)
    frame = pd.DataFrame(x, columns=[f"f{i}" for i in range(N_FEATURES)])
    frame["y"] = (x @ generator.normal(size=N_FEATURES)).round(4)
    return frame


def make_versions(root: Path) -> Checkout:
    checkout = make_checkout(root / "checkout")
    rows(4000, 0).to_csv(checkout.root / "bench.csv", index=False)
    checkout.run(*LAYERLINE, "init", "bench.csv", "--target", "y", "--fast", "--project", "bench")
    options = {"hidden": [256, 256], "norm": "batch", "dropout": 0.1}
    checkout.edit_params(train__options=options, evaluate__bootstrap=0, train__epochs=2)
    checkout.run("dvc", "repro")
    checkout.edit_params(train__epochs=4)
    checkout.run("dvc", "repro")
    return checkout


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def running(checkout: Checkout, command: list[str], path: str, port: int) -> Iterator[int]:
    """Start a server, wait until it answers, yield its pid, and end it."""
    environment = checkout.environment | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{checkout.root}/mlflow.db",
        "OMP_NUM_THREADS": "1",
    }
    process = subprocess.Popen(
        command,
        cwd=checkout.root,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 180
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5):
                    break
            except OSError:
                assert process.poll() is None, "the server ended"
                assert time.monotonic() < until, "the server is not ready"
                time.sleep(0.2)
        yield process.pid
    finally:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.terminate()
        process.terminate()
        process.wait(timeout=60)


def script(folder: Path, name: str, body: object) -> Path:
    path = folder / f"{name}.lua"
    path.write_text(
        'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
        f"wrk.body = [==[{json.dumps(body)}]==]\n"
    )
    return path


def wrk(url: str, lua: Path, connections: int, seconds: int) -> dict[str, float]:
    """Requests a second, p50 and p99 in milliseconds, failed requests."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(lua), url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    sockets = re.search(r"Socket errors: (.*)", text)
    broken = sum(map(int, re.findall(r"\d+", sockets[1]))) if sockets else 0
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert rate, text
    return {
        "rate": float(rate[1]),
        "p50": milliseconds(text, "50%"),
        "p99": milliseconds(text, "99%"),
        "failed": (int(failed[1]) if failed else 0) + broken,
    }


def milliseconds(text: str, share: str) -> float:
    found = re.search(rf"^\s+{share}\s+([\d.]+)(us|ms|s)$", text, re.MULTILINE)
    assert found, text
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def table(name: str, url: str, one: Path, hundred: Path, seconds: int) -> None:
    for title, lua, connections, n_rows in (
        ("one row, 1 connection", one, 1, 1),
        ("one row, 8 connections", one, 8, 1),
        ("100 rows, 8 connections", hundred, 8, 100),
    ):
        got = wrk(url, lua, connections, seconds)
        print(
            f"| {name} | {title} | {got['p50']:.2f} | {got['p99']:.2f} | {got['rate']:,.0f} | "
            f"{got['rate'] * n_rows:,.0f} | {got['failed']:.0f} |",
            flush=True,
        )


def soak(checkout: Checkout, url: str, one: Path, pid: int, seconds: int) -> None:
    """Full load while the champion changes ten times."""
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{checkout.root}/mlflow.db"
    import mlflow

    client = mlflow.MlflowClient()
    process = psutil.Process(pid)
    wrk(url, one, 8, 5)
    before = process.memory_info().rss
    found: dict[str, float] = {}
    thread = threading.Thread(target=lambda: found.update(wrk(url, one, 8, seconds)))
    thread.start()
    for swap in range(N_SWAPS):
        client.set_registered_model_alias("bench", "champion", str(swap % 2 + 1))
        time.sleep(seconds / (N_SWAPS + 1))
    thread.join()
    metrics = urllib.request.urlopen(url.replace("/predict", "/metrics")).read().decode()
    swaps = re.search(r"layerline_model_swaps_total ([\d.]+)", metrics)
    after = process.memory_info().rss
    print(
        f"\n{seconds} s at full load, {swaps[1] if swaps else 0} swaps: {found['rate']:,.0f} "
        f"requests/s, p99 {found['p99']:.2f} ms, {found['failed']:.0f} failed; memory "
        f"{before / 2**20:.0f} MiB before, {after / 2**20:.0f} MiB after"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--soak-seconds", type=int, default=60)
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt-get install wrk")
    with tempfile.TemporaryDirectory(prefix="layerline-bench-") as name:
        folder = Path(name)
        checkout = make_versions(folder)
        row = rows(1, 9).drop(columns="y").to_dict("records")[0]
        uri = "models:/bench@champion"
        print(f"`python benchmarks/serving.py`, {os.cpu_count()} cores\n")
        print("| server | request | p50 ms | p99 ms | requests/s | rows/s | failed |")
        print("|---|---|---|---|---|---|---|")
        port = free_port()
        serve = [*LAYERLINE, "serve", uri, "--port", str(port), "--poll", "1"]
        one, hundred = script(folder, "one", row), script(folder, "hundred", [row] * 100)
        with running(checkout, serve, "/ready", port) as pid:
            url = f"http://127.0.0.1:{port}/predict"
            table("layerline serve", url, one, hundred, arguments.seconds)
            port = free_port()
            mlflow = [sys.executable, "-m", "mlflow", "models", "serve", "-m", uri]
            mlflow += ["--port", str(port), "--env-manager", "local"]
            first = script(folder, "mlflow-one", {"dataframe_records": [row]})
            many = script(folder, "mlflow-hundred", {"dataframe_records": [row] * 100})
            with running(checkout, mlflow, "/ping", port):
                beside = f"http://127.0.0.1:{port}/invocations"
                table("mlflow models serve", beside, first, many, arguments.seconds)
            soak(checkout, url, one, pid, arguments.soak_seconds)


if __name__ == "__main__":
    main()
