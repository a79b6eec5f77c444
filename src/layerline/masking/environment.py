"""Credentials in environment variables: their values are masked wherever they appear."""

import base64
import functools
import os
import re
from typing import NamedTuple
from urllib.parse import quote, unquote

from layerline.masking.names import is_telling_variable

# `user:password@`, up to the last @, because users forget to escape; a port is no password.
USER = re.compile(r"(?<=://)(?:[^\s/@:'\"<>]*:(?!\d+(?:[/\s'\"?#]|$))[^\s'\"<>]*|[^\s/@'\"<>]+)@")
_LENGTH = 6  # from here on a value may be masked inside a word
_SHORTEST = 4
# Values that are set where there is no secret, and defaults that occur in every other text.
_COMMON = frozenset(
    (
        *("true", "false", "none", "null", "test", "user", "root", "admin", "guest", "default"),
        *("public", "local", "postgres", "mysql", "minio", "secret", "token", "changeme"),
        *("password", "passwd"),
    )
)


class Values(NamedTuple):
    """`distinct` can be masked anywhere, longest first; `words` only as whole words."""

    distinct: tuple[str, ...]
    words: "re.Pattern[str] | None"


def secret_values() -> Values:
    """The values in today's environment that must not be shown."""
    return _find(frozenset(os.environ.items()))


@functools.lru_cache(maxsize=4)
def _find(environment: frozenset[tuple[str, str]]) -> Values:
    found: set[str] = set()
    for name, value in environment:
        for user in USER.findall(value):
            found |= _spellings(user[:-1])
        if is_telling_variable(name) and not os.path.exists(value):  # noqa: PTH110 - any text
            found |= {value, value.strip(), quote(value, safe="")}
    distinct = {value for value in found if _is_distinct(value)}
    words = {
        value
        for value in found - distinct
        if len(value) >= _SHORTEST and value.lower() not in _COMMON
    }
    pattern = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return Values(
        tuple(sorted(distinct, key=len, reverse=True)),
        re.compile(rf"(?<![^\W_])(?:{pattern})(?![^\W_])") if words else None,
    )


def _spellings(user: str) -> set[str]:
    """The password of `user:password`, or a token that stands alone, however it is written."""
    password = user.partition(":")[2] or user
    plain = unquote(password)
    basic = base64.b64encode(unquote(user).encode()).decode()
    return {password, plain, quote(plain, safe=""), basic}


def _is_distinct(value: str) -> bool:
    """Whether the value cannot be part of an ordinary word or number."""
    if len(value) < _LENGTH:
        return False
    return len(value) >= 2 * _LENGTH or not (value.isalpha() or value.isdigit())
