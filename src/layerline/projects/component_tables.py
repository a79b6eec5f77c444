"""Where params.yaml names a component, and the table that knows it.

To add one: a line in PLACES. Importing this module imports every table, torch among them.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from layerline.errors import Problem
from layerline.evaluation.own_metric import find_metric
from layerline.lookup import builders
from layerline.networks import network_problems
from layerline.scaling.preprocessing.dates import DATES
from layerline.scaling.preprocessing.encoders import ENCODERS
from layerline.scaling.preprocessing.imputers import IMPUTERS
from layerline.scaling.preprocessing.scalers import SCALERS, find_scaler
from layerline.scaling.preprocessing.target_transforms import TARGETS
from layerline.scaling.splitting import SPLITS
from layerline.sources import SOURCES, find_source
from layerline.training.augmentation import AUGMENTATIONS
from layerline.training.objectives import LOSSES, find_loss
from layerline.training.optimizers import OPTIMIZERS
from layerline.training.schedules import SCHEDULES


class Place(NamedTuple):
    """A key of params.yaml whose value names an entry of `table`.

    `name_key` is the key of the name inside the mapping (`{name: adamw, ...}`); None where the
    options stand next to it, in the section's `options`. `check` replaces the table. `own` gives
    the builder of an import path, where the user's own may stand.
    """

    section: str
    key: str
    name_key: str | None
    table: Mapping[str, Callable[..., Any]] = {}
    check: Callable[[str, Mapping[str, Any]], list[Problem]] | None = None
    own: Callable[[str], Callable[..., Any]] | None = None


def auto_loss() -> None:
    """cross_entropy for classes, mse for numbers."""


PLACES = (
    Place("fetch", "source", None, builders(SOURCES), own=lambda name: find_source(name).build),
    Place("scale", "split", "method", builders(SPLITS)),
    Place("scale", "numeric", "name", builders(SCALERS), own=find_scaler),
    Place("scale", "missing", "name", builders(IMPUTERS)),
    Place("scale", "categorical", "name", builders(ENCODERS)),
    Place("scale", "dates", "name", builders(DATES)),
    Place("scale", "target", "name", builders(TARGETS)),
    Place("train", "network", None, check=network_problems),
    Place("train", "loss", "name", {"auto": auto_loss, **builders(LOSSES)}, own=find_loss),
    Place("train", "optimizer", "name", builders(OPTIMIZERS)),
    Place("train", "schedule", "name", builders(SCHEDULES)),
    Place("train", "augment", "name", builders(AUGMENTATIONS)),
    Place("evaluate", "metrics", "name", own=find_metric),
)
