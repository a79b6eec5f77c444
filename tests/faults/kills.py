"""Processes killed, stopped and resumed at random moments, alone and with rivals beside them."""

import os
import signal
import subprocess
import time
from random import Random

import psutil
from faults.bench import Bench, Injected, Outcome, require, require_no_defect

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def _wait_until_quiet(bench: Bench, seconds: float = 30.0) -> None:
    """No stage of the bench runs any more: each ends with its parent."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not _stages(bench):
            return
        time.sleep(0.1)
    require(False, "a stage ends with its parent", [p.cmdline() for p in _stages(bench)])


def _stages(bench: Bench) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command = " ".join(process.info["cmdline"] or [])
        if "pipeline/" in command and process.info["cwd"] == str(bench.root):
            found.append(process)
    return found


def _kill_at_random(
    bench: Bench, rng: Random, process: "subprocess.Popen[str]", longest: float
) -> str:
    wait, number = rng.uniform(0.1, longest), rng.choice(SIGNALS)
    try:
        process.wait(wait)
        moment = "after its end"
    except subprocess.TimeoutExpired:
        moment = f"after {wait:.2f} s"
        targets = [process.pid]
        if rng.random() < 0.5:  # the stage alone, not DVC
            targets = [stage.pid for stage in _stages(bench)] or targets
        for pid in targets:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
    output, _ = process.communicate(timeout=120)
    require_no_defect(Outcome(process.returncode, output))
    return f"{signal.Signals(number).name} {moment}"


def kill_repro(bench: Bench, rng: Random) -> Injected:
    """Kill `dvc repro` or its stage on the way to another setting; one more ends the same."""
    bench.choose("second")
    about = _kill_at_random(bench, rng, bench.start("dvc", "repro"), 14.0)
    _wait_until_quiet(bench)
    return Injected(about, "second")


def kill_command(bench: Bench, rng: Random) -> Injected:
    """Kill a command that writes to the registry or to a user's file; done again it is whole."""
    bench.choose("second")
    bench.run("dvc", "repro")
    command = rng.choice(
        [
            ("layerline", "promote", "2"),
            ("layerline", "rollback"),
            ("layerline", "predict", "houses.csv", "answers.csv"),
            ("layerline", "retrain"),
            ("layerline", "flush"),
        ]
    )
    about = _kill_at_random(bench, rng, bench.start(*command), 6.0)
    _wait_until_quiet(bench)
    require(bench.n_champions() == 1, "there is exactly one champion", about)
    again = bench.run("layerline", "predict", "houses.csv", "answers.csv")
    require(again.code == 0, "the champion answers", again.output)
    lines = (bench.root / "answers.csv").read_text().splitlines()
    require(len(lines) == 241, "an answer a row", len(lines))
    return Injected(f"{' '.join(command)}: {about}", "second")


def stop_and_resume(bench: Bench, rng: Random) -> Injected:
    """SIGSTOP for a while, as a laptop's lid does; then it ends as if nothing had been."""
    bench.choose("second")
    process = bench.start("dvc", "repro")
    time.sleep(rng.uniform(0.5, 8.0))
    stopped = [p for p in (psutil.Process(process.pid), *_stages(bench)) if p.is_running()]
    for one in stopped:
        one.suspend()
    time.sleep(rng.uniform(0.5, 2.0))
    for one in stopped:
        one.resume()
    output, _ = process.communicate(timeout=120)
    require_no_defect(Outcome(process.returncode, output))
    require(process.returncode == 0, "a stopped run resumes", output)
    return Injected(f"{len(stopped)} processes stopped", "second")


def rivals(bench: Bench, rng: Random) -> Injected:
    """Two at once of anything: each ends well or says that the other is busy."""
    bench.choose("second")
    choices = [
        ("dvc", "repro"),
        ("python", "pipeline/train.py"),
        ("python", "pipeline/register.py"),
        ("layerline", "flush"),
        ("layerline", "promote", "1"),
        ("layerline", "predict", "houses.csv", "answers.csv"),
        ("layerline", "results"),
        ("layerline", "retrain"),
    ]
    pair = [rng.choice(choices[:3]), rng.choice(choices)]
    processes = [bench.start(*command) for command in pair]
    about = " | ".join(" ".join(command) for command in pair)
    for process in processes:
        output, _ = process.communicate(timeout=180)
        require_no_defect(Outcome(process.returncode, output))
        require(process.returncode != 1, "not called a defect", f"{about}\n{output}")
    require(bench.n_champions() == 1, "there is exactly one champion", about)
    return Injected(about, "second")
