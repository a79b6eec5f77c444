"""A journal as releases without checksums wrote it."""

import json

START = {
    "seq": 0,
    "time_ms": 1,
    "type": "start",
    "key": "k",
    "stage": "train",
    "experiment": "e",
    "run_name": "r",
    "continues": False,
    "process": {},
}


def old_lines(n_metrics: int = 2) -> bytes:
    """As a release without checksums wrote them; a full disk left a gap in the numbers."""
    events = [START]
    for number in range(n_metrics):
        metrics = {"metrics": {"loss": 1.0}, "step": number}
        events.append({"seq": 1 + 2 * number, "time_ms": 2, "type": "metrics", **metrics})
    end = {"seq": 9, "time_ms": 3, "type": "end", "status": "FAILED", "message": ""}
    return b"".join(json.dumps(event).encode() + b"\n" for event in [*events, end])
