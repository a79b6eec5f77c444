"""Why a stage ran: what differs from the run that dvc.lock recorded.

While a stage runs, its entry in dvc.lock is still of its run before, and the entries of the
stages before it are of now.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from layerline.artifacts import STAGES

LOCK = "dvc.lock"
MAX_REASONS = 12
_MAX_BYTES = 256 << 20
_MAX_FILES = 2000
_ABSENT = object()


def why_ran(root: Path, stage: str) -> str:
    """Say in one line why DVC runs the stage now: "train.epochs: 60 → 80; data/scaled changed".

    A dependency that is too large to hash in passing is only named as one that may have changed.
    """
    by_hand = "" if os.environ.get("DVC_STAGE") else "started by hand"
    lock = read_lock(root)
    entry = lock.get(stage)
    if entry is None:
        reasons = ["first run"]
    else:
        reasons = [
            *_changed_command(root, stage, entry),
            *_changed_params(root, entry),
            *_changed_deps(root, entry, lock),
        ]
    if len(reasons) > MAX_REASONS:
        more = len(reasons) - MAX_REASONS
        reasons = [*reasons[:MAX_REASONS], f"and {more} more"]
    unexplained = "" if reasons or by_hand else "forced, or an output was missing or changed"
    return "; ".join(filter(None, [by_hand, *reasons, unexplained]))


def _changed_command(root: Path, stage: str, entry: Mapping[str, Any]) -> Iterator[str]:
    stages = _read_yaml(root / "dvc.yaml").get("stages") or {}
    command = (stages.get(stage) or {}).get("cmd")
    if command is not None and command != entry.get("cmd"):
        yield "the command changed"


def _changed_params(root: Path, entry: Mapping[str, Any]) -> Iterator[str]:
    for file, recorded in (entry.get("params") or {}).items():
        current = _read_yaml(root / file)
        for name, old in recorded.items():
            new = _look_up(current, name)
            yield from _differences(name, old, new)


def _differences(name: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _differences(f"{name}.{key}", old.get(key, _ABSENT), new.get(key, _ABSENT))
    elif new is _ABSENT:
        yield f"{name} removed"
    elif old is _ABSENT:
        yield f"{name}: {_show(new)} added"
    elif old != new:
        yield f"{name}: {_show(old)} → {_show(new)}"


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = value if isinstance(value, str) else text
    return text if len(text) <= 60 else text[:59] + "…"


def _look_up(params: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        if not isinstance(params, Mapping) or part not in params:
            return _ABSENT
        params = params[part]
    return params


def _read_yaml(path: Path) -> Mapping[str, Any]:
    try:
        value = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError):
        return {}
    return value if isinstance(value, Mapping) else {}


def _changed_deps(root: Path, entry: Mapping[str, Any], lock: Mapping[str, Any]) -> Iterator[str]:
    made = {out["path"]: out.get("md5") for other in lock.values() for out in other.get("outs", ())}
    for dep in entry.get("deps") or ():
        path, old = dep["path"], dep.get("md5")
        if old is None:
            continue
        if path in made:  # the stage that makes it ran before this one, and was recorded
            if made[path] != old:
                yield f"{path} changed"
        elif not (root / path).exists():
            yield f"{path} is gone"
        elif dep.get("size", 0) > _MAX_BYTES or dep.get("nfiles", 0) > _MAX_FILES:
            yield f"{path} may have changed"
        elif _md5_like_dvc(root / path) != old:
            yield f"{path} changed"


def _md5_like_dvc(path: Path) -> str:
    """DVC's md5 of a file, or of a folder: of the JSON list of its files and their md5."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "md5").hexdigest()
    files = sorted(
        (file.relative_to(path).as_posix(), file)
        for file in path.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".pyc"
    )
    listing = [{"md5": _md5_like_dvc(file), "relpath": name} for name, file in files]
    text = json.dumps(listing, sort_keys=True)
    return f"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}.dir"


def read_lock(root: Path) -> Mapping[str, Any]:
    """The stages of dvc.lock; empty when there is none, or it cannot be read."""
    path = root / LOCK
    try:
        stages = _parse_lock(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError):
        return {}
    return stages


def lock_before(root: Path, stage: str) -> str:
    """dvc.lock with no more than the stages before `stage`; empty where it has none of them."""
    try:
        text = (root / LOCK).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    # As text: DVC's own, and at no cost. It indents the stages' names by two.
    head, *blocks = re.split(r"(?m)^(?=  \S)", text)
    earlier = STAGES[: STAGES.index(stage)]
    kept = [block for block in blocks if block.partition(":")[0].strip() in earlier]
    return "".join([head, *kept]) if kept else ""


@lru_cache(maxsize=2)
def _parse_lock(text: str) -> Mapping[str, Any]:
    lock = YAML(typ="safe", pure=True).load(text)
    stages = lock.get("stages") if isinstance(lock, Mapping) else None
    return stages if isinstance(stages, Mapping) else {}
