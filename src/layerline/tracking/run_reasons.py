"""Why a stage ran: what differs from the run recorded in dvc.lock.

While a stage runs, its entry in dvc.lock is still of its run before, and the entries of the
stages before it are of now.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from layerline.tracking.dvc_lock import dvc_md5, read_lock

MAX_REASONS = 12
_MAX_BYTES = 256 << 20
_MAX_FILES = 2000
_ABSENT = object()


def why_ran(root: Path, stage: str) -> str:
    """One line about why DVC runs the stage now: "train.epochs: 60 → 80; data/scaled changed".

    A dependency that is too large to hash in passing is only named as one that may have changed.
    """
    without_dvc = "" if os.environ.get("DVC_STAGE") else "started without DVC"
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
    unexplained = "" if reasons or without_dvc else "forced, or an output was missing or changed"
    return "; ".join(filter(None, [without_dvc, *reasons, unexplained]))


def _changed_command(root: Path, stage: str, entry: Mapping[str, Any]) -> Iterator[str]:
    command = _look_up(_read_yaml(root / "dvc.yaml"), f"stages.{stage}.cmd")
    if command is not _ABSENT and command != entry.get("cmd"):
        yield "the command changed"


def changed_params(root: Path, stage: str) -> list[str]:
    """How params.yaml differs from what dvc.lock records of the stage; empty without a record."""
    return list(_changed_params(root, read_lock(root).get(stage) or {}))


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
    except (OSError, ValueError, TypeError, AttributeError, LookupError, YAMLError):
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
        elif dvc_md5(root / path) != old:
            yield f"{path} changed"
