"""A version of a registered model as users name it: models:/NAME@ALIAS or models:/NAME/VERSION."""

import re
from typing import NamedTuple, Self

_PATTERN = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>\d+)|@(?P<alias>[^/@]+))")


class ModelUri(NamedTuple):
    """A model's name, and either a version or an alias."""

    name: str
    version: str | None = None
    alias: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The parts of a URI; None when it is not one of these two forms."""
        found = _PATTERN.fullmatch(text)
        return None if found is None else cls(**found.groupdict())

    def __str__(self) -> str:
        what = f"/{self.version}" if self.alias is None else f"@{self.alias}"
        return f"models:/{self.name}{what}"
