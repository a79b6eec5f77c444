"""Sources that DVC cannot watch: only fetching them shows whether their bytes have changed."""

from pathlib import Path

from layerline.config import FetchSection
from layerline.projects.watched_files import source_paths, unwatched

# Published once under a name and a version: they do not change.
FIXED = frozenset({"sklearn", "openml", "torchvision"})


def must_fetch(root: Path, section: FetchSection) -> bool:
    """Whether the source may have changed without DVC noticing.

    True for URLs, databases, and local files that dvc.yaml does not name.
    """
    if section.source in FIXED:
        return False
    watched = source_paths(section)
    return not watched or _has_remote(section) or bool(unwatched(root / "dvc.yaml", section))


def _has_remote(section: FetchSection) -> bool:
    values = [
        part
        for value in section.options.values()
        for part in (value if isinstance(value, list) else [value])
    ]
    remote = [v for v in values if isinstance(v, str) and "://" in v]
    return any(not value.startswith("sqlite:///") for value in remote)
