"""A version of MLflow's registry as users name it: models:/NAME@ALIAS or models:/NAME/VERSION."""

import re
from typing import NamedTuple

_PATTERN = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>\d+)|@(?P<alias>[^/@]+))")


class RegisteredName(NamedTuple):
    """A version of the registry, by its number or by an alias."""

    name: str
    version: str | None = None
    alias: str | None = None


def parse_uri(uri: str) -> RegisteredName | None:
    """Read models:/NAME@ALIAS or models:/NAME/VERSION; None for any other URI."""
    match = _PATTERN.fullmatch(uri)
    return None if match is None else RegisteredName(**match.groupdict())
