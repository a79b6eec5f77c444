"""The training rows of a version, where data/validated still has them: by their content."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from layerline.drift.joint_sample import MOST_SAMPLED, SEED, JointSample
from layerline.errors import DataError, LayerlineError
from layerline.model.bundle import Rows
from layerline.model.predictor import Model
from layerline.model.reference import Reference
from layerline.model.seen_rows import Seen, holds
from layerline.scaling.stored_table import ChosenRows
from layerline.scaling.validated_data import ValidatedData


class Learnt(NamedTuple):
    """A registered version, what its training rows looked like, and which they were."""

    model: Model
    reference: Reference
    version: str
    seen: Seen | None


def known_rows(
    learnt: Learnt, data: ValidatedData, may_be_drawn: NDArray[np.bool_] | None = None
) -> JointSample | str:
    """A sample of the rows that a version was trained on; or why there is none.

    Of all rows (B,) only those that `may_be_drawn`.
    """
    try:
        is_known = _trained_on(learnt.seen, data)
        places = np.flatnonzero(is_known if may_be_drawn is None else is_known & may_be_drawn)
        if len(places) > MOST_SAMPLED:
            drawn = np.random.default_rng(SEED).choice(places, MOST_SAMPLED, replace=False)
            places = np.sort(drawn)
        sample = JointSample(learnt.model.about, learnt.reference.target_spec)
        sample.add(_rows_at(data, places, learnt.model))
        return sample
    except LayerlineError as error:
        return str(error)


def _trained_on(seen: Seen | None, data: ValidatedData) -> NDArray[np.bool_]:
    """(B,) whether the version was trained on a row.

    Raises:
        DataError: that is unknown.
    """
    if seen is None:
        raise DataError("the version has no record of the rows that it was trained on")
    is_image = data.images is not None
    if is_image == bool(seen.columns) or not set(seen.columns) <= set(data.table.names):
        raise DataError("data/validated has not the columns that the version was trained on")
    contents = data.hash_rows(seen.columns)
    return holds(seen, contents) | holds(seen, data.identify(contents))


def _rows_at(data: ValidatedData, places: NDArray[np.intp], model: Model) -> Rows:
    if data.images is not None:
        return np.asarray(data.images[places])
    return ChosenRows(data.table, places)[data.names_for(model.about.columns)]
