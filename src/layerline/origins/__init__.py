"""Where known weights come from: a name in params.yaml becomes files on this machine.

files.py  a weights file, or a folder a training made    torchvision.py  torchvision's weights
runs.py   MLflow's runs and model versions               revisions.py    an earlier DVC revision
holdouts.py  rows a source knew, for the forgetting check

To add a kind: a function from the rest of the name to SourceFiles, and a line in KINDS. MLflow and
DVC are imported only where they are asked.
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

CHAMPION = "champion"


class Asker(NamedTuple):
    """Who asks: the checkout, its project and the alias its champion has."""

    workspace: Workspace
    project: str
    alias: str = CHAMPION


KINDS: dict[str, Callable[[Asker, str], SourceFiles]] = {
    "torchvision:": lambda asker, rest: source_of_torchvision(rest),
    "models:/": lambda asker, rest: source_of_model(asker.workspace.home, rest),
    "runs:/": lambda asker, rest: source_of_run(asker.workspace.home, asker.project, rest),
    "run:": lambda asker, rest: source_of_run(asker.workspace.home, asker.project, rest),
    "dvc:": lambda asker, rest: source_of_revision(asker.workspace, rest),
}


def find_preprocessor(asker: Asker, name: str) -> Path:
    """The preprocessor.json of a source.

    Raises:
        SourceError: as `find_source`, or the source is weights alone.
    """
    found = find_source(asker, name).preprocessor
    if found is None:
        raise SourceError(
            f"scale.preprocessor.from: {name} is weights without a preprocessor; name a model that "
            "has one (champion, models:/NAME@ALIAS, run:RUN, dvc:REVISION, a folder models)"
        )
    return found


def find_start(asker: Asker, section: TransferSection) -> SourceFiles:
    """What a training starts from, and the rows on which forgetting is to be judged.

    Raises:
        SourceError, TrackingError, ParamsError: as `find_source` and `find_holdout`.
    """
    found = find_source(asker, section.source)
    if section.forgetting is None:
        return found
    holdout = find_holdout(asker.workspace, section.forgetting.data)
    return dataclasses.replace(found, holdout=holdout)


def find_source(asker: Asker, name: str) -> SourceFiles:
    """The files of a source.

    Args:
        asker: who asks.
        name: `champion`, `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `run:RUN`, `dvc:REVISION`,
            `torchvision:NETWORK/WEIGHTS`, a folder, or a .safetensors or .pth file.

    Raises:
        SourceError: there is no such thing, it cannot be reached, or its bytes are not those
            recorded.
        TrackingError: MLflow's store is away.
        ParamsError: the name means nothing.
    """
    wanted = f"models:/{asker.project}@{asker.alias}" if name == CHAMPION else name
    for prefix, find in KINDS.items():
        if wanted.startswith(prefix):
            found = find(asker, wanted.removeprefix(prefix))
            break
    else:
        found = source_of_path(asker.workspace.root, wanted)
    return dataclasses.replace(found, identity={"from": name, **found.identity})
