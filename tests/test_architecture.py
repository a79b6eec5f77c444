"""Imports, sizes, names and maps of the code, and dvc.yaml, are as designed."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from layerline.artifacts import STAGES, Workspace

ROOT = Path(__file__).resolve().parents[1]
# These say how a stage runs and is told of; they do not change what it writes. What config/
# reads from params.yaml is declared as params.
NO_RESULT = {
    "layerline",
    *(f"layerline.{name}" for name in ("stage", "cli", "config", "errors", "lookup", "process")),
    *("layerline.wrong_values", "layerline.value_forms"),
}
NO_RESULT_PACKAGES = ("layerline.projects", "layerline.tracking", "layerline.stage")


def dvc_stages() -> dict[str, Any]:
    stages: dict[str, Any] = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]
    return stages


def file_of(module: str) -> Path | None:
    path = ROOT / "src" / Path(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def imported(file: Path) -> frozenset[str]:
    """Every module of ours that a file imports, at its top or inside a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(name for name in found if name.startswith("layerline") and file_of(name))


def needed(script: Path) -> set[str]:
    """The files, relative to the root, whose code a stage's result depends on."""
    seen: set[str] = set()
    waiting = set(imported(script))
    while waiting:
        module = waiting.pop()
        if module in seen or module in NO_RESULT or module.startswith(NO_RESULT_PACKAGES):
            continue
        seen.add(module)
        file = file_of(module)
        assert file is not None
        waiting |= imported(file)
        if "." in module:
            waiting.add(module.rpartition(".")[0])
    return {str(file_of(module).relative_to(ROOT)) for module in seen}  # type: ignore[union-attr]


def test_the_stages_are_the_six_in_order() -> None:
    assert tuple(dvc_stages()) == STAGES
    for name, stage in dvc_stages().items():
        assert stage["cmd"] == f"python pipeline/{name}.py"
        assert f"runs/{name}.json" in stage["outs"]


@pytest.mark.parametrize("name", STAGES)
def test_deps_hold_all_code_a_result_depends_on(name: str) -> None:
    deps = dvc_stages()[name]["deps"]
    missing = sorted(
        file
        for file in needed(ROOT / "pipeline" / f"{name}.py") | {f"pipeline/{name}.py"}
        if not any(file == dep or file.startswith(f"{dep}/") for dep in deps)
    )
    assert not missing


@pytest.mark.parametrize("name", STAGES)
def test_deps_exist_or_are_made_by_an_earlier_stage(name: str) -> None:
    made = {"data/raw"}
    for stage in list(dvc_stages().values())[: STAGES.index(name)]:
        for out in (*stage["outs"], *stage.get("metrics", [])):
            made.add(out if isinstance(out, str) else next(iter(out)))
    for dep in dvc_stages()[name]["deps"]:
        assert dep in made or (ROOT / dep).exists(), dep


def test_outs_lie_where_artifacts_says() -> None:
    workspace = Workspace(Path())
    outs = {
        "fetch": [workspace.raw],
        "validate": [workspace.validated, workspace.reports / "profile.json"],
        "scale": [workspace.scaled, workspace.preprocessor],
        "train": [workspace.network, workspace.reports / "history.csv"],
        "evaluate": [
            workspace.decision,
            workspace.plots,
            workspace.predictions,
            workspace.reports / "model_card.md",
        ],
        "register": [workspace.reports / "registration.json"],
    }
    for name, paths in outs.items():
        for path in [*paths, workspace.run_file(name)]:
            assert path.as_posix() in dvc_stages()[name]["outs"]


def test_no_run_file_is_a_dependency() -> None:
    assert not [d for stage in dvc_stages().values() for d in stage["deps"] if d.startswith("runs")]


