"""One table, written in any way: the bytes of data/raw are those of the plain file."""

import bz2
import csv
import gzip
import io
import itertools
import lzma
import random
from pathlib import Path

import pytest

from layerline.sources import SOURCES

HEADER = ["Größe", "Ort", "Wort", "Preis"]
TOWNS = ["Köln", "München", "Düsseldorf", "Ulm"]
ROWS = [
    [f"{i}.5" if i % 7 else "", TOWNS[i % 4], ["a b", "x,y;z|w", 'say "hi"', "z"][i % 4], str(i)]
    for i in range(40)
]
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "latin-1", "cp850")
SEPARATORS = (",", ";", "\t", "|")
LINE_ENDS = ("\n", "\r\n")
QUOTING = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC)
BEFORE = ("", "sep=", "Bericht\n\n", "# by X\n")
PACKED = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
ALL = list(itertools.product(ENCODINGS, SEPARATORS, LINE_ENDS, QUOTING, BEFORE, PACKED))
Way = tuple[str, str, str, int, str, str]


def written(way: Way) -> bytes:
    encoding, separator, line_end, quoting, before, packed = way
    stream = io.StringIO(newline="")
    stream.write(f"sep={separator}{line_end}" if before == "sep=" else before)
    writer = csv.writer(stream, delimiter=separator, lineterminator=line_end, quoting=quoting)
    writer.writerows([HEADER, *ROWS])
    return PACKED[packed](stream.getvalue().encode(encoding))


def raw_bytes(folder: Path, content: bytes, name: str) -> bytes:
    (folder / name).write_bytes(content)
    SOURCES["files"].build(folder, "Preis", path=str(folder / name))
    return (folder / "table.parquet").read_bytes()


def check(ways: list[Way], folder: Path) -> None:
    plain = raw_bytes(folder, written(("utf-8", ",", "\n", csv.QUOTE_MINIMAL, "", "")), "t.csv")
    for number, way in enumerate(ways):
        found = raw_bytes(folder, written(way), f"{number}.csv{way[-1]}")
        assert found == plain, way


def test_some_ways_to_write_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    check(random.Random(0).sample(ALL, 150), tmp_path)


@pytest.mark.slow
def test_all_ways_to_write_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert len(ALL) >= 2000
    check(ALL, tmp_path)
