"""Files torn, flipped, emptied, swapped or replaced, and the command that reads each of them."""

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

from faults.bench import (
    Bench,
    BrokenPromiseError,
    Injected,
    require,
    require_clear_end,
    require_no_defect,
)


class Reader(NamedTuple):
    """A kind of file, and what reads it."""

    pattern: str
    commands: tuple[tuple[str, ...], ...]
    is_sealed: bool = False  # a hash proves it: any change must be noticed


VERSION = "CHAMPION"  # the folder of its version


def _stage(*names: str) -> tuple[tuple[str, ...], ...]:
    return tuple(("python", f"pipeline/{name}.py") for name in names)


PREDICT = ("layerline", "predict", "houses.csv", "answers.csv")
# What DVC can make again.
MADE = (
    Reader("data/raw/table.parquet", _stage("validate"), is_sealed=True),
    Reader("data/raw/manifest.json", _stage("validate"), is_sealed=True),
    Reader("data/validated/table.parquet", _stage("scale", "evaluate"), is_sealed=True),
    Reader("data/validated/manifest.json", _stage("scale", "evaluate", "register")),
    Reader("data/scaled/train_x.npy", _stage("train", "evaluate"), is_sealed=True),
    Reader("data/scaled/*_y.npy", _stage("train", "evaluate"), is_sealed=True),
    Reader("data/scaled/manifest.json", _stage("train", "evaluate")),
    Reader("models/preprocessor/*", _stage("register")),
    Reader("models/network/network.safetensors", _stage("evaluate", "register"), is_sealed=True),
    Reader("models/network/*.json", _stage("evaluate", "register")),
    Reader("models/decision/*", _stage("register")),
    Reader("reports/history.csv", _stage("evaluate")),
    Reader("reports/metrics.json", (*_stage("register"), ("layerline", "results"))),
    Reader("reports/predictions.parquet", _stage("register")),
    Reader("reports/registration.json", (("layerline", "results"),)),
    Reader("reports/profile.json", _stage("evaluate", "register")),
    Reader("runs/*.json", (*_stage("evaluate", "register"), ("layerline", "results"))),
)
# What belongs to the user, or to the registry: put back before the recovery.
OWNED = (
    Reader("params.yaml", (*_stage("fetch", "train"), ("layerline", "results"))),
    Reader("data/schemas/*.yaml", (*_stage("validate"), ("layerline", "schema", "--diff"))),
    Reader("houses.csv", _stage("fetch")),
    Reader(f"{VERSION}/artifacts/bundle/*", (PREDICT, ("layerline", "verify")), is_sealed=True),
    Reader(f"{VERSION}/code/layerline/*.py", (("layerline", "verify"),), is_sealed=True),
    Reader(f"{VERSION}/MLmodel", (("layerline", "verify"),), is_sealed=True),
    Reader("mlflow.db", (("layerline", "runs"), PREDICT, ("layerline", "history"))),
    Reader("dvc.lock", _stage("train", "evaluate")),
)
_SHAPES = ("[]", "{}", "null", "0", '"text"', "[[1, 2]]", '{"": null}', "[" * 200 + "]" * 200)

Damage = Callable[[Path, Random, Bench], None]


def _flip(path: Path, rng: Random, bench: Bench) -> None:
    content = bytearray(path.read_bytes() or b"\0")
    for _ in range(rng.choice((1, 1, 4))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(content))


def _tear(path: Path, rng: Random, bench: Bench) -> None:
    os.truncate(path, rng.randrange(max(path.stat().st_size, 1)))


def _empty(path: Path, rng: Random, bench: Bench) -> None:
    path.write_bytes(b"")


def _zero_page(path: Path, rng: Random, bench: Bench) -> None:
    content = bytearray(path.read_bytes() or b"\1")
    start = rng.randrange(len(content))
    end = min(len(content), start + 512)
    content[start:end] = bytes(end - start)
    path.write_bytes(bytes(content))


def _remove(path: Path, rng: Random, bench: Bench) -> None:
    path.unlink()


def _folder(path: Path, rng: Random, bench: Bench) -> None:
    path.unlink()
    path.mkdir()


def _shape(path: Path, rng: Random, bench: Bench) -> None:
    path.write_text(rng.choice(_SHAPES))


