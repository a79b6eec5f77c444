"""Reads a journal while it grows, and gives its events in order, each once."""

from pathlib import Path

from layerline.tracking.journal_lines import Contents, Event, in_order, read_more


class JournalReader:
    """Gives the events that may be sent: all once the journal has ended, else those without a gap.

    The writer numbers its events without gaps. A number that is missing was damaged, or its line
    stands elsewhere in the file: nothing after it is given before the journal has ended, so that
    the run's cursor never passes an event that is still to come.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = Contents()
        self._waiting: list[Event] = []
        self._next_seq = 0
        self.damaged: list[bytes] = []
        self.missing: list[int] = []

    def read(self) -> None:
        """Read what was written since the last time."""
        self._read = found = read_more(self._path, self._read)
        self._waiting += found.events
        self.damaged += found.damaged

    def take(self) -> list[Event]:
        """The events that were not taken before, as far as they may be sent."""
        events = in_order(event for event in self._waiting if event["seq"] >= self._next_seq)
        has_ended = any(event["type"] == "end" for event in events)
        if self._read.is_checked and not has_ended:
            events, self._waiting = self._without_gap(events)
        else:
            self._waiting = []
        for event in events:
            if self._read.is_checked:
                self.missing += range(max(self._next_seq, 1), event["seq"])
            self._next_seq = event["seq"] + 1
        return events

    def _without_gap(self, events: list[Event]) -> tuple[list[Event], list[Event]]:
        n_ready = 0
        while n_ready < len(events) and events[n_ready]["seq"] == self._next_seq + n_ready:
            n_ready += 1
        return events[:n_ready], events[n_ready:]
