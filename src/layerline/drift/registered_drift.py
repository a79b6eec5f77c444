"""New rows against a registered version, which is fetched and checked."""

from pathlib import Path

from layerline.artifacts import Workspace
from layerline.artifacts.temporary import temporary_folder
from layerline.config import DriftSection
from layerline.drift.drift_check import Drift, check_drift
from layerline.drift.joint_sample import JointSample
from layerline.drift.learnt_rows import Learnt, known_rows
from layerline.drift.new_rows import NewRows, read_new_rows
from layerline.errors import LayerlineError, SourceError
from layerline.model.load import load_bundle
from layerline.model.reference import read_reference
from layerline.model.seen_rows import SEEN, read_seen
from layerline.registry.download import download
from layerline.scaling.validated_data import read_validated


def load_learnt(model_uri: str, home: Path) -> Learnt:
    """Fetch a version with its reference.

    Raises:
        TrackingError: there is no such model, or the store does not respond.
        SourceError: its bytes were changed, or it has no reference.
    """
    with temporary_folder() as folder:
        found = download(model_uri, home, folder)
        model, reference = load_bundle(found.bundle), read_reference(found.bundle)
        seen = read_seen(found.bundle / SEEN)
    if reference is None:
        raise SourceError(
            f"{model_uri}: carries no sketch of its training rows, as versions registered by "
            "earlier releases do not; train and register a new version, and compare with that"
        )
    return Learnt(model, reference, found.version, seen)


def drift_of_file(
    model_uri: str, source: Path, workspace: Workspace, section: DriftSection
) -> Drift:
    """Compare the rows of a file or of a request log with a version's training rows.

    The joint distribution is tested if data/validated has these.

    Raises:
        LayerlineError: as `load_learnt` and `new_rows.read_new_rows`.
    """
    if not source.is_file():
        raise SourceError(f"{source}: file not found")
    learnt = load_learnt(model_uri, workspace.home)
    rows = read_new_rows(source, learnt.model, learnt.reference)
    try:
        known = known_rows(learnt, read_validated(workspace))
    except LayerlineError as error:
        known = str(error)
    return judge_rows(rows, known, section)


def judge_rows(rows: NewRows, known: JointSample | str, section: DriftSection) -> Drift:
    """Test rows that were counted; without known rows, the columns alone."""
    confidence, min_effect = section.confidence, section.min_effect
    return check_drift(rows, known, confidence=confidence, min_effect=min_effect)
