"""`layerline schema`: the frozen schema inferred, shown, compared with the data, updated."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from layerline.cli.command import handle_errors, open_project
from layerline.cli.init import refuse_to_overwrite
from layerline.cli.output import print_json, print_table
from layerline.errors import ParamsError, Problem

if TYPE_CHECKING:
    from layerline.artifacts import Workspace
    from layerline.columns.spec import ColumnSpec
    from layerline.validation.schema.definitions import TableSchema
    from layerline.validation.schema.freeze import Change


@click.command()
@click.option("--force", is_flag=True, help="Infer it again and replace the existing schema.")
@click.option("--show", is_flag=True, help="Print the frozen schema.")
@click.option("--diff", is_flag=True, help="Show where data/raw deviates from the frozen schema.")
@click.option(
    "--update", is_flag=True, help="Write the changes of --diff that you accept into the file."
)
@click.option("--only", multiple=True, metavar="COLUMN", help="With --update: only these columns.")
@click.option("--yes", is_flag=True, help="With --update: accept all without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print --show or --diff as JSON.")
@handle_errors
def schema(only: tuple[str, ...], yes: bool, as_json: bool, **mode: bool) -> None:
    """Infer the schema of data/raw and freeze it where params.yaml specifies; show or update it."""
    chosen = [name for name, given in mode.items() if given]
    if len(chosen) > 1:
        raise click.UsageError("--force, --show, --diff and --update exclude each other")
    workspace, params = open_project()
    if chosen == ["show"]:
        _show(workspace.root / params.schema_path, as_json)
    elif chosen == ["diff"]:
        _print_changes(_changes(workspace, params.schema_path), as_json)
    elif chosen == ["update"]:
        _update(workspace, params.schema_path, only, yes)
    else:
        _infer(workspace, params.schema_path, force=chosen == ["force"])


def _infer(workspace: "Workspace", schema_path: Path, force: bool) -> None:
    from layerline.projects.outdated import require_current
    from layerline.validation.schema.advice import advice
    from layerline.validation.schema.freeze import infer_from_raw
    from layerline.validation.schema.schema_file import write_schema

    path = workspace.root / schema_path
    refuse_to_overwrite(path, force)
    require_current(workspace, "fetch")
    found, columns = infer_from_raw(workspace)
    for note in advice(columns, found):
        click.echo(f"note: {note}")
    write_schema(path, found)
    click.echo(f"wrote {schema_path}: read it, edit it, commit it")


def _show(path: Path, as_json: bool) -> None:
    from layerline.validation.schema.schema_file import read_schema

    frozen = read_schema(path)
    if as_json:
        print_json(_as_json(frozen))
        return
    rows = [
        [
            spec.name,
            spec.kind,
            spec.dtype,
            "yes" if spec.nullable else "",
            _use(spec, frozen),
            _values(spec),
        ]
        for spec in frozen.columns
    ]
    headers = ("column", "kind", "dtype", "nullable", "use", "values")
    print_table(headers, rows, f"{path.name}: {frozen.task}, target {frozen.target}")
    for text in (
        *(f"unique: {', '.join(group)}" for group in frozen.unique),
        *(f"check: {check.text} ({check.severity})" for check in frozen.checks),
        *(f"rule: {name} {setting.severity}" for name, setting in frozen.rules.items()),
    ):
        click.echo(text)


def _as_json(frozen: "TableSchema") -> dict[str, object]:
    return {
        "target": frozen.target,
        "task": frozen.task,
        "image_shape": frozen.image_shape,
        "columns": [spec.to_dict() for spec in frozen.columns],
        "unique": frozen.unique,
        "checks": [check.__dict__ for check in frozen.checks],
        "rules": {name: setting._asdict() for name, setting in frozen.rules.items()},
    }


def _use(spec: "ColumnSpec", frozen: "TableSchema") -> str:
    if spec.name in frozen.targets:
        return "target"
    return "yes" if spec.use else "no"


def _values(spec: "ColumnSpec") -> str:
    from layerline.text import exact, listing

    if spec.levels is not None:
        return listing([repr(level) for level in spec.levels], 6)
    if spec.minimum is None and spec.maximum is None:
        return "" if spec.pattern is None else f"like {spec.pattern}"
    low, high = ("any" if v is None else exact(v) for v in (spec.minimum, spec.maximum))
    return f"{low} to {high}"


def _changes(workspace: "Workspace", schema_path: Path) -> "list[Change]":
    from layerline.projects.outdated import require_current
    from layerline.validation.schema.freeze import compare, infer_from_raw
    from layerline.validation.schema.schema_file import read_schema

    require_current(workspace, "fetch")
    frozen = read_schema(workspace.root / schema_path)
    found, columns = infer_from_raw(workspace)
    return compare(frozen, found, columns)


def _print_changes(changes: "Sequence[Change]", as_json: bool = False) -> None:
    if as_json:
        print_json([change.to_dict() for change in changes])
    elif not changes:
        click.echo("data/raw matches the frozen schema")
    else:
        rows = [[c.column, c.what, c.frozen, c.found] for c in changes]
        print_table(("column", "what", "frozen", "data/raw"), rows)


def _update(workspace: "Workspace", schema_path: Path, only: Sequence[str], yes: bool) -> None:
    from layerline.validation.schema.freeze import merge

    changes = [change for change in _changes(workspace, schema_path) if change.keys is not None]
    unknown = sorted(set(only) - {change.column for change in changes})
    if unknown:
        message = f"nothing to update for {', '.join(unknown)}; see `layerline schema --diff`"
        raise ParamsError([Problem("--only", message)], schema_path.as_posix())
    chosen = [change for change in changes if not only or change.column in only]
    if not chosen:
        click.echo("data/raw matches the frozen schema: nothing to update")
        return
    accepted = chosen if yes else [change for change in chosen if _accepts(change)]
    if not accepted:
        click.echo(f"{schema_path} is unchanged")
        return
    merge(workspace.root / schema_path, accepted)
    _print_changes(accepted)
    click.echo(f"wrote {schema_path}: check it with `git diff`, then commit it")


def _accepts(change: "Change") -> bool:
    frozen, found = change.frozen or "nothing", change.found or "gone"
    return click.confirm(f"{change.column}: {change.what}, {frozen} -> {found}; accept?")
