"""The run that a user names by its id, its name, a DVC experiment, or a model's alias."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from layerline.runs.open_store import RequestError
from layerline.runs.run import (
    EXPERIMENT_TAG,
    TRAINING,
    Run,
    experiment_of,
    experiments,
    search,
    to_run,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"
_MOST_LISTED = 5
_MOST_LOOKED_AT = 500  # for a name that looks like the one that is not there


@dataclass(frozen=True)
class Registered:
    """What the registry holds of a project: alias -> version, and version -> run id."""

    aliases: Mapping[str, str]
    run_ids: Mapping[str, str]

    def aliases_of(self, version: str) -> list[str]:
        return sorted(alias for alias, held in self.aliases.items() if held == version)


def registered(client: "MlflowClient", project: str) -> Registered:
    """The project's versions; nothing when none was registered yet."""
    from mlflow.exceptions import MlflowException

    try:
        # Search results carry no aliases in MLflow 3: the registered model itself does.
        aliases = dict(client.get_registered_model(project).aliases)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return Registered({}, {})
    versions = client.search_model_versions(f"name = '{project}'")
    return Registered(
        {str(alias): str(version) for alias, version in aliases.items()},
        {str(found.version): str(found.run_id) for found in versions if found.run_id},
    )


def choose(client: "MlflowClient", project: str, wanted: str, alias: str = CHAMPION) -> Run:
    """The one run that is named; see `choose_each`."""
    return choose_each(client, project, [wanted], alias)[0]


def choose_each(
    client: "MlflowClient", project: str, wanted: Sequence[str], alias: str = CHAMPION
) -> list[Run]:
    """The runs that are named, in that order.

    Args:
        client: the store.
        project: the trainings' project; a full run id may be of any experiment.
        wanted: what the user wrote for each.
        alias: which alias of the model `champion` stands for, `register.alias`.

    Raises:
        RequestError: no run or several match; the message lists similar ones.
    """
    model = registered(client, project)
    chosen = []
    for text in wanted:
        version = _version(model, text, alias)
        if version is not None:
            uri = f"models:/{project}/{version}"
            chosen.append(_get(client, model.run_ids.get(version, ""), uri))
        elif re.fullmatch(r"[0-9a-f]{32}", text):
            chosen.append(_get(client, text, "the store"))
        else:
            chosen.append(_one_of(client, text, project, model))
    return chosen


def choose_version(client: "MlflowClient", project: str, wanted: str, alias: str = CHAMPION) -> str:
    """The version that is named by its number (3 or v3), an alias, or a run that registered it.

    Raises:
        RequestError: no run or several match, or the run registered no version.
    """
    if wanted.isdecimal():
        return wanted
    model = registered(client, project)
    if (version := _version(model, wanted, alias)) is not None:
        return version
    run_id = choose(client, project, wanted, alias).run_id
    versions = [version for version, found in model.run_ids.items() if found == run_id]
    if not versions:
        raise RequestError(
            f"run {wanted!r} has no version of {project}; `layerline history` lists them"
        )
    return max(versions, key=int)


def _one_of(client: "MlflowClient", wanted: str, project: str, model: Registered) -> Run:
    names = experiment_of(client, project)
    matches = _named(client, names, wanted)
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise RequestError(
            f"{wanted!r} matches {len(matches)} runs; name one by its id:{_listed(matches)}"
        )
    runs = list(islice(search(client, names), _MOST_LOOKED_AT))
    raise RequestError(f"{_unknown(project, wanted, model)}{_near(runs, wanted, model)}")


def _version(model: Registered, wanted: str, alias: str) -> str | None:
    """A version by an alias of the model, or as the table shows it: v3."""
    if wanted in model.aliases:
        return model.aliases[wanted]
    if wanted == CHAMPION:
        return model.aliases.get(alias)
    number = wanted.removeprefix("v")
    return number if number != wanted and number in model.run_ids else None


def _get(client: "MlflowClient", run_id: str, where: str) -> Run:
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise RequestError(f"{where}: there is no run {run_id or 'for it'}") from None
    if found.info.lifecycle_stage == "deleted":
        raise RequestError(
            f"{where}: run {run_id} was deleted; `mlflow.MlflowClient().restore_run` brings it back"
        )
    names = experiments(client)
    return to_run(found, names.get(str(found.info.experiment_id), ""))


def _named(client: "MlflowClient", names: Mapping[str, str], wanted: str) -> list[Run]:
    """The trainings with that name, DVC experiment or beginning of an id; the store finds them."""
    if not wanted:
        return []
    if not re.fullmatch(r"[^'\"`%\\]+", wanted):  # signs of the filter's own language
        return [run for run in search(client, names) if wanted in (run.name, run.dvc_experiment)]
    conditions = [
        f"attributes.run_name = '{wanted}'",
        f"tags.`{EXPERIMENT_TAG}` = '{wanted}'",
        f"attributes.run_id LIKE '{wanted}%'",
    ]
    found = [run for one in conditions for run in search(client, names, f"{TRAINING} and {one}")]
    return sorted({run.run_id: run for run in found}.values(), key=lambda run: -run.start_ms)


def _unknown(project: str, wanted: str, model: Registered) -> str:
    if wanted == CHAMPION:
        held = ", ".join(sorted(model.aliases)) or "none"
        return f"{project} has no champion yet (its model's aliases: {held})"
    if re.fullmatch(r"v\d+", wanted) and model.run_ids:
        newest = max(model.run_ids, key=int)
        return f"{project} has no version {wanted[1:]} (newest: {newest}), and no run {wanted!r}"
    return f"{project} has no run {wanted!r}"


def _near(runs: Sequence[Run], wanted: str, model: Registered) -> str:
    """What looks like it: an alias, or runs by name or id; else the newest runs."""
    if not runs:
        return "; there are no runs yet: run `dvc repro`"
    aliases = difflib.get_close_matches(wanted, {*model.aliases, CHAMPION} - {wanted}, n=1)
    if aliases:
        return f"; did you mean {aliases[0]}?"
    by_word: dict[str, list[Run]] = {}
    for run in runs:
        for word in {run.name, run.dvc_experiment, run.run_id[: max(len(wanted), 4)]} - {""}:
            by_word.setdefault(word, []).append(run)
    words = difflib.get_close_matches(wanted, by_word, n=_MOST_LISTED, cutoff=0.6)
    near = list({run.run_id: run for word in words for run in by_word[word]}.values())
    if near:
        return f"; did you mean:{_listed(near)}"
    return f"; the newest:{_listed(runs)}"


def _listed(runs: Sequence[Run]) -> str:
    lines = [f"\n  {run}" for run in runs[:_MOST_LISTED]]
    n_more = len(runs) - len(lines)
    return "".join(lines) + (f"\n  and {n_more} more: `layerline runs`" if n_more else "")
