"""The id of an answer: its second half is of the bytes, so that a replay can be verified."""

import hashlib
import secrets


def new_id(content: bytes) -> str:
    """A name for one answer."""
    return f"{secrets.token_hex(6)}-{_digest(content)}"


def is_of_bytes(name: str, content: bytes) -> bool:
    """Whether an answer of this id had these bytes."""
    return name.rpartition("-")[2] == _digest(content)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
