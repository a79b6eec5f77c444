"""Predictions on their way to a file: one part per chunk, so that a killed run can resume.

The parts lie in a hidden folder next to the output. A part appears whole or not at all; the output
is assembled from all of them at the end: the same bytes however often a run was killed.
"""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from filelock import FileLock, Timeout

from layerline.artifacts import read_json, replace_file, write_json
from layerline.errors import BusyError, LayerlineError, ParamsError, Problem, SourceError
from layerline.model.table_writers import open_writer

_FACTS, _LOCK = "run.json", "lock"
_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")


def refused_path(output: Path) -> Path:
    """The side file: number and reason of each row that was refused."""
    return output.with_name(f"{output.name}.refused.csv")


class Parts:
    """The chunks that are already predicted; made by `open_parts`."""

    def __init__(self, folder: Path, output: Path) -> None:
        self._folder = folder
        self._output = output

    def has(self, number: int) -> bool:
        """Whether this chunk was predicted by an earlier run."""
        return self._predicted(number).exists()

    def add(self, number: int, predicted: pa.Table, refused: pa.Table) -> None:
        """Write the results of a chunk."""
        if refused.num_rows:
            _write(self._refused(number), refused)
        _write(self._predicted(number), predicted)  # last: it marks the chunk as done

    def _predicted(self, number: int) -> Path:
        return self._folder / f"{number:08d}.arrow"

    def _refused(self, number: int) -> Path:
        return self._folder / f"{number:08d}.refused.arrow"

    def finish(self, n_parts: int) -> tuple[int, int]:
        """Assemble output and side file; return the number of rows in each."""
        side = refused_path(self._output)
        paths = [self._refused(number) for number in range(n_parts)]
        n_refused = _join([path for path in paths if path.exists()], side)
        if not n_refused:
            side.unlink(missing_ok=True)  # an earlier run's would be mistaken for this one's
        n_rows = _join([self._predicted(number) for number in range(n_parts)], self._output)
        return n_rows, n_refused


@contextlib.contextmanager
def open_parts(output: Path, facts: Mapping[str, Any], *, resume: bool) -> Iterator[Parts]:
    """Hold the parts of an output; they are deleted when the block ends or its input was bad.

    Args:
        output: the file to write.
        facts: what determines the bytes of a part, as JSON; a run with other facts cannot resume.
        resume: keep the parts of an earlier run that was killed; otherwise discard them.

    Raises:
        BusyError: another process is writing this output.
        ParamsError: the earlier run read or predicted something else.
    """
    folder = output.with_name(f".{output.name}.parts")
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK)
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        raise BusyError(
            f"{output}: another `layerline predict` is writing it; wait for it"
        ) from None
    with held:
        _begin(folder, output, facts, resume=resume)
        try:
            yield Parts(folder, output)
        except LayerlineError:
            shutil.rmtree(folder)
            raise
        shutil.rmtree(folder)


def _begin(folder: Path, output: Path, facts: Mapping[str, Any], *, resume: bool) -> None:
    path = folder / _FACTS
    if resume and path.exists():
        before = read_json(path)
        other = sorted(key for key in facts if before.get(key) != facts[key])
        if other:
            message = (
                f"cannot resume {output}: changed since the first run: {', '.join(other)}; "
                "start over without --resume"
            )
            raise ParamsError([Problem("--resume", message)], "layerline predict")
        return
    for left in folder.iterdir():
        if left.name != _LOCK:
            left.unlink()
    write_json(path, facts)


def _write(path: Path, table: pa.Table) -> None:
    with (
        replace_file(path) as temporary,
        pa.OSFile(str(temporary), "wb") as file,
        pa.ipc.new_file(file, table.schema, options=_COMPRESSED) as writer,
    ):
        writer.write_table(table)


def _read(path: Path) -> Iterator[pa.Table]:
    try:
        with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
            yield reader.read_all()
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path}: damaged ({error}); start over without --resume") from None


def _join(paths: list[Path], output: Path) -> int:
    """Write all parts into one file, which replaces what was there; return the rows."""
    n_rows = 0
    if not paths:
        return n_rows
    write: Callable[[pa.Table], None] | None = None
    with replace_file(output) as temporary, contextlib.ExitStack() as stack:
        for path in paths:
            for table in _read(path):
                write = write or stack.enter_context(open_writer(temporary, output, table.schema))
                write(table)
                n_rows += table.num_rows
        stack.close()
    return n_rows
