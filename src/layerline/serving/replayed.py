"""An answer given once more: from the logged rows and the version, to the same bytes.

The second half of an answer's id is a hash of its bytes, which the replay must have, too. Other
versions of numpy or torch than those of the lock the answer was given with may differ in the last
digit: that is reported, never returned as the answer.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import torch
from threadpoolctl import threadpool_limits

from layerline.drift.new_rows import read_request_log
from layerline.errors import SourceError, TrackingError
from layerline.registry.predict import load_registered
from layerline.serving.answer_ids import is_of_bytes
from layerline.serving.json_rows import Refused
from layerline.serving.load_model import NO_VERSION
from layerline.serving.request_handler import JSON, RequestHandler, encode


class Asked(NamedTuple):
    """What a request asked, as it was logged."""

    version: str
    rows: list[Any]


def replay(answer_id: str, project: str, log_files: list[Path], home: Path) -> bytes:
    """The bytes of an answer.

    Args:
        answer_id: of the response's header `x-answer-id`.
        project: the registered model.
        log_files: the request log's.
        home: the main checkout, `Workspace.home`.

    Raises:
        SourceError: the row, or one of several, is not in the log; or the bytes differ.
        TrackingError: the version is gone, or the store is unavailable.
    """
    asked = find_answer(answer_id, log_files)
    if asked.version == NO_VERSION:
        raise SourceError(f"{answer_id}: was given by a model in a folder, which has no version")
    try:
        model = load_registered(f"models:/{project}/{asked.version}", home)
    except TrackingError as error:
        raise TrackingError(f"{answer_id}: was given by version {asked.version}: {error}") from None
    torch.set_num_threads(1)
    with threadpool_limits(1):
        handler = RequestHandler(model, any_value=True)
        try:
            content = encode(asked.version, handler.handle(JSON, orjson.dumps(asked.rows)))
        except Refused as refused:
            raise SourceError(
                f"{answer_id}: the logged rows cannot be read again: {refused.faults[0].message}"
            ) from None
    if not is_of_bytes(answer_id, content):
        raise SourceError(
            f"{answer_id}: version {asked.version} gives other bytes here than it did; install "
            "the packages it was served with (requirements.lock), on the same type of processor"
        )
    return content


def find_answer(answer_id: str, log_files: list[Path]) -> Asked:
    """What was asked, from all lines of the answer.

    Raises:
        SourceError: a row is not in the log.
    """
    names = ", ".join(map(str, log_files)) or "no request log"
    version, rows, n_rows = "", {}, 0
    for entry in _lines_of(answer_id, log_files):
        _, at, n_rows = entry["answer"]
        rows[at], version = entry["row"], entry["version"]
    if not rows:
        raise SourceError(
            f"{answer_id}: no row of this answer is in {names}; only the rows that --log-sample "
            "chose are logged, and the log starts anew at 100 MB"
        )
    if len(rows) < n_rows:
        raise SourceError(
            f"{answer_id}: {len(rows):,} of its {n_rows:,} rows are in {names}; a replay needs "
            "them all: serve with --log-sample 1"
        )
    return Asked(version, [rows[at] for at in range(n_rows)])


def _lines_of(answer_id: str, log_files: list[Path]) -> Iterator[dict[str, Any]]:
    for file in log_files:
        for entries in read_request_log(file):
            for entry in entries:
                if str((entry.get("answer") or [""])[0]) == answer_id:  # type: ignore[index]
                    yield entry
