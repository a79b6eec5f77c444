"""What can go wrong for a user, and the exit code each kind ends with.

A message states the rule, the value that broke it, the place, and the remedy. To add a kind, add a
class with its own `exit_code` and a row in the README's table of exit codes.
"""

from collections.abc import Sequence
from typing import NamedTuple


class LayerlineError(Exception):
    """A failure reported to the user in one message, without a traceback."""

    exit_code = 1


class Problem(NamedTuple):
    """One violated rule: where (a dotted params path) and what to do about it."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class ParamsError(LayerlineError):
    """`params.yaml` is invalid; carries every problem found, not only the first."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem], file: str = "params.yaml") -> None:
        self.problems = tuple(problems)
        lines = [f"{file}: {problem}" for problem in self.problems]
        super().__init__("\n".join(lines))


class DataError(LayerlineError):
    """The data violate a rule: the schema, a class minimum, a split that cannot be made."""

    exit_code = 3


class SourceError(LayerlineError):
    """A source cannot be reached or read, or bytes differ from their recorded checksum."""

    exit_code = 4


class DivergedError(LayerlineError):
    """Training produced a loss that is not finite."""

    exit_code = 5


class GateError(LayerlineError):
    """The challenger did not pass the gate (exit code of `layerline retrain` only)."""

    exit_code = 6


class BusyError(LayerlineError):
    """Another process holds the lock."""

    exit_code = 7


class TrackingError(LayerlineError):
    """The tracking server or the model registry is unavailable."""

    exit_code = 8
