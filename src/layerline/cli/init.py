"""`layerline init` and `watch`: a project for your own data."""

import re
import shlex
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from layerline.artifacts import Workspace, find_workspace, write_text
from layerline.cli.command import handle_errors, open_project
from layerline.columns.written import DATE_FORMS
from layerline.config import FetchSection, load_params, parse_params
from layerline.errors import ParamsError, Problem

if TYPE_CHECKING:
    from layerline.projects.init import Start, Wishes
    from layerline.projects.params_text import Effort


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--target",
    "targets",
    metavar="COLUMN",
    multiple=True,
    help="The column to predict; of pictures the label's name. Repeatable: several targets.",
)
@click.option("--project", help="Name of the experiment and the model; default: the file's name.")
@click.option(
    "--decimal",
    type=click.Choice([".", ","]),
    help="The decimal mark, where numbers such as 1,234 can be read in two ways.",
)
@click.option(
    "--dates",
    metavar="[COLUMN=]FORM",
    multiple=True,
    help="How dates are written: day_first, month_first, year_first, short_year_first, month; with "
    "COLUMN= also unix_seconds, unix_milliseconds or spreadsheet_days. Repeatable.",
)
@click.option("--encoding", help="Of a CSV or JSON file; default: found, and reported if guessed.")
@click.option("--separator", help="Of a CSV file; default: found.")
@click.option("--union", is_flag=True, help="Files may lack columns of others: missing there.")
@click.option("--missing", metavar="WORD", multiple=True, help="A missing value; repeatable.")
@click.option("--text", metavar="COLUMN", multiple=True, help="Keep as text; repeatable.")
@click.option("--size", metavar="HEIGHTxWIDTH", help="Of pictures; default: theirs, at most 64.")
@click.option(
    "--fast",
    "effort",
    flag_value="fast",
    help="A single network: less good, in an eighth of the time.",
)
@click.option(
    "--best",
    "effort",
    flag_value="best",
    help="Sixteen networks on eight folds: better on small tables, in several times the time.",
)
@click.option(
    "--distil",
    "effort",
    flag_value="distil",
    help="One network that learns what several answer, where it is nearly as good: fast to serve.",
)
@click.option("--force", is_flag=True, help="Infer the schema again and replace the existing one.")
@handle_errors
def init(
    file: Path,
    targets: tuple[str, ...],
    project: str | None,
    size: str | None,
    effort: "Effort | None",
    force: bool,
    **reading: Any,
) -> None:
    """Write params.yaml and a first schema for your own data.

    FILE is a table (CSV, Excel, Parquet, JSON), or a folder of pictures with one folder a class.
    In a folder without a project it makes one first, as `layerline new .` does.
    """
    from layerline.projects.editor_files import write_editor_files
    from layerline.projects.init import Wishes
    from layerline.projects.watched_files import require_outside
    from layerline.validation.schema.schema_file import write_schema

    workspace = find_workspace()
    name = project or _project_name(file)
    given = _source_options(**reading)
    wishes = Wishes(effort, size=_read_size(size))
    start = _start(file, targets, name, workspace.root, given, wishes)
    schema_path = workspace.root / "data" / "schemas" / f"{name}.yaml"
    refuse_to_overwrite(schema_path, force)
    require_outside(workspace.root, _fetch_section(start.params))
    _start_project(workspace.root)
    kept = _keep_earlier_params(workspace, start.params_text)
    write_schema(schema_path, start.schema)
    write_text(workspace.params, start.params_text)
    write_editor_files(workspace.root)
    for note in start.notes:
        click.echo(f"note: {note}")
    click.echo(f"wrote params.yaml and {schema_path.relative_to(workspace.root)}{kept}")
    if (workspace.root / "dvc.yaml").is_file():
        _watch(workspace)
    click.echo("next: read both files, then run `dvc repro`")


def _watch(workspace: Workspace) -> None:
    """Have DVC watch the source's files; say which of them others lack."""
    from layerline.projects.watched_files import outside, untracked, watch

    params = load_params(workspace.params)
    click.echo(f"dvc.yaml: fetch now watches {', '.join(watch(workspace.root, params))}")
    lack = "colleagues, and experiments with --queue or --temp, lack it"
    for path in untracked(workspace.root, params.fetch):
        place = f"{path} is in neither git nor DVC"
        click.echo(f"note: {place}: {lack} until `dvc add {shlex.quote(path)}`")
    for path in outside(workspace.root, params.fetch):
        remedy = (
            f"to have a copy here that they get: `dvc import-url {shlex.quote(path)}`, then init"
        )
        click.echo(f"note: {path} is outside the project: {lack}; {remedy}")


