"""What a source hands back; light, so that the table of sources can be listed at no cost."""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class SourceInfo:
    """What a source says about the data it wrote into data/raw."""

    kind: Literal["table", "images"]
    split_column: str | None = None  # set when the source has an official split
    origin: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # to be said aloud
