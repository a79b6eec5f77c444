"""Whether a fork may do a stage's work: the code it was imported from, and what its script does."""

import ast
import sys
from pathlib import Path
from typing import Any

import layerline

_INSTALLED = (".py", ".so", ".pth", ".dist-info")  # suffixes of modules and packages
_DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)


def code_state() -> dict[str, Any]:
    """When this package's files and the modules on the import path were changed, and what is there.

    A folder on the path may be the project's own, where data and locks come and go.
    """
    files = [*Path(layerline.__file__).parent.rglob("*.py")]
    for folder in filter(Path.is_dir, map(Path, sys.path)):
        files += [path for path in folder.iterdir() if path.suffix in _INSTALLED]
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in files}


def why_not_twice(script: Path, folder: Path) -> str | None:
    """What speaks against running a script's first lines both in the client and in the fork."""
    *top, last = ast.parse(script.read_bytes()).body
    is_plain = all(isinstance(node, _DEFINITIONS) or not _calls(node) for node in top)
    is_main = isinstance(last, ast.If) and not _calls(last.test)
    does_first = last.body[0] if isinstance(last, ast.If) else last
    if not (is_plain and is_main and _calls(does_first)[-1:] == ["run_stage"]):
        return f"{script} does more than to define and run its stage"
    hidden = {path.stem for path in folder.iterdir()} & set(sys.modules)
    return f"{folder} has modules of the names {sorted(hidden)}" if hidden else None


def _calls(tree: ast.AST) -> list[str]:
    """The names that are called, from the outermost call inwards."""
    found = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [node.id if isinstance(node, ast.Name) else "" for node in found]
