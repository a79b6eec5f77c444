"""New rows against a registered version, which is fetched and checked."""

from pathlib import Path
from typing import NamedTuple

from layerline.artifacts.temporary import temporary_folder
from layerline.config import DriftSection
from layerline.drift.drift_check import Drift, check_drift
from layerline.drift.new_rows import NewRows, read_new_rows
from layerline.errors import SourceError
from layerline.model.load import load_bundle
from layerline.model.predictor import Model
from layerline.model.reference import Reference, read_reference
from layerline.registry.download import download


class Learnt(NamedTuple):
    """A registered version, and what its training rows looked like."""

    model: Model
    reference: Reference
    version: str


def load_learnt(model_uri: str, home: Path) -> Learnt:
    """Fetch a version with its reference.

    Raises:
        TrackingError: there is no such model, or the store does not respond.
        SourceError: its bytes were changed, or it has no reference.
    """
    with temporary_folder() as folder:
        found = download(model_uri, home, folder)
        model, reference = load_bundle(found.bundle), read_reference(found.bundle)
    if reference is None:
        raise SourceError(
            f"{model_uri}: carries no sketch of its training rows, as versions registered by "
            "earlier releases do not; train and register a new version, and compare with that"
        )
    return Learnt(model, reference, found.version)


def drift_of_file(model_uri: str, source: Path, home: Path, section: DriftSection) -> Drift:
    """Compare the rows of a file or of a request log with a version's training rows.

    Raises:
        LayerlineError: as `load_learnt` and `new_rows.read_new_rows`.
    """
    if not source.is_file():
        raise SourceError(f"{source}: file not found")
    learnt = load_learnt(model_uri, home)
    return judge_rows(read_new_rows(source, learnt.model, learnt.reference), section)


def judge_rows(rows: NewRows, section: DriftSection) -> Drift:
    """Test rows that were counted."""
    return check_drift(rows, confidence=section.confidence, min_effect=section.min_effect)
