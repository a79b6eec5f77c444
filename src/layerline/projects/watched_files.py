"""The user's own files as dependencies of the stages, so that DVC watches them.

DVC runs a stage again when a dependency in dvc.yaml changes, and its list there is fixed text. So
`layerline init` (and `layerline watch`, after params.yaml was edited) writes the source's files
into fetch's, and files of the user's own code into those of the stages that run it. A stage prints
a note if one is missing there.
"""

import io
import os
import subprocess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from layerline.artifacts import STAGES, write_text
from layerline.config import FetchSection, Params
from layerline.errors import ParamsError, Problem
from layerline.own_code import files_of_stage, unwatched_files
from layerline.projects.code_hashes import FOLDER
from layerline.sources import Source, find_source
from layerline.sources.reading.archives import split_archive

OUTPUT_FOLDERS = ("data/raw", "data/validated", "data/scaled", "models", "reports", "runs")
OWN = ("pipeline/", "src/")  # dependencies that belong to the project itself
_CODE = ".py"


def source_paths(section: FetchSection) -> list[str]:
    """The local files, folders and archives the source reads, as params.yaml names them."""
    return [_outermost(path) for path in _line(section).local_paths(section.options)]


def _line(section: FetchSection) -> Source:
    return find_source(section.source)


def _outermost(path: str) -> str:
    """The archive that a path goes through, else the path."""
    archive = split_archive(Path(path).expanduser())
    return path if archive is None else str(archive[0])


def require_outside(root: Path, section: FetchSection) -> None:
    """Refuse a source inside a folder that the stages replace.

    Raises:
        ParamsError: the user's only copy would be deleted.
    """
    for path in _as_deps(section):
        place = (root / path).resolve()
        for made in OUTPUT_FOLDERS:
            if place.is_relative_to((root / made).resolve()):
                message = f"{path} is in {made}/, which the stages replace; move it elsewhere"
                raise ParamsError([Problem("fetch.options.path", message)])


def unwatched(dvc_file: Path, section: FetchSection) -> list[str]:
    """The source's paths that are not dependencies of the fetch stage."""
    if not dvc_file.is_file():
        return []
    deps = _load(dvc_file)["stages"]["fetch"].get("deps", [])
    return [path for path in _as_deps(section) if _escaped(path) not in deps]


def _escaped(path: str) -> str:
    """The path as dvc.yaml has it, where `${x}` stands for a variable."""
    return path.replace("${", "\\${")


def must_fetch(root: Path, params: Params) -> bool:
    """Whether the source may have changed without DVC noticing.

    URLs, databases, patterns in the root, and local files that dvc.yaml does not name.
    """
    section = params.fetch
    line = _line(section)
    if line.is_versioned:
        return False
    paths = source_paths(section)
    return (
        line.reads_elsewhere(section.options)
        or len(_as_deps(section)) < len(paths)
        or bool(unwatched(root / "dvc.yaml", section))
        or bool(unwatched_files(root, params, "fetch"))
    )


def missing_files(root: Path, section: FetchSection) -> list[str]:
    """The source's files and folders that do not exist and that DVC would not restore."""
    return [
        path
        for path in _as_deps(section)
        if not (root / path).exists() and not _is_dvc_output(root, path)
    ]


def _is_dvc_output(root: Path, path: str) -> bool:
    """Whether `dvc add` tracks the path or a folder above it: then `dvc repro` restores it."""
    places = (Path(path), *Path(path).parents)
    return any((root / f"{place}.dvc").is_file() for place in places if place.name)


def untracked(root: Path, section: FetchSection) -> list[str]:
    """The source's paths in the repository that neither git nor DVC carries to another copy."""
    paths = [path for path in _as_deps(section) if _is_inside(root, path)]
    return [path for path in paths if not _is_dvc_output(root, path) and not _in_git(root, path)]


def outside(root: Path, section: FetchSection) -> list[str]:
    """The source's paths outside the project that git does not carry to another copy either."""
    paths = [path for path in _as_deps(section) if not _is_inside(root, path)]
    return [path for path in paths if not _in_git(root, path, unknown=False)]


def _is_inside(root: Path, path: str) -> bool:
    place = Path(os.path.abspath(root / path))  # noqa: PTH100 - Path.resolve follows links
    return place.is_relative_to(os.path.abspath(root))  # noqa: PTH100


def _in_git(root: Path, path: str, unknown: bool = True) -> bool:
    """Whether git tracks it; `unknown` where it is in no repository of ours, or there is no git."""
    command = ["git", "-C", str(root), "ls-files", "--", f":(literal){path}"]
    try:
        found = subprocess.run(command, capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return unknown
    return unknown if found.returncode else bool(found.stdout)


def watch(root: Path, params: Params) -> list[str]:
    """Make the source's paths and the user's own code, and no earlier ones, dependencies.

    Return them: first those of fetch.
    """
    dvc_file = root / "dvc.yaml"
    content, watched = _load(dvc_file), list[str]()
    for stage in STAGES:
        if stage not in content["stages"]:
            continue
        code, deps = files_of_stage(root, params, stage), content["stages"][stage]["deps"]
        paths = [*(_as_deps(params.fetch) if stage == "fetch" else ()), *code]
        fixed = (*OWN, f"{FOLDER}/{stage}.txt")  # a project of `layerline new` has the latter
        kept = [dep for dep in deps if dep.startswith(fixed)]
        if stage != "fetch":
            kept += [dep for dep in deps if not dep.endswith(_CODE)]
        _set_deps(deps, [_escaped(path) for path in paths], kept)
        watched += paths
    stream = io.StringIO()
    _yaml().dump(content, stream)
    write_text(dvc_file, stream.getvalue())
    return list(dict.fromkeys(watched))


def _set_deps(deps: list[str], paths: list[str], kept: list[str]) -> None:
    """Have these paths beside those that are kept, and no others."""
    for old in [dep for dep in deps if dep not in (*kept, *paths)]:
        deps.remove(old)
    deps.extend(path for path in paths if path not in deps)


def _as_deps(section: FetchSection) -> list[str]:
    found = (_watchable(Path(path).expanduser()) for path in source_paths(section))
    return [path.as_posix() for path in found if path is not None]


def _watchable(path: Path) -> Path | None:
    """The path; for a pattern, which DVC cannot hash, the folder above it, but never the root."""
    if path.exists():  # a file may have brackets in its name
        return path
    parts = path.parts
    n_plain = next((i for i, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
    folder = Path(*parts[:n_plain])
    return None if folder in (Path(), Path(path.anchor)) else folder


def _yaml() -> YAML:
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 1 << 20
    return yaml


def _load(dvc_file: Path) -> Any:
    return _yaml().load(dvc_file.read_text(encoding="utf-8"))
