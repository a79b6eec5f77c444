"""The code of the installed package that each stage depends on, as files that DVC watches.

In a project of the user's own the package is elsewhere, at a path that differs from machine to
machine. So the stage `code` writes a hash for each stage, of the rooms that Layerline's own
dvc.yaml names, and an upgrade runs the stages again whose rooms changed, and no others.
"""

import hashlib
from importlib.resources import files
from pathlib import Path

from layerline.artifacts import write_text
from layerline.config import parse_yaml

STAGE = FOLDER = "code"
PREFIX = "src/layerline/"


def rooms_of_stages() -> dict[str, list[str]]:
    """Stage -> rooms of the package, as Layerline's own dvc.yaml has them."""
    stages = parse_yaml(template_text("stages.yaml"), Path("dvc.yaml"))["stages"]
    return {
        name: [dep.removeprefix(PREFIX) for dep in stage["deps"] if dep.startswith(PREFIX)]
        for name, stage in stages.items()
    }


def template_text(name: str) -> str:
    """A file of a new project; dvc.yaml is stages.yaml there: DVC would find a second pipeline."""
    return (files("layerline.projects") / "template" / name).read_text(encoding="utf-8")


def write_code_hashes(root: Path) -> bool:
    """Write code/STAGE.txt for each stage, where it is not right already; whether any was not."""
    package = Path(str(files("layerline")))
    known: dict[str, str] = {}
    is_new = False
    for stage, rooms in rooms_of_stages().items():
        lines = []
        for room in rooms:
            known[room] = known.get(room) or _hash(package / room)
            lines.append(f"{known[room]}  {room}\n")
        path, text = root / FOLDER / f"{stage}.txt", "".join(lines)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            is_new = True
            write_text(path, text)
    return is_new


def _hash(place: Path) -> str:
    """The sha256 over the source files of a room, names included."""
    found = hashlib.sha256()
    for path in [place] if place.is_file() else sorted(place.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            found.update(f"{path.relative_to(place.parent).as_posix()}\0".encode())
            found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()