@pytest.mark.parametrize("name", STAGES)
def test_a_script_is_short_and_documents_what_it_reads_and_writes(name: str) -> None:
    text = (ROOT / "pipeline" / f"{name}.py").read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(text)) or ""
    assert "Reads:" in docstring
    assert "Writes:" in docstring
    assert len(text.splitlines()) <= 40


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("layerline.config", {"torch", "pandas", "sklearn", "mlflow"}),
        ("layerline.artifacts", {"torch", "pandas", "sklearn", "mlflow"}),
        ("layerline.stage", {"torch", "pandas", "sklearn", "mlflow"}),
        ("layerline.cli", {"torch", "pandas", "sklearn", "mlflow"}),
        ("layerline.validation.validate", {"torch", "sklearn", "mlflow"}),
        ("layerline.scaling.preprocessing.preprocessor", {"torch", "sklearn", "mlflow"}),
        ("layerline.training.train", {"pandas", "sklearn", "mlflow"}),
        ("layerline.retraining.retrain", {"torch", "sklearn", "mlflow"}),
        ("layerline.registry.contest", {"torch", "sklearn", "dvc", "mlflow"}),
        ("layerline.model.predictor", {"sklearn", "dvc", "mlflow"}),
    ],
)
def test_what_should_start_fast_imports_nothing_heavy(module: str, forbidden: set[str]) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not forbidden & set(done.stdout.split())


MODULES = sorted((ROOT / "src" / "layerline").rglob("*.py"))


# Modules of one name, and why; those of cli/ are named after their command.
SAME_NAME = {
    "model": "registry/model.py is the import path of old versions",
    "text": "text in messages, and the column kind",
    "torchvision": "the option's name: a network, an origin and a source",
}


def short(path: Path) -> str:
    return path.relative_to(ROOT / "src" / "layerline").as_posix()


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def n_arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return sum(argument.arg not in ("self", "cls") for argument in named)


def test_files_and_functions_are_short() -> None:
    long_files = [
        short(path) for path in MODULES if len(path.read_text(encoding="utf-8").splitlines()) > 250
    ]
    assert not long_files
    long_functions = [
        f"{short(path)}: {function.name}"
        for path in MODULES
        for function in functions(path)
        if (function.end_lineno or 0) - function.lineno >= 50
    ]
    assert not long_functions


def test_few_functions_have_more_than_six_arguments() -> None:
    many = [
        f"{short(path)}: {function.name}"
        for path in MODULES
        for function in functions(path)
        if n_arguments(function) > 6
    ]
    assert len(many) <= 12, many  # constructors, layerline.fit, and one command


@pytest.mark.parametrize("room", [p.parent for p in MODULES if p.name == "__init__.py"], ids=short)
def test_the_docstring_of_a_room_lists_its_files(room: Path) -> None:
    text = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
    listed = set(re.findall(r"[\w/.]+", text))
    parts = {
        part
        for part in room.iterdir()
        if (part.suffix == ".py" and part.name != "__init__.py")
        or (part.is_dir() and part.name != "__pycache__")
    }
    missing = [p.name for p in parts if not {p.name, p.stem, f"{p.name}/"} & listed]
    assert not sorted(missing)


def test_no_two_modules_have_one_name() -> None:
    places: dict[str, list[str]] = {}
    for path in MODULES:
        if path.parent.name != "cli":
            part = path.parent if path.name == "__init__.py" else path
            places.setdefault(part.stem, []).append(short(part))
    same = {name: found for name, found in places.items() if len(found) > 1}
    assert set(same) <= set(SAME_NAME), same
    assert set(SAME_NAME) <= set(same)


# Calls that fail when what they are called with is wrong.
CHECKERS = ("raises", "warns", "fail", "call_and_validate")


def asserts(function: ast.FunctionDef | ast.AsyncFunctionDef, checkers: set[str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in checkers or name.startswith("assert_"):
                return True
    return False


def test_every_test_asserts_something() -> None:
    found = [(p, function) for p in (ROOT / "tests").rglob("*.py") for function in functions(p)]
    checkers, known = set(CHECKERS), 0
    while len(checkers) > known:  # helpers that call helpers
        known = len(checkers)
        helpers = (function for _, function in found if not function.name.startswith("test_"))
        checkers |= {function.name for function in helpers if asserts(function, checkers)}
    missing = [
        f"{path.relative_to(ROOT)}: {function.name}"
        for path, function in found
        if function.name.startswith("test_") and not asserts(function, checkers)
    ]
    assert not sorted(missing)


def test_a_lock_that_was_acquired_is_not_entered_as_well() -> None:
    """`with lock:` after `lock.acquire()` holds it twice, until the garbage collector comes by."""
    twice = []
    for path in MODULES:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        acquired = {line.partition(".acquire(")[0] for line in lines if ".acquire(" in line}
        entered = {line.removeprefix("with ").rstrip(":").split(",")[0] for line in lines}
        twice += [f"{short(path)}: {name}" for name in acquired & entered if "self" not in name]
    assert not twice
