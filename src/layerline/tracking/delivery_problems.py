"""Why a journal cannot be sent right now, kept in a file next to it for its training to report.

The follower has no terminal: it records the problem here, and the training prints it once, at its
end. A problem that went away is not reported.
"""

import contextlib
from pathlib import Path

from layerline.errors import TrackingError
from layerline.masking import masked
from layerline.tracking.store import check_reachable, tracking_uri

_SUFFIX = ".trouble"
REMEDY = "what was recorded is kept, and `layerline flush` sends it"


def record_problem(journal: Path, text: str) -> None:
    """Record what went wrong last."""
    with contextlib.suppress(OSError):  # a full disk is no reason to stop following
        journal.with_suffix(_SUFFIX).write_text(masked(text), encoding="utf-8")


def clear_problem(journal: Path) -> None:
    """Delivery works again."""
    journal.with_suffix(_SUFFIX).unlink(missing_ok=True)


def delivery_problem(home: Path, journal: Path) -> str | None:
    """One line about why the journal cannot be sent now; None when nothing is known.

    A training may end before its follower has noticed: so the store's host is asked here too.
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
    return text if REMEDY in text else f"this run cannot be sent to MLflow now: {text}; {REMEDY}"
