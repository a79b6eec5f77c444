"""A source: its line in the table, and what its function returns."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Concatenate, Literal
from urllib.parse import unquote

_SQLITE = "sqlite:///"  # a URL of a file on this machine


@dataclass(frozen=True)
class SourceInfo:
    """What a source reports of the data it wrote into data/raw."""

    kind: Literal["table", "images"]
    split_column: str | None = None  # set when the source has an official split
    origin: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # shown to the user
    written: Mapping[str, Any] = field(default_factory=dict)  # column -> how its text is written


@dataclass(frozen=True)
class Source:
    """A line of the table of sources.

    Attributes:
        build: (folder, target, options) -> SourceInfo; it writes data/raw into the folder.
        watched: the options that name what it reads (files, folders, archives, URLs); DVC watches
            those on this machine. Caches are not among them.
        is_versioned: what the options name never changes, as a data set published under a version:
            only other options give other rows.
        libraries: what is imported early, while params are checked in another process.
        has_several: its rows may have several targets; `build` is given the name of one, or all.
    """

    build: Callable[Concatenate[Path, Any, ...], SourceInfo]
    watched: tuple[str, ...]
    is_versioned: bool
    libraries: tuple[str, ...] = ()
    has_several: bool = False

    def local_paths(self, options: Mapping[str, Any]) -> list[str]:
        """The files and folders on this machine that it reads, as the options name them."""
        places = (
            unquote(name.removeprefix(_SQLITE)) if name.startswith(_SQLITE) else name
            for name in self._named(options)
        )
        return [place for place in places if place and "://" not in place]

    def reads_elsewhere(self, options: Mapping[str, Any]) -> bool:
        """Whether some of its rows come from another machine, or nothing names where from."""
        named = list(self._named(options))
        return not named or any("://" in name.removeprefix(_SQLITE) for name in named)

    def _named(self, options: Mapping[str, Any]) -> Iterator[str]:
        for option in self.watched:
            given = options.get(option) or []
            yield from [given] if isinstance(given, str) else map(str, given)
