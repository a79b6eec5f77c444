"""dvc.lock and DVC's cache, read without DVC: importing it takes a second."""

import configparser
import contextlib
import hashlib
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from layerline.artifacts import STAGES

LOCK = "dvc.lock"
# What ruamel raises of damaged texts, besides its own errors.
_UNREADABLE = (OSError, ValueError, TypeError, AttributeError, LookupError, YAMLError)


def dvc_md5(path: Path) -> str:
    """DVC's md5 of a file, or of a folder: of the JSON list of its files and their md5."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "md5").hexdigest()
    files = sorted(
        (file.relative_to(path).as_posix(), file)
        for file in path.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".pyc"
    )
    listing = [{"md5": dvc_md5(file), "relpath": name} for name, file in files]
    text = json.dumps(listing, sort_keys=True)
    return f"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}.dir"


def read_lock(root: Path) -> Mapping[str, Any]:
    """The stages of dvc.lock; empty when there is none, or it cannot be read."""
    path = root / LOCK
    try:
        stages = _parse_lock(path.read_text(encoding="utf-8"))
    except _UNREADABLE:
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
    entries = stages.items() if isinstance(stages, Mapping) else ()
    return {name: entry for name, entry in entries if _is_whole(entry)}


def _is_whole(entry: Any) -> bool:
    """Whether a stage's entry is as DVC writes it: of a torn or edited file it may be anything."""
    if not isinstance(entry, Mapping):
        return False
    params = entry.get("params", {})
    files = [entry.get(part, []) for part in ("deps", "outs")]
    return (
        isinstance(params, Mapping)
        and all(isinstance(values, Mapping) for values in params.values())
        and all(isinstance(part, list) for part in files)
        and all(_is_file(file) for part in files for file in part)
    )


def _is_file(file: Any) -> bool:
    return (
        isinstance(file, Mapping)
        and isinstance(file.get("path"), str)
        and isinstance(file.get("md5"), str | None)
        and all(isinstance(file.get(name, 0), int) for name in ("size", "nfiles"))
    )


def cache_of(root: Path) -> Path:
    """DVC's cache: in the checkout, unless configured otherwise."""
    settings = configparser.ConfigParser(interpolation=None, strict=False)
    with contextlib.suppress(configparser.Error):
        settings.read([root / ".dvc" / "config", root / ".dvc" / "config.local"])
    return root / ".dvc" / settings.get("cache", "dir", fallback="cache")


def cached_file(root: Path, md5: str) -> Path:
    """Where the cache keeps the file of a hash."""
    return cache_of(root) / "files" / "md5" / md5[:2] / md5[2:]


def cached_folder(root: Path, md5: str) -> Mapping[str, str] | None:
    """Relative path -> md5 of a `.dir` hash; None when its listing is not in the cache."""
    try:
        entries = json.loads(cached_file(root, md5).read_text(encoding="utf-8"))
        return {str(entry["relpath"]): str(entry["md5"]) for entry in entries}
    except (OSError, ValueError, KeyError, TypeError):
        return None
