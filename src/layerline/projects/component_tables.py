"""Where params.yaml names a component, and the table that knows it.

To add one: a line in PLACES. Importing this module imports every table, torch among them.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from layerline.errors import Problem
from layerline.lookup import builders
from layerline.networks import network_problems
from layerline.scaling.preprocessing.dates import DATES
from layerline.scaling.preprocessing.encoders import ENCODERS
from layerline.scaling.preprocessing.imputers import IMPUTERS
from layerline.scaling.preprocessing.scalers import SCALERS
from layerline.scaling.preprocessing.target_transforms import TARGETS
from layerline.scaling.splitting import SPLITS
from layerline.sources import SOURCES
from layerline.training.augmentation import AUGMENTATIONS
from layerline.training.objectives import LOSSES
from layerline.training.optimizers import OPTIMIZERS
from layerline.training.schedules import SCHEDULES


class Place(NamedTuple):
    """A key of params.yaml whose value names an entry of `table`.

    `name_key` is the key of the name inside the mapping (`{name: adamw, ...}`); None where the
    options stand next to it, in the section's `options`. `check` replaces the table.
    """

    section: str
    key: str
    name_key: str | None
    table: Mapping[str, Callable[..., Any]] = {}
    check: Callable[[str, Mapping[str, Any]], list[Problem]] | None = None


def auto_loss() -> None:
    """cross_entropy for classes, mse for numbers."""


PLACES = (
    Place("fetch", "source", None, builders(SOURCES)),
    Place("scale", "split", "method", builders(SPLITS)),
    Place("scale", "numeric", "name", builders(SCALERS)),
    Place("scale", "missing", "name", builders(IMPUTERS)),
    Place("scale", "categorical", "name", builders(ENCODERS)),
    Place("scale", "dates", "name", builders(DATES)),
    Place("scale", "target", "name", builders(TARGETS)),
    Place("train", "network", None, check=network_problems),
    Place("train", "loss", "name", {"auto": auto_loss, **builders(LOSSES)}),
    Place("train", "optimizer", "name", builders(OPTIMIZERS)),
    Place("train", "schedule", "name", builders(SCHEDULES)),
    Place("train", "augment", "name", builders(AUGMENTATIONS)),
)