def _lose_a_key(path: Path, rng: Random, bench: Bench) -> None:
    """A JSON object without one of its keys, or with a value of another type."""
    try:
        content = json.loads(path.read_bytes())
        key = rng.choice(sorted(content))
    except (ValueError, TypeError, IndexError):
        _tear(path, rng, bench)
        return
    if rng.random() < 0.5:
        del content[key]
    else:
        content[key] = rng.choice([None, [], {}, -1, "x", 1e400])
    path.write_text(json.dumps(content))


def _swap(path: Path, rng: Random, bench: Bench) -> None:
    """Another file's bytes under this name: whole, and wrong."""
    others = [p for p in bench.files("data/*/*") + bench.files("models/*/*") if p != path]
    shutil.copy(rng.choice(others), path)


DAMAGES: dict[str, Damage] = {
    "flipped": _flip,
    "torn": _tear,
    "emptied": _empty,
    "zeroed": _zero_page,
    "removed": _remove,
    "a folder in its place": _folder,
    "another shape": _shape,
    "a key lost": _lose_a_key,
    "swapped": _swap,
}


def _damage_and_read(bench: Bench, rng: Random, reader: Reader) -> Injected:
    path = bench.pick_file(rng, reader.pattern)
    if path.name == "mlflow.db":
        bench.wait_for_followers()  # what they write meanwhile would be undone by putting it back
    before = path.read_bytes()
    name = rng.choice(sorted(DAMAGES))
    path.unlink()  # a link to DVC's cache or the template is not written through
    path.write_bytes(before)
    DAMAGES[name](path, rng, bench)
    is_changed = not path.is_file() or path.read_bytes() != before
    command = rng.choice(reader.commands)
    done = bench.run(*command)
    about = f"{path.relative_to(bench.root)} {name}, read by {' '.join(command)}"
    try:
        require_clear_end(done, may_pass=not (reader.is_sealed and is_changed))
    except BrokenPromiseError as error:
        raise BrokenPromiseError(f"{about}: {error}") from None
    return Injected(about, undo=lambda: _put_back(bench, path, before))


def _put_back(bench: Bench, path: Path, before: bytes) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.write_bytes(before)
    if path.name == "mlflow.db":
        for leftover in bench.files("mlflow.db-*"):
            leftover.unlink()


def damage_made(bench: Bench, rng: Random) -> Injected:
    """Damage what a stage wrote; a reader notices."""
    # An earlier fault that was not undone may have taken a file away.
    left = [reader for reader in MADE if bench.files(reader.pattern)]
    return _damage_and_read(bench, rng, rng.choice(left))


def damage_owned(bench: Bench, rng: Random) -> Injected:
    """Damage a user's or the registry's file; nothing good is lost by reading it."""
    injected = _damage_and_read(bench, rng, rng.choice(OWNED))
    return dataclasses.replace(injected, is_owned=True)


def damage_journal(bench: Bench, rng: Random) -> Injected:
    """Damage a journal that waits; the others arrive, and what is lost is reported."""
    bench.choose("next")
    for stage in ("fetch", rng.choice(["validate", "scale", "scale", "train"])):
        done = bench.run("python", f"pipeline/{stage}.py", MLFLOW_TRACKING_URI="http://127.0.0.1:9")
        require_no_defect(done)
    bench.wait_for_followers()
    waiting = bench.files(".layerline/journals/*.jsonl")
    require(len(waiting) > 1, "journals wait")
    path, name = rng.choice(waiting), rng.choice(["flipped", "torn", "emptied", "zeroed"])
    before = path.read_bytes()
    DAMAGES[name](path, rng, bench)
    after = path.read_bytes()
    flushed = bench.run("layerline", "flush")
    require_no_defect(flushed)
    about = f"{path.name} {name}"
    if after != before and not _is_cut_between_lines(before, after):
        is_reported = any(word in flushed.output for word in ("damaged", "unreadable"))
        require(is_reported, "damage to a journal is reported", f"{about}\n{flushed.output}")
    later = bench.run("layerline", "flush")
    require(later.code == 0, "a damaged journal holds nothing up", f"{about}\n{later.output}")
    left = bench.files(".layerline/journals/*.jsonl")
    require(not left, "nothing waits", f"{about}\n{later.output}")
    return Injected(about, "next", is_owned=True)


def _is_cut_between_lines(before: bytes, after: bytes) -> bool:
    """As a killed writer leaves it: whole lines, and then none."""
    return before.startswith(after) and (not after or after.endswith(b"\n"))
