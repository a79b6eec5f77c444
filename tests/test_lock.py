"""requirements.in and .lock: exact versions with their hashes, and all that the project needs."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[a-z0-9,_-]+\])?==[A-Za-z0-9.!]+")


def pins() -> dict[str, str]:
    text = (ROOT / "requirements.in").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    for line in lines:
        assert PIN.fullmatch(line), line
    names = [canonical(line.partition("==")[0]) for line in lines]
    assert len(set(names)) == len(names)
    return dict(zip(names, (line.partition("==")[2] for line in lines), strict=True))


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()


def test_every_line_is_one_exact_version() -> None:
    assert len(pins()) > 100


def test_all_that_pyproject_asks_for_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    assert {canonical(name) for name in wanted} <= pins().keys()


def test_the_lock_holds_the_same_versions_each_with_hashes() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    entries = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    locked = {
        canonical(name): version for name, _, version in (e[0].partition("==") for e in entries)
    }
    assert locked == pins()
    for name, *hashes in entries:
        assert hashes, name
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", part) for part in hashes), name
