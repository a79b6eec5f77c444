"""Values of the Thrift compact protocol, in which Parquet writes its metadata.

Arrow's own objects for them end the process where the metadata of a column are damaged: what is
asked of them before a column is read is read here.

Source: thrift-compact-protocol.md.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")
_STOP, _TRUE, _FALSE, _BYTE, _I16, I32, I64, _DOUBLE, BINARY, LIST, _SET, _MAP, STRUCT = range(13)
_FIXED = {_TRUE: 0, _FALSE: 0, _BYTE: 1, _DOUBLE: 8}  # bytes
_DEEPEST = 16


class ShortError(ValueError):
    """The bytes end before the value does."""


class Compact:
    """Values of the Thrift compact protocol, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """(id, type) of each field of a struct; the caller reads or skips its value."""
        field = 0
        while True:
            byte = self._byte()
            kind = byte & 15
            if kind == _STOP:
                return
            if kind > STRUCT:
                raise ValueError("the metadata has an unknown type")
            field = field + (byte >> 4) if byte >> 4 else self.zigzag()
            yield field, kind

    def skip(self, kind: int, depth: int = 0) -> None:
        """Pass over a value."""
        if depth > _DEEPEST:
            raise ValueError("the metadata is too deep")
        if kind in (_I16, I32, I64):
            self._varint()
        elif kind in _FIXED:
            self._pass(_FIXED[kind])
        elif kind == BINARY:
            self._pass(self._varint())
        elif kind in (LIST, _SET):
            self._skip_list(depth)
        elif kind == STRUCT:
            for _, inner in self.fields():
                self.skip(inner, depth + 1)
        else:
            raise ValueError("the metadata has an unknown type")

    def zigzag(self) -> int:
        """A signed integer."""
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def text(self) -> str:
        """A string."""
        length = self._varint()
        start = self.position
        self._pass(length)
        return self._data[start : self.position].decode()

    def list_of(self, wanted: int, read: Callable[[], T]) -> list[T]:
        """The elements of a list."""
        length, kind = self._list_head()
        if length and kind != wanted:
            raise ValueError("the metadata have a list of an unknown type")
        return [read() for _ in range(length)]

    def _list_head(self) -> tuple[int, int]:
        byte = self._byte()
        length, kind = byte >> 4, byte & 15
        if length == 15:
            length = self._varint()
        if length > len(self._data):
            raise ShortError
        return length, kind

    def _skip_list(self, depth: int) -> None:
        length, kind = self._list_head()
        for _ in range(length):
            if kind in (_TRUE, _FALSE):
                self._pass(1)
            else:
                self.skip(kind, depth + 1)

    def _byte(self) -> int:
        if self.position >= len(self._data):
            raise ShortError
        self.position += 1
        return self._data[self.position - 1]

    def _pass(self, n_bytes: int) -> None:
        self.position += n_bytes
        if self.position > len(self._data):
            raise ShortError

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise ValueError("the metadata has an endless number")
