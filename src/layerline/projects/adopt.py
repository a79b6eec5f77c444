"""The params of a run, put into params.yaml: its comments and order stay."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerline.artifacts import Workspace
from layerline.artifacts.temporary import temporary_folder
from layerline.config import flatten, read_yaml
from layerline.projects.param_paths import remove_paths, write_values
from layerline.projects.preflight import check_params
from layerline.runs.open_store import RequestError

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from layerline.runs.run import Run

# What decides a model, its data apart: those stay the project's own.
ADOPTED = ("seed", "threads", "scale", "train", "evaluate")
MARK = "register.adopted"
_MISSING = object()


def adopt(workspace: Workspace, client: "MlflowClient", run: "Run") -> dict[str, tuple[Any, Any]]:
    """Write what a run's params.yaml had into this project's, and which run it was.

    Without the latter DVC would have nothing to run where the experiment is in its cache: its
    verdict, that experiments are not promoted, would be restored.

    Args:
        workspace: the project.
        client: the store that has the run.
        run: a training.

    Returns:
        Dotted path -> (the value before, the value now); None for none.

    Raises:
        RequestError: the run has no params.yaml.
        ParamsError: its params are not valid today; params.yaml is unchanged then.
    """
    theirs = _params_of(client, run.run_id, run.name)
    chosen = {key: theirs[key] for key in ADOPTED if key in theirs}
    check_params({**read_yaml(workspace.params), **chosen}, run.name)
    changed, after = _differences(workspace, theirs)
    gone = [path for path in changed if path not in after]
    remove_paths(workspace.params, gone)
    values = {path: now for path, (_, now) in changed.items() if path in after}
    write_values(workspace.params, {**values, MARK: run.short})
    return changed


def unlike(workspace: Workspace, client: "MlflowClient", run_id: str) -> list[str]:
    """The params that `adopt` would change, by their dotted paths.

    Raises:
        RequestError: the run has no params.yaml.
    """
    return list(_differences(workspace, _params_of(client, run_id, run_id))[0])


def _differences(
    workspace: Workspace, theirs: Mapping[str, Any]
) -> tuple[dict[str, tuple[Any, Any]], dict[str, Any]]:
    """Dotted path -> (ours, theirs) where they differ; and all of theirs."""
    ours = read_yaml(workspace.params)
    chosen = {key: theirs[key] for key in ADOPTED if key in theirs}
    before = _leaves({key: ours[key] for key in ADOPTED if key in ours}, chosen)
    after = _leaves(chosen, chosen)
    changed = {
        path: (before.get(path), after.get(path))
        for path in [*after, *(path for path in before if path not in after)]
        if before.get(path, _MISSING) != after.get(path, _MISSING)
    }
    return changed, after


def _leaves(sections: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted path; a section is one value where a column's name contains a dot."""
    whole = [key for key, section in chosen.items() if _has_dots(section)]
    found = flatten({key: value for key, value in sections.items() if key not in whole})
    return {**found, **{key: sections[key] for key in whole if key in sections}}


def _has_dots(content: Any) -> bool:
    return isinstance(content, Mapping) and any(
        "." in str(key) or _has_dots(value) for key, value in content.items()
    )


def _params_of(client: "MlflowClient", run_id: str, name: str) -> Mapping[str, Any]:
    from mlflow.exceptions import MlflowException

    with temporary_folder() as folder:
        try:
            path = Path(client.download_artifacts(run_id, "params.yaml", str(folder)))
        except (MlflowException, OSError):
            raise RequestError(
                f"{name}: the run has no params.yaml (only trainings have one)"
            ) from None
        content = read_yaml(path)
    return content if isinstance(content, Mapping) else {}
