"""What keeps a followed journal from being sent, left beside it so that its training can tell.

The follower has no screen of its own: it notes here what it met, the training says it, once, at
its end. Only trouble that lasts is told.
"""

import contextlib
from pathlib import Path

from layerline.errors import TrackingError
from layerline.masking import masked
from layerline.tracking.store import check_reachable, tracking_uri

_SUFFIX = ".trouble"
REMEDY = "what was recorded is kept, and `layerline flush` sends it"


def note_trouble(journal: Path, text: str) -> None:
    """Leave word of what went wrong last."""
    with contextlib.suppress(OSError):  # a full disk is no reason to stop following
        journal.with_suffix(_SUFFIX).write_text(masked(text), encoding="utf-8")


def clear_trouble(journal: Path) -> None:
    """It goes again."""
    journal.with_suffix(_SUFFIX).unlink(missing_ok=True)


def trouble_of(home: Path, journal: Path) -> str | None:
    """One line about what keeps the journal from MLflow now; None when nothing is known to.

    A training may be over before its follower has met the trouble: so the store's host is asked.
    """
    try:
        text = journal.with_suffix(_SUFFIX).read_text(encoding="utf-8")
    except OSError:
        text = ""
    try:
        check_reachable(tracking_uri(home))
    except TrackingError as error:
        text = str(error)
    if not text:
        return None
    return text if REMEDY in text else f"MLflow does not take this run now: {text}; {REMEDY}"
