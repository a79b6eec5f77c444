"""Logs what a training read and made: data sets, the runs that made them, files, the network."""

import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from layerline.artifacts import (
    NETWORK_WEIGHTS,
    TRANSFER,
    Workspace,
    read_json,
    read_json_as,
    read_run_key,
)
from layerline.artifacts.temporary import temporary_folder
from layerline.config import Params, flatten
from layerline.masking import credentials_in, masked, masked_value
from layerline.tables.targets import target_names
from layerline.tracking.dvc_lock import lock_before
from layerline.tracking.journal import Dataset, Journal
from layerline.tracking.restored_stages import was_restored
from layerline.tracking.tracking_switch import is_off

CONTEXTS = {"train": "training", "valid": "validation", "test": "testing"}
DATA_STAGES = ("fetch", "validate", "scale")
MAX_CLASSES = 200


def log_inputs(journal: Journal, workspace: Workspace, project: str) -> None:
    """Log a training's data sets (by sha256) and link the runs of the data stages."""
    manifest = workspace.scaled / "manifest.json"
    tags, datasets = read_json_as(manifest, partial(_describe_inputs, project))
    for dataset in datasets:
        journal.dataset(dataset)
    journal.tags(tags)
    _link_data_stages(journal, workspace)


def _describe_inputs(
    project: str, scaled: Mapping[str, Any]
) -> tuple[dict[str, str], list[Dataset]]:
    """The sha256 of raw and scaled data as tags, and a data set for each split."""
    tags = {f"layerline.sha256.raw.{name}": str(h) for name, h in scaled["raw_sha256"].items()}
    datasets = []
    for split, context in CONTEXTS.items():
        digest = str(scaled["files"][f"{split}_x.npy"]["sha256"])
        tags[f"layerline.sha256.{split}_x"] = digest
        n_rows = int(scaled["n_rows"][split])
        dataset = Dataset(
            name=f"{project}-{split}",
            digest=digest[:32],
            source=f"data/scaled/{split}_x.npy",
            context=context,
            n_rows=n_rows,
            schema=_schema(scaled),
            profile=_profile(scaled, n_rows),
        )
        datasets.append(dataset)
    return tags, datasets


def _schema(scaled: Mapping[str, Any]) -> dict[str, str] | None:
    """The network's inputs and its target by name; None for images, which have a shape instead."""
    if scaled["features"] is None:
        return None
    target = "float" if scaled["classes"] is None else "long"
    targets = dict.fromkeys(target_names(scaled), target)
    return {**dict.fromkeys(scaled["features"], "float"), **targets}


def _profile(scaled: Mapping[str, Any], n_rows: int) -> dict[str, Any]:
    size = 1
    for n in scaled["shape"]:
        size *= n
    profile = {
        "num_elements": n_rows * size,
        "n_features": size,
        "source": scaled["source"],
        "target": scaled["target"],
        "task": scaled["task"],
    }
    if scaled["classes"] is not None:
        names = scaled["classes"]
        profile |= {"n_classes": len(names), "classes": names[:MAX_CLASSES]}
    return profile if scaled["features"] is not None else {**profile, "shape": scaled["shape"]}


def _link_data_stages(journal: Journal, workspace: Workspace) -> None:
    """Link the runs that made the data; mark those whose outputs DVC restored from its cache."""
    for stage in DATA_STAGES:
        file = workspace.run_file(stage)
        if not file.exists():  # a stage may have been run without DVC, and its file removed
            continue
        facts, key = read_json(file), read_run_key(file)
        journal.link(f"layerline.run.{stage}", key)
        if was_restored(file, facts):
            journal.link(f"layerline.restored.{stage}", key)


def log_network(journal: Journal, workspace: Workspace, kept_epoch: int) -> None:
    """Log which network came out of the training, and its history."""
    manifest = workspace.network / "manifest.json"
    digest = read_json_as(manifest, lambda found: str(found["files"][NETWORK_WEIGHTS]["sha256"]))
    journal.tags({"layerline.kept_epoch": kept_epoch, "layerline.sha256.network": digest})
    journal.artifact(workspace.reports / "history.csv")


def log_transfer(journal: Journal, workspace: Workspace, identity: Mapping[str, str]) -> None:
    """Log whose weights a training started from, and what was loaded, frozen and new."""
    facts = read_json(workspace.network / TRANSFER)
    journal.tags(
        {f"layerline.transfer.{key}": v for key, v in {**identity, **facts["source"]}.items()}
    )
    journal.metrics({f"transfer.{name}": count for name, count in facts["counts"].items()})
    journal.artifact(workspace.network / TRANSFER)


def log_files(journal: Journal, workspace: Workspace, params: Params) -> list[str]:
    """Log params.yaml and the files of the data stages; return notes for the user."""
    reports = (
        workspace.reports / name for name in ("validation.json", "validation.html", "profile.json")
    )
    for path in (*reports, workspace.preprocessor / "preprocessor.json"):
        if path.exists():
            journal.artifact(path)
    if (workspace.root / params.schema_path).exists():
        journal.artifact(workspace.root / params.schema_path, "schema")
    return _log_params_file(journal, workspace.params, flatten(params))


def _log_params_file(journal: Journal, path: Path, flat: Mapping[str, Any]) -> list[str]:
    """Log params.yaml, masked: `retrain` and `study` may hold credentials, and so may comments."""
    text = path.read_text(encoding="utf-8")
    names = credentials_in(flat)
    logged = masked(_without_credentials(text) if names else text)
    _log_text(journal, path.name, logged)
    if logged == text or is_off():
        return []
    where = ", ".join(names) or "a comment"
    return [f"params.yaml holds a credential ({where}); MLflow gets a copy without it"]


def _without_credentials(text: str) -> str:
    """The YAML text with its comments and order, credentials masked by their keys."""
    yaml = YAML()
    yaml.width = 1 << 20
    content = yaml.load(text)
    _hide(content, "")
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


def _hide(content: Any, prefix: str) -> None:
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            _hide(value, f"{name}.")
        elif credentials_in({name: value}):
            content[key] = masked_value(name, value)


def log_dvc_lock(journal: Journal, root: Path, before: str) -> None:
    """Log the part of dvc.lock that belongs to this run: the stages before `before`.

    Its entries for this stage and later ones are of an earlier run; DVC writes them after each
    stage. Each stage of a training replaces the copy of the stage before it.
    """
    text = lock_before(root, before)
    if text:
        _log_text(journal, "dvc.lock", text)


def _log_text(journal: Journal, name: str, text: str) -> None:
    with temporary_folder() as folder:
        path = folder / name
        path.write_text(text, encoding="utf-8")
        journal.artifact(path)
