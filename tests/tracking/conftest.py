"""Homes and journals, as tests/homes.py makes them."""

from homes import (
    clean_environment,
    closed_port,
    dead_writer,
    folder,
    home,
    new_journal,
    python,
    query,
    tags_of,
)

__all__ = [
    "clean_environment",
    "closed_port",
    "dead_writer",
    "folder",
    "home",
    "new_journal",
    "python",
    "query",
    "tags_of",
]
