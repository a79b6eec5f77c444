"""What the journals of a checkout tell, compared with what a store holds: once each, no more."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy

from layerline.artifacts import journals_of
from layerline.tracking.journal_damage import DAMAGED
from layerline.tracking.journal_lines import Event, read_events, start_of
from layerline.tracking.mlflow_names import grouped, stored_tag

POINTS = (
    "SELECT t.value, m.key, m.step, m.value, m.timestamp FROM metrics m"
    " JOIN runs r ON r.run_uuid = m.run_uuid JOIN tags t ON t.run_uuid = m.run_uuid"
    " WHERE t.key = 'layerline.key' AND r.lifecycle_stage = 'active'"
)
RUNS = (
    "SELECT t.value, r.name, r.status, e.name, r.run_uuid, r.artifact_uri FROM runs r"
    " JOIN experiments e ON e.experiment_id = r.experiment_id"
    " JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'layerline.key'"
    " WHERE r.lifecycle_stage = 'active'"
)

NAMELESS = (
    "SELECT count(*) FROM runs WHERE lifecycle_stage = 'active' AND run_uuid NOT IN"
    " (SELECT run_uuid FROM tags WHERE key = 'layerline.key')"
)


def select(store: str, sql: str) -> list[tuple[Any, ...]]:
    """Run SQL on a store's database, sqlite or PostgreSQL."""
    engine = sqlalchemy.create_engine(store, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sqlalchemy.text(sql))]


def told(home: Path) -> Iterator[tuple[str, list[Event]]]:
    """Each journal's key and events, its start first; sent or not, oldest first.

    A journal that a full disk left empty tells nothing, nor does one whose start is lost: that one
    is set aside as a whole.
    """
    paths = [path for path in journals_of(home).glob("*.jsonl*") if path.suffix != DAMAGED]
    started = [(start_of(events), events) for events in map(read_events, paths)]
    journals = [
        [start, *(event for event in events if event["type"] != "start")]
        for start, events in started
        if start is not None
    ]
    for events in sorted(journals, key=lambda events: events[0]["time_ms"]):
        yield events[0]["key"], events


def check_arrivals(home: Path, store: str, artifacts: Path | None = None) -> int:
    """Assert that all that was told is in the store, once; return the number of metric points.

    Args:
        home: the checkout.
        store: the URI of the store's database.
        artifacts: where a server keeps artifacts; by default runs name their own folders.
    """
    points: Counter[tuple[Any, ...]] = Counter()
    for key, events in told(home):
        for event in events:
            if event["type"] == "metrics":
                at = (event["step"], event["time_ms"])
                # One point told twice is one point.
                told_now = event["metrics"].items()
                points |= Counter((key, grouped(name), v, *at) for name, v in told_now)
    keys = {key for key, _ in told(home)}  # a server may hold what others told, too
    rows = select(store, POINTS)
    stored = Counter((key, m, v, step, t) for key, m, step, v, t in rows if key in keys)
    lost, doubled = sorted(points - stored), sorted(stored - points)
    assert not lost, f"{len(lost)} lost: {lost[:5]} ..."
    assert not doubled, f"{len(doubled)} doubled or invented: {doubled[:5]} ..."
    _check_runs(home, store, artifacts, keys)
    return len(points)


def _check_runs(home: Path, store: str, artifacts: Path | None, keys: set[str]) -> None:
    assert select(store, NAMELESS) == [(0,)]
    rows = [row for row in select(store, RUNS) if row[0] in keys]
    runs = {row[0]: row[1:] for row in rows}
    assert len(rows) == len(runs), f"a key with two runs: {rows}"
    first: dict[str, Event] = {}
    status: dict[str, str] = {}
    for key, events in told(home):
        start, end = events[0], events[-1]
        assert end["type"] == "end", f"{key}: never ended"
        first.setdefault(key, start)
        if start["stage"] == first[key]["stage"]:
            status[key] = end["status"]
        _check_content(store, runs[key][3], events)
        _check_artifacts(runs[key][4], events, artifacts)
    expected = {k: (s["run_name"], status[k], s["experiment"]) for k, s in first.items()}
    assert {key: run[:3] for key, run in runs.items()} == expected


def _check_content(store: str, run_id: str, events: list[Event]) -> None:
    names = ("tags", "params")
    sql = "SELECT key, value FROM {} WHERE run_uuid = '{}'"
    tags, params = (dict(select(store, sql.format(table, run_id))) for table in names)
    assert not [name for name in tags if "cursor" in name]
    for event in events:
        if event["type"] == "params":
            for name, value in event["params"].items():
                assert value in (params[name], tags.get(f"layerline.changed.{name}")), name
        elif event["type"] == "tags":
            assert {stored_tag(name) for name in event["tags"]} <= tags.keys()
    count = "SELECT count(*), count(DISTINCT source_id) FROM inputs WHERE destination_id = '{}'"
    n_inputs, n_different = select(store, count.format(run_id))[0]
    assert n_inputs == n_different
    assert n_inputs >= sum(event["type"] == "dataset" for event in events)


def _check_artifacts(uri: str, events: list[Event], artifacts: Path | None) -> None:
    folder = Path(uri.replace("mlflow-artifacts:", str(artifacts)) if artifacts else uri)
    for event in events:
        if event["type"] == "artifact":
            assert (folder / event["folder"] / Path(event["path"]).name).exists()
