"""What can go wrong for a user, and the exit code each kind ends with.

A message states the rule, the value that broke it, the place, and the remedy. To add a kind, add an
exit code, a class that has it, and a row in the README's table, which a test compares.
"""

import enum
import errno
import os
import re
from collections.abc import Sequence
from typing import Any, NamedTuple


class ExitCode(enum.IntEnum):
    """How commands and stages end, what it means and what to do about it."""

    meaning: str
    remedy: str

    def __new__(cls, code: int, meaning: str, remedy: str) -> "ExitCode":
        """A number with its two texts."""
        made = int.__new__(cls, code)
        made._value_, made.meaning, made.remedy = code, meaning, remedy
        return made

    DEFECT = (
        1,
        "anything else: something that the machine lacks, or a defect in Layerline",
        "free what the message names; report a defect, with the traceback that it names",
    )
    PARAMS = (
        2,
        "params.yaml or a command is invalid, or asks for something impossible",
        "correct the keys that the message names; it has all problems at once",
    )
    DATA = (
        3,
        "the data violate the schema, or cannot be split",
        "correct the rows that the message names, set them aside with "
        "validate.on_bad_rows: quarantine, or change the schema if it is too narrow",
    )
    SOURCE = (
        4,
        "a source cannot be reached or read, or a checksum differs",
        "repair the file or the connection; get the file again, or state its new sha256",
    )
    DIVERGED = (
        5,
        "the training diverged",
        "a lower train.optimizer.learning_rate, or train.clip_norm: 1.0; look for outliers",
    )
    GATE = (
        6,
        "the gate refused the model (retraining only)",
        "nothing is wrong: the champion stays; reports/registration.json has the comparison",
    )
    BUSY = (
        7,
        "another process holds the lock",
        "wait for the process that the message names, or end it",
    )
    STORE = (
        8,
        "the registry or the tracking store is unavailable",
        "start or repair the store, then `layerline flush` or `layerline register`",
    )
    DRIFTED = (
        9,
        "something drifted (`layerline drift --fail` only)",
        "reports/drift/drift.html shows what; train on the new rows if they are right",
    )


class LayerlineError(Exception):
    """A failure reported to the user in one message, without a traceback."""

    exit_code: int = ExitCode.DEFECT


class Problem(NamedTuple):
    """One violated rule: where (a dotted params path) and what to do about it."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class ParamsError(LayerlineError):
    """`params.yaml` is invalid; carries every problem found, not only the first."""

    exit_code = ExitCode.PARAMS

    def __init__(self, problems: Sequence[Problem], file: str = "params.yaml") -> None:
        self.problems = tuple(problems)
        lines = [f"{file}: {problem}" for problem in self.problems]
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled with its message as it is now, on the way from a worker."""
        return _restored, (type(self), self.problems, self.args)


def _restored(
    kind: type[ParamsError], problems: Sequence[Problem], texts: tuple[object, ...]
) -> ParamsError:
    error = kind(problems)
    error.args = texts
    return error


class DataError(LayerlineError):
    """The data violate a rule: the schema, a class minimum, a split that cannot be made."""

    exit_code = ExitCode.DATA


class SourceError(LayerlineError):
    """A source cannot be reached or read, or bytes differ from their recorded checksum."""

    exit_code = ExitCode.SOURCE


class DivergedError(LayerlineError):
    """Training produced a loss that is not finite."""

    exit_code = ExitCode.DIVERGED


class GateError(LayerlineError):
    """The challenger did not pass the gate (exit code of `layerline retrain` only)."""

    exit_code = ExitCode.GATE


class BusyError(LayerlineError):
    """Another process holds the lock."""

    exit_code = ExitCode.BUSY


class TrackingError(LayerlineError):
    """The tracking server or the model registry is unavailable."""

    exit_code = ExitCode.STORE


# What a machine may lack, or has in the way: what to say, and the remedy.
_LACKS = {
    errno.ENOSPC: ("the disk is full", "free some space"),
    errno.EDQUOT: ("the disk quota is used up", "free some space"),
    errno.EFBIG: ("files may not become so large here", "raise the limit (ulimit -f)"),
    errno.EROFS: ("the disk is read-only", "mount it so that it can be written"),
    errno.EACCES: ("not permitted", "change the permissions, or be the user who owns it"),
    errno.EPERM: ("not permitted", "change the permissions, or be the user who owns it"),
    errno.EMFILE: ("too many open files", "raise the limit (ulimit -n)"),
    errno.ENFILE: ("too many open files on this machine", "close other programs"),
    errno.EBUSY: ("in use, perhaps as a mount point", "stop what uses it, or unmount it"),
    errno.ESTALE: ("the network disk lost the file", "mount it again"),
    errno.EIO: ("the disk fails", "check it"),
    errno.EISDIR: ("a folder is where a file belongs", "move it away"),
    errno.ENOTDIR: ("a file is where a folder belongs", "move it away"),
    errno.EEXIST: ("a file is where a folder belongs", "move it away"),
    errno.ENOTEMPTY: ("a folder is where a file or an empty folder belongs", "move it away"),
    errno.ELOOP: ("a symbolic link leads to itself", "remove it"),
    errno.ENOMEM: ("not enough memory", "close other programs, or take fewer rows at a time"),
    errno.EAGAIN: ("too many processes or threads", "close some, or raise the limit (ulimit -u)"),
}
_IN_THE_WAY = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ELOOP)
_CODE = re.compile(r"\(os error (\d+)\)|\[[Ee]rrno (\d+)\]")  # of libraries in Rust and C++
_NO_MEMORY = ("can't allocate memory", "can't start new thread", "Cannot allocate memory")


def machine_error(error: BaseException, path: str | None = None) -> OSError | None:
    """An OSError with its code for what a machine lacks, whichever library raised it; else None.

    Args:
        error: what was raised.
        path: the file, where the library does not name it.
    """
    code = error.errno if isinstance(error, OSError) else None
    text = str(error)
    if code is None and (found := _CODE.search(text)):
        code = int(found[1] or found[2])
    if isinstance(error, MemoryError) or any(part in text for part in _NO_MEMORY):
        code = errno.ENOMEM
    if code is None and "No space left on device" in text:
        code = errno.ENOSPC
    if code not in _LACKS:
        return None
    # Where one file replaces another, the second is the one that people know.
    names = (getattr(error, name, None) for name in ("filename2", "filename"))
    return OSError(code, os.strerror(code), next(filter(None, names), path))


def machine_problem(error: BaseException) -> LayerlineError | None:
    """What the machine lacks, or has in the way, when that is why something failed; else None."""
    known = machine_error(error)
    if known is None or known.errno is None:
        return None
    what, remedy = _LACKS[known.errno]
    where = "" if known.filename is None else f" ({known.filename})"
    kind = SourceError if known.errno in _IN_THE_WAY else LayerlineError
    return kind(f"{what}{where}; {remedy} and run it again")
