"""Where known weights come from: a name in params.yaml becomes files on this machine.

    local.py        a weights file, or our folder
    registered.py   MLflow's runs and model versions
    torchvision.py  torchvision's pretrained weights
    revisions.py    an earlier DVC revision
    known_rows.py   rows a source knew, to measure forgetting
    lineage.py      a chain of trainings, walked back

To add a kind: a function from the rest of the name to SourceFiles, and a line in KINDS. MLflow and
DVC are imported only when they are needed.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from layerline.artifacts import SourceFiles, Workspace
from layerline.config import TransferSection
from layerline.errors import SourceError
from layerline.origins.known_rows import find_holdout
from layerline.origins.local import source_of_path
from layerline.origins.registered import source_of_model, source_of_run
from layerline.origins.revisions import source_of_revision
from layerline.origins.torchvision import source_of_torchvision
from layerline.runs.resolve import CHAMPION


class SourceContext(NamedTuple):
    """Where a source is looked up: the checkout, its project and the alias of its champion."""

    workspace: Workspace
    project: str
    alias: str = CHAMPION


KINDS: dict[str, Callable[[SourceContext, str], SourceFiles]] = {
    "torchvision:": lambda context, rest: source_of_torchvision(rest),
    "models:/": lambda context, rest: source_of_model(context.workspace.home, f"models:/{rest}"),
    "runs:/": lambda context, rest: source_of_run(context.workspace.home, context.project, rest),
    "run:": lambda context, rest: source_of_run(context.workspace.home, context.project, rest),
    "dvc:": lambda context, rest: source_of_revision(context.workspace, rest),
}


def find_preprocessor(context: SourceContext, name: str) -> Path:
    """The preprocessor.json of a source.

    Raises:
        SourceError: as `find_source`, or the source is weights alone.
    """
    found = find_source(context, name).preprocessor
    if found is None:
        raise SourceError(
            f"scale.preprocessor.from: {name} has weights but no preprocessor; name a model that "
            "has one (champion, models:/NAME@ALIAS, run:RUN, dvc:REVISION, a folder models)"
        )
    return found


def find_start(context: SourceContext, section: TransferSection) -> SourceFiles:
    """What a training starts from, and the rows on which forgetting is measured.

    Raises:
        SourceError, TrackingError, ParamsError: as `find_source` and `find_holdout`.
    """
    found = find_source(context, section.source)
    if section.forgetting is None:
        return found
    holdout = find_holdout(context.workspace, section.forgetting.data)
    return dataclasses.replace(found, holdout=holdout)


def find_source(context: SourceContext, name: str) -> SourceFiles:
    """The files of a source.

    Args:
        context: the checkout and its project.
        name: `champion`, `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `run:RUN`, `dvc:REVISION`,
            `torchvision:NETWORK/WEIGHTS`, a folder, or a .safetensors or .pth file.

    Raises:
        SourceError: it does not exist, cannot be reached, or its bytes are not those recorded.
        TrackingError: MLflow's store is unavailable.
        ParamsError: the name is unknown.
    """
    wanted = f"models:/{context.project}@{context.alias}" if name == CHAMPION else name
    for prefix, find in KINDS.items():
        if wanted.startswith(prefix):
            found = find(context, wanted.removeprefix(prefix))
            break
    else:
        found = source_of_path(context.workspace.root, wanted)
    return dataclasses.replace(found, identity={"from": name, **found.identity})
