"""Processes killed, stopped and resumed at random moments, alone and with rivals beside them."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from random import Random

import psutil
from faults.bench import (
    HANGS_SECONDS,
    Bench,
    Injected,
    Running,
    require,
    require_clear_end,
    require_no_defect,
)

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
STAGES = ("fetch", "validate", "scale", "train", "evaluate", "register")
PREDICT = ("layerline", "predict", "houses.csv", "answers.csv")
COMMANDS = (
    *(("layerline", "rollback"), ("layerline", "promote", "1"), ("layerline", "promote", "2")),
    *(PREDICT, ("layerline", "flush")),
)
N_ANSWERS = 240


def _stages(bench: Bench) -> list[psutil.Process]:
    """The stages that DVC started."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command = " ".join(process.info["cmdline"] or [])
        if "pipeline/" in command and process.info["cwd"] == str(bench.root):
            found.append(process)
    return found


def _wait_until_quiet(bench: Bench) -> None:
    """No stage of the bench runs any more: each ends with its parent."""
    until = time.monotonic() + HANGS_SECONDS
    while _stages(bench) and time.monotonic() < until:
        time.sleep(0.1)
    left = [process.cmdline() for process in _stages(bench)]
    require(not left, "a stage ends with its parent", left)


def _kill(
    running: Running, rng: Random, longest: float, find: Callable[[], list[int]] = list
) -> str:
    """Send a signal after a while, to what is found then or else to the command itself."""
    wait, number = rng.uniform(0.0, longest), rng.choice(SIGNALS)
    moment = "after its end"
    if not running.ends_within(wait):
        moment = f"after {wait:.2f} s"
        for pid in find() or [running.pid]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                moment = "at its end"
    require_no_defect(running.outcome())
    return f"{signal.Signals(number).name} {moment}"


def kill_stage(bench: Bench, rng: Random) -> Injected:
    """Kill a stage that does its work with new settings; whatever is left, DVC makes it whole."""
    bench.choose("next")
    command = ("python", f"pipeline/{rng.choice(STAGES)}.py")
    longest = 1.2 * bench.seconds[" ".join(command)]
    about = _kill(bench.start(*command), rng, longest)
    require(bench.n_champions() == 1, "there is exactly one champion", about)
    return Injected(f"{command[1]}: {about}", "next")


def kill_repro(bench: Bench, rng: Random) -> Injected:
    """Kill `dvc repro` or its stage on the way to another setting; one more ends the same."""
    bench.choose("next")
    is_stage = rng.random() < 0.5  # alone, or DVC

    def find() -> list[int]:
        return [stage.pid for stage in _stages(bench)] if is_stage else []

    about = _kill(bench.start("dvc", "repro"), rng, bench.seconds["dvc repro"], find)
    _wait_until_quiet(bench)
    return Injected(f"{'a stage' if is_stage else 'dvc'}: {about}", "next")


def kill_command(bench: Bench, rng: Random) -> Injected:
    """Kill a command that writes to the registry or to a user's file; done again it is whole."""
    command = rng.choice(COMMANDS)
    known = " ".join(command)
    longest = 1.2 * bench.seconds.get(known, bench.seconds["layerline promote 2"])
    about = f"{known}: {_kill(bench.start(*command), rng, longest)}"
    require(bench.n_champions() == 1, "there is exactly one champion", about)
    again = bench.run(*PREDICT)
    require(again.code == 0, "the champion answers", f"{about}\n{again.output}")
    lines = (bench.root / "answers.csv").read_text().splitlines()
    require(len(lines) == N_ANSWERS + 1, "an answer a row", len(lines))
    return Injected(about)


def kill_follower(bench: Bench, rng: Random) -> Injected:
    """Kill or stop what sends a growing journal; the next flush sends the rest."""
    bench.choose("next")
    running = bench.start("python", "pipeline/train.py")
    time.sleep(rng.uniform(0.2, 3.0))
    followers = [p for p in bench.processes() if "--follow" in " ".join(p.cmdline())]
    is_stopped = rng.random() < 0.3
    for follower in followers:
        follower.send_signal(signal.SIGSTOP if is_stopped else rng.choice(SIGNALS))
    done = running.outcome()
    require_no_defect(done)
    require(done.code == 0, "training does without its follower", done.output)
    if is_stopped:
        time.sleep(rng.uniform(0.0, 1.0))
        for follower in followers:
            follower.send_signal(signal.SIGCONT)
    return Injected(f"{len(followers)} followers {'stopped' if is_stopped else 'killed'}", "next")


def stop_and_resume(bench: Bench, rng: Random) -> Injected:
    """SIGSTOP for a while, as a laptop's lid does; then it ends as if nothing had been."""
    bench.choose("next")
    command = ("python", f"pipeline/{rng.choice(STAGES)}.py")
    running = bench.start(*command)
    if running.ends_within(rng.uniform(0.0, bench.seconds[" ".join(command)])):
        about = "after its end"
    else:
        about = "while it ran"
        os.kill(running.pid, signal.SIGSTOP)
        time.sleep(rng.uniform(0.1, 2.0))
        with contextlib.suppress(ProcessLookupError):  # it had ended before it was stopped
            os.kill(running.pid, signal.SIGCONT)
    done = running.outcome()
    require_clear_end(done, may_pass=True)  # register refuses what an earlier fault trained
    return Injected(f"{command[1]} stopped {about}", "next")


def rivals(bench: Bench, rng: Random) -> Injected:
    """Two at once of anything: each ends well or says that the other is busy."""
    bench.choose("next")
    stages = [("python", f"pipeline/{stage}.py") for stage in STAGES]
    heavy = [*stages, ("layerline", "promote", "1"), ("layerline", "rollback")]
    light = [PREDICT, ("layerline", "results"), ("layerline", "flush"), ("layerline", "verify")]
    pair = [rng.choice(heavy), rng.choice([*heavy, *light])]
    if rng.random() < 0.1:
        pair[0] = ("dvc", "repro")
    about = " | ".join(" ".join(command) for command in pair)
    for running in [bench.start(*command) for command in pair]:
        done = running.outcome()
        require_no_defect(done)
        require(done.code != 1, "not called a defect", f"{about}\n{done.output}")
    require(bench.n_champions() == 1, "there is exactly one champion", about)
    return Injected(about, "next")
