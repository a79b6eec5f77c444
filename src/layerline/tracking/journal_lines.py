"""The lines of a journal: how an event is written, checked and read back.

A line is one event as JSON, `{"seq": 0, "time_ms": ..., "type": ..., ..., "crc32": "1c291ca3"}`.
The checksum is over everything before `, "crc32"`: a line that was damaged on disk is recognised.
Journals of earlier releases have no checksums; their lines are accepted if they are well formed.

To add a type of event: a line in `FIELDS`, a method of `Journal`, a handler in `Replay`.
"""

import contextlib
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Event = dict[str, Any]

# The fields that each type of event must have.
FIELDS: Mapping[str, Mapping[str, type]] = {
    "start": {
        "key": str,
        "stage": str,
        "experiment": str,
        "run_name": str,
        "continues": bool,
        "process": dict,
    },
    "params": {"params": dict},
    "tags": {"tags": dict},
    "metrics": {"metrics": dict, "step": int},
    "artifact": {"path": str, "folder": str},
    "dataset": {"name": str, "digest": str, "source": str, "context": str, "n_rows": int},
    "link": {"tag": str, "key": str},
    "end": {"status": str, "message": str},
}
STATUSES = ("FINISHED", "FAILED", "KILLED")
_CHECKSUM = re.compile(rb', "crc32": "([0-9a-f]{8})"\}$')


@dataclass
class Contents:
    """What was read of a journal: the events, the damaged lines, and up to which byte.

    `is_checked` is True once a line with a checksum was read: then a line without one is damaged.
    """

    events: list[Event] = field(default_factory=list)
    damaged: list[bytes] = field(default_factory=list)
    offset: int = 0
    is_checked: bool = False


def encode(event: Event, with_checksum: bool = True) -> bytes:
    """An event as a line; without a checksum only where the journal has none."""
    text = json.dumps(event, ensure_ascii=False, allow_nan=False).encode()[:-1]
    if not with_checksum:
        return text + b"}\n"
    return text + b', "crc32": "%08x"}\n' % zlib.crc32(text)


def read_journal(path: Path) -> Contents:
    """Read a whole journal; events in the order of their `seq`, each once.

    An incomplete last line, as kill -9 leaves it, is left out.
    """
    found = read_more(path, Contents())
    found.events = in_order(found.events)
    return found


def read_events(path: Path) -> list[Event]:
    """The events of a journal; damaged lines are left out."""
    return read_journal(path).events


def read_more(path: Path, before: Contents) -> Contents:
    """Read on from `before.offset`; return what is new, in the order of the file."""
    with path.open("rb") as file:
        file.seek(before.offset)
        data = file.read()
    whole = data.rfind(b"\n") + 1
    lines = data[:whole].split(b"\n")
    tail = data[whole:]
    if tail and _has_valid_checksum(tail):  # only its newline was lost
        lines.append(tail)
        whole = len(data)
    lines = [line for line in lines if line]
    is_checked = before.is_checked or any(map(_has_valid_checksum, lines))
    found = Contents(offset=before.offset + whole, is_checked=is_checked)
    for line in lines:
        event = _decode(line, is_checked)
        if event is None:
            found.damaged.append(line)
        else:
            found.events.append(event)
    return found


def in_order(events: Iterable[Event]) -> list[Event]:
    """Events sorted by `seq`, each once: a line that is there twice is one event."""
    by_seq: dict[int, Event] = {}
    for event in events:
        by_seq.setdefault(event["seq"], event)
    return [by_seq[seq] for seq in sorted(by_seq)]


def start_of(events: Iterable[Event]) -> Event | None:
    """The start event, or its copy in the end event."""
    for event in events:
        if event["type"] == "start":
            return event
        copy = event.get("start") if event["type"] == "end" else None
        if isinstance(copy, dict) and _is_well_formed(copy):
            return copy
    return None


def read_start(path: Path) -> Event | None:
    """A journal's start event, from its first line where that is whole; None when it is lost."""
    with path.open("rb") as file:
        line = file.readline()
    event = _decode(line.rstrip(b"\n"), is_checked=True)
    if event is not None and event["type"] == "start":
        return event
    return start_of(read_events(path))


def _has_valid_checksum(line: bytes) -> bool:
    found = _CHECKSUM.search(line)
    return found is not None and zlib.crc32(line[: found.start()]) == int(found[1], 16)


def _decode(line: bytes, is_checked: bool) -> Event | None:
    """The event of a line, or None when the line is damaged."""
    if is_checked and not _has_valid_checksum(line):
        return None
    with contextlib.suppress(ValueError, RecursionError):
        event = json.loads(line)
        if _is_well_formed(event):
            event.pop("crc32", None)
            return event
    return None


def _is_well_formed(event: object) -> bool:
    if not isinstance(event, dict):
        return False
    # A type of a newer release is not known here: it is skipped later, and is not damage.
    fields = {"seq": int, "time_ms": int, "type": str, **FIELDS.get(str(event.get("type")), {})}
    if not all(isinstance(event.get(name), kind) for name, kind in fields.items()):
        return False
    texts = {**event.get("params", {}), **event.get("tags", {})}.values()
    return (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(n, int | float) for n in event.get("metrics", {}).values())
        and event.get("status", "FINISHED") in STATUSES
        and event["seq"] >= 0
    )