def _start_project(root: Path) -> None:
    """Make the folder a project, unless it is one, or a part of one."""
    from layerline.projects.clone_merges import is_clone, settle_merges
    from layerline.projects.new import new_project

    if is_clone(root) and settle_merges(root):
        click.echo(
            "note: this is a clone of Layerline: commit params.yaml and dvc.yaml, and `git pull` "
            "keeps yours; in a folder of your own, `layerline init` makes a project"
        )
    if (root / "params.yaml").exists() or (root / "dvc.yaml").exists():
        if not (root / "dvc.yaml").is_file():
            click.echo("note: there is no dvc.yaml here; run this in the root of a project")
        return
    if root.resolve() == Path.home():
        message = "this is your home folder; run it in one of the project's own"
        raise ParamsError([Problem("folder", message)], "layerline init")
    new_project(root, click.echo, has_example=False)
    click.echo(f"{root.resolve()} is a project now")


def _start(
    file: Path,
    targets: tuple[str, ...],
    name: str,
    root: Path,
    given: dict[str, Any],
    wishes: "Wishes",
) -> "Start":
    """The start of a project from a table, or from a folder of pictures."""
    from layerline.projects.init import start_project
    from layerline.projects.init_images import TARGET, is_image_folder, start_images

    if is_image_folder(file):
        odd = [f"--{option}" for option in given]
        odd += [f"--{wishes.effort}"] if wishes.effort else []
        odd += ["a second --target"] if len(targets) > 1 else []
        if odd:
            _refuse(odd[0], "is for tables, and this is a folder of pictures; remove it")
        return start_images(file, (targets or (TARGET,))[0], name, root=root, size=wishes.size)
    if wishes.size is not None:
        _refuse("--size", f"is for folders of pictures, and {file} is none; remove it")
    if not targets:
        _refuse("--target", "is missing: name the column to predict")
    return start_project(file, targets, name, root=root, given=given, wishes=wishes)


def _refuse(option: str, message: str) -> NoReturn:
    raise ParamsError([Problem(option, message)], "layerline init")


def _read_size(text: str | None) -> tuple[int, int] | None:
    """28x28, or 28 for both."""
    if text is None:
        return None
    sides = re.fullmatch(r"(\d{1,4})(?:[x×,](\d{1,4}))?", text.strip())
    if sides is None or not all(int(side or 1) for side in sides.groups()):
        _refuse("--size", f"{text!r} is no size; write HEIGHTxWIDTH in pixels, such as 32x48")
    return int(sides[1]), int(sides[2] or sides[1])


def _source_options(
    dates: tuple[str, ...], missing: tuple[str, ...], text: tuple[str, ...], **others: Any
) -> dict[str, Any]:
    """The options given, as `fetch.options` has them."""
    forms = dict(one.rpartition("=")[::2] for one in dates)
    unknown = [form for form in forms.values() if form not in DATE_FORMS]
    if unknown:
        _refuse("--dates", f"{unknown[0]!r} is unknown; choose one of: {', '.join(DATE_FORMS)}")
    options: dict[str, Any] = {**others, "missing": list(missing), "text": list(text)}
    options["dates"] = forms.get("") or {name: form for name, form in forms.items() if name}
    return {name: value for name, value in options.items() if value}


def _fetch_section(raw: dict[str, Any]) -> FetchSection:
    params, problems = parse_params(raw)
    if params is None:
        raise ParamsError(problems)
    return params.fetch


def _project_name(file: Path) -> str:
    """The file's name in the letters that a project may have; `table` where none is left."""
    stem = unicodedata.normalize("NFKD", file.name.split(".")[0])
    letters = (letter for letter in stem if not unicodedata.combining(letter))
    name = "".join(one if one.isalnum() and one.isascii() else "-" for one in letters)
    return re.sub("-+", "-", name).strip("-")[:64] or "table"


def refuse_to_overwrite(schema_path: Path, force: bool) -> None:
    """Refuse to replace a schema that somebody may have edited.

    Raises:
        ParamsError: it exists, and `force` is not given.
    """
    if schema_path.exists() and not force:
        message = (
            "this schema exists already; edit it (see `layerline schema --diff` and --update), "
            "choose another --project, or add --force"
        )
        raise ParamsError([Problem(schema_path.name, message)], "data/schemas")


def _keep_earlier_params(workspace: Workspace, text: str) -> str:
    """Rename a params.yaml with another content; return a note of its new name."""
    if not workspace.params.exists() or workspace.params.read_text(encoding="utf-8") == text:
        return ""
    number, kept = 1, workspace.root / "params.earlier.yaml"
    while kept.exists():
        number += 1
        kept = workspace.root / f"params.earlier-{number}.yaml"
    workspace.params.rename(kept)
    return f"; the earlier params are in {kept.name}"


@click.command()
@handle_errors
def watch() -> None:
    """Make DVC watch the files named in params.yaml: the source's, and those of your own code."""
    from layerline.projects.watched_files import watch as write_deps

    workspace, params = open_project()
    paths = write_deps(workspace.root, params)
    click.echo(f"dvc.yaml: watches {', '.join(paths) or 'no files'}")
