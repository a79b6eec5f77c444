"""`layerline results`: the metrics of the last run and the registry's verdict."""

import dataclasses
from typing import Any, Literal

import click
from pydantic import TypeAdapter

from layerline.artifacts import Workspace, read_json, read_json_as
from layerline.cli.command import handle_errors, open_project
from layerline.cli.output import print_json, print_notes, print_table
from layerline.config import Params
from layerline.text import listing, readable

SPLITS = ("train", "valid", "test")
_METRICS = TypeAdapter(dict[Literal["train", "valid", "test"], dict[str, float | None]])
_TABLE = TypeAdapter(dict[str, dict[str, Any]])


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@handle_errors
def results(as_json: bool) -> None:
    """Print the last run's metrics, the registry's verdict, and where the model card is.

    Metrics come with the confidence interval on the test rows and, beside the network's, the value
    of each baseline. Exit code 8 when the registry no longer has the model.
    """
    from layerline.projects.outdated import outdated
    from layerline.tracking.run_list import run_list

    workspace, params = open_project()
    changes = outdated(workspace)
    facts = _read(workspace) | {"changed_params": changes}
    params = _of_project(params, facts["registration"])
    if as_json:
        print_json(facts)
    else:
        _print_metrics(params.project, facts)
        _print_verdict(workspace, facts)
    if changes:
        print_notes(
            [
                "params.yaml has changed since these results were made "
                f"({listing(changes, 3)}); `dvc repro` updates them"
            ]
        )
    _check_registry(workspace, params, facts["registration"])
    if not as_json:
        known = (facts["registration"] or {}).get("experiment_id")
        place = "http://127.0.0.1:5000" if known is None else run_list(str(known))
        click.echo(f"to see the runs: make ui   (or: layerline ui), then {place}")


def _read(workspace: Workspace) -> dict[str, Any]:
    metrics = read_json_as(workspace.reports / "metrics.json", _METRICS.validate_python)
    details = workspace.reports / "evaluation.json"
    verdict = workspace.reports / "registration.json"
    tables = read_json_as(details, _tables) if details.exists() else _tables({})
    return {
        "metrics": metrics,
        **tables,
        "registration": read_json(verdict) if verdict.exists() else None,  # it may have failed
    }


def _of_project(params: Params, verdict: dict[str, Any] | None) -> Params:
    """The params with the name under which the results were registered: today's may be another."""
    made_as = (verdict or {}).get("project")
    return dataclasses.replace(params, project=made_as) if isinstance(made_as, str) else params


def _tables(evaluation: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    names = ("intervals", "baselines")
    return {name: _TABLE.validate_python(evaluation.get(name) or {}) for name in names}


def _print_metrics(project: str, facts: dict[str, Any]) -> None:
    metrics, intervals, baselines = facts["metrics"], facts["intervals"], facts["baselines"]
    rows = []
    for name in metrics.get("test", {}):
        ends = intervals.get(name) or {}
        interval = " to ".join(readable(ends[end]) for end in ("lower", "upper") if end in ends)
        values = [metrics.get(split, {}).get(name) for split in SPLITS]
        values[3:] = [baseline.get(name) for baseline in baselines.values()]
        shown = ["" if value is None else readable(value) for value in values]
        rows.append([name, *shown[:3], *([interval] if intervals else []), *shown[3:]])
    headers = [*SPLITS, *(["interval"] if intervals else []), *baselines]
    print_table(["metric", *headers], rows, project)


def _print_verdict(workspace: Workspace, facts: dict[str, Any]) -> None:
    verdict = facts["registration"]
    if verdict is None:
        click.echo("not registered")
    else:
        is_champion = verdict["version"] == verdict["champion_version"]
        place = f"is the {verdict['alias']}" if is_champion else "was not promoted"
        click.echo(f"{verdict['model_uri']} {place}: {verdict['reason']}")
        looks = verdict.get("test_looks")
        if isinstance(looks, int) and looks > 1:
            click.echo(f"these test rows have been looked at {looks} times")
    for name in ("model_card.html", "model_card.md"):
        if (workspace.reports / name).is_file():
            click.echo(f"model card: {workspace.reports / name}")
            return


def _check_registry(workspace: Workspace, params: Params, verdict: dict[str, Any] | None) -> None:
    """Report a model that the registry lost, and a champion that has changed since.

    A server that is down is only noted.
    """
    from layerline.errors import TrackingError
    from layerline.runs.registered_model import alias_version, registry_problem
    from layerline.tracking.store_history import LostStoreError

    try:
        problem = registry_problem(workspace, params)
        champion = alias_version(workspace, params) if verdict and not problem else None
    except LostStoreError:
        raise
    except TrackingError as error:
        print_notes([f"the registry was not checked: {error}"])
        return
    if problem is not None:
        raise TrackingError(f"{problem}; register it again: `layerline register`")
    if verdict and champion != verdict["champion_version"]:
        print_notes([f"models:/{params.project}@{params.register.alias} is now version {champion}"])
