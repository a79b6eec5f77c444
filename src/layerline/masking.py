"""Credentials masked, wherever text leaves the process: the screen, the journal, MLflow, files.

`masked` hides what it knows as one: the user part of a URL, parameters with telling names, tokens
of known makers, and the values of environment variables with telling names. `mask_output` puts
that before stdout and stderr. To hide one more form: a line in _FORMS, or a word in _TELLING.
"""

import base64
import functools
import io
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO
from urllib.parse import quote, unquote

HIDDEN = "***"

_TELLING = (
    "passw(?:or)?d|passphrase|secret|token(?!s|_file|_path)|api_?key|access_?key|private_?key|"
    "account_?key|credentials?(?!_file|_path|s)|connection_string|webhook|signature|bearer"
)
_NAME = re.compile(
    rf"(?:^|[\W_])(?:\w*_)?(?:{_TELLING}|secrets|credentials|pass|pat|pwd|sig|auth|sas)(?:$|[\W_])",
    re.I,
)
_ENVIRONMENT = re.compile(rf"(?:{_TELLING}|(?:^|_)(?:pat|pwd|auth|dsn)$)", re.I)
# `user:password@` up to the last @, since users forget to escape; a port is no password.
_USER = re.compile(r"(?<=://)(?:[^\s/@:'\"<>]*:(?!\d+(?:[/\s'\"?#]|$))[^\s'\"<>]*|[^\s/@'\"<>]+)@")
# What stands in every text of the form, the form, and what is left of it.
_FORMS = (
    ("@", _USER, f"{HIDDEN}@"),
    # ?token=..., &X-Amz-Signature=..., password=...
    (
        "=",
        re.compile(
            rf"((?<![\w.-])[\w.-]*(?:{_TELLING}|access_?key_?id|x-amz-credential)[\w.-]*=|[?&#]sig=|"
            r"[?&#](?:key|auth|sas|pwd|code)=)['\"]?[^\s&#'\"<>,;)]+",
            re.I,
        ),
        rf"\g<1>{HIDDEN}",
    ),
    # {'password': '...'} and {"token": "..."}
    (
        ":",
        re.compile(rf"(['\"][\w.-]*(?:{_TELLING})[\w.-]*['\"]\s*:\s*)(['\"]).+?\2", re.I),
        rf"\g<1>\g<2>{HIDDEN}\g<2>",
    ),
    (" ", re.compile(r"\b(Bearer|Basic)\s+[\w+/=.~-]{8,}", re.I), rf"\g<1> {HIDDEN}"),
    (
        "",
        re.compile(
            r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{10,}|"
            r"hf_\w{20,}|sk-[\w-]{20,}|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[\w-]{30,}|dapi[0-9a-f]{32}|"
            r"pypi-[\w-]{16,}|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*)"
        ),
        HIDDEN,
    ),
    ("hooks", re.compile(r"(hooks\.slack\.com/services/)[\w/]+"), rf"\g<1>{HIDDEN}"),
    (
        "-----",
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END[^\n]*|\Z)", re.S),
        HIDDEN,
    ),
)
_MIN_LENGTH = 6  # of a value that is hidden wherever it stands


def masked(text: str) -> str:
    """The text with every credential in it as ***.

    >>> masked("cannot read https://me:s3cret@example.org/rows.csv?sig=abc&page=2")
    'cannot read https://***@example.org/rows.csv?sig=***&page=2'
    """
    for sign, pattern, replacement in _FORMS:
        if sign in text:
            text = pattern.sub(replacement, text)
    for value in _values(frozenset(os.environ.items())):
        text = text.replace(value, HIDDEN)
    return text


def masked_value(name: str, value: Any) -> Any:
    """A value as it may be told: hidden when its name tells what it is, else masked within."""
    if isinstance(value, str):
        return HIDDEN if value and is_telling(name) else masked(value)
    if isinstance(value, Mapping):
        return {key: masked_value(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [masked_value(name, inner) for inner in value]
    return value


def is_telling(name: str) -> bool:
    """Whether a key of this name holds a credential: `smtp.api_key`, `AUTH_TOKEN`, `secrets.x`."""
    return bool(_NAME.search(name))


def credentials_in(values: Mapping[str, Any]) -> list[str]:
    """The keys of a flat mapping whose values hold a credential."""
    return [name for name, value in values.items() if masked_value(name, value) != _plain(value)]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


@functools.lru_cache(maxsize=4)
def _values(environment: frozenset[tuple[str, str]]) -> tuple[str, ...]:
    """What the environment holds that must not be told, longest first."""
    found: set[str] = set()
    for name, value in environment:
        for user in _USER.findall(value):
            found |= _spellings(user[:-1])
        if _ENVIRONMENT.search(name) and not os.path.exists(value):  # noqa: PTH110 - any text
            found.add(value)
    return tuple(sorted(filter(_is_distinct, found), key=len, reverse=True))


def _spellings(user: str) -> set[str]:
    """The password of `user:password`, or a token that is all there is, however it is written."""
    password = user.partition(":")[2] or user
    plain = unquote(password)
    basic = base64.b64encode(unquote(user).encode()).decode()
    return {password, plain, quote(plain, safe=""), basic}


def _is_distinct(value: str) -> bool:
    """Whether it may be hidden wherever it stands: no word, number or `true` that others use."""
    if len(value) < _MIN_LENGTH:
        return False
    return len(value) >= 2 * _MIN_LENGTH or not (value.isalpha() or value.isdigit())


class _MaskedStream:
    """A text stream that masks what is written to it, and is the stream itself otherwise."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(masked(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def mask_output() -> None:
    """Mask what this process, and whatever library in it, writes to stdout and stderr from now on.

    For good, not for a block: a traceback that ends the process comes last. What the encoding of
    the terminal or the log cannot express (… in ASCII) is written as an escape.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if not isinstance(sys.stderr, _MaskedStream):
        sys.stdout, sys.stderr = _MaskedStream(sys.stdout), _MaskedStream(sys.stderr)
