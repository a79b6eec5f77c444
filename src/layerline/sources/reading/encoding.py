"""The encoding of a text file, where nobody says it: by its byte order mark, or by its letters."""

import codecs
import re
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# How files begin that are no text; what they are, and what to do.
_BINARY = (
    (b"PAR1", "is a Parquet file; give its name the ending .parquet"),
    (b"ARROW1", "is an Arrow file; give its name the ending .arrow"),
    (b"\x1f\x8b", "is compressed; give its name the ending .csv.gz"),
    (b"BZh", "is compressed; give its name the ending .csv.bz2"),
    (b"\xfd7zXZ", "is compressed; give its name the ending .csv.xz"),
    (b"\x28\xb5\x2f\xfd", "is compressed; give its name the ending .csv.zst"),
    (b"PK\x03\x04", "is a workbook or an archive; give its name the ending .xlsx or .zip"),
    (b"\xd0\xcf\x11\xe0", "is an old workbook of Excel; save it as .xlsx or CSV"),
    (b"%PDF-", "is a PDF; save the table as CSV"),
    (b"<!doctype", "is a web page, not a table; check its address, and whether it needs a login"),
    (b"<html", "is a web page, not a table; check its address, and whether it needs a login"),
)
_HEAD = 1 << 12
_SAMPLE = 1 << 17  # bytes of lines that are not ASCII
_NO_WORDS = re.compile(rb"[\x00-\x3f]+")  # beyond it they may be half of a letter
_SIGN_IN_WORD = re.compile(r"\w[^\w\s\x00-\x7f’´–-]\w|\w[¹³]\w|[£¥][^\W\d]")
# What spreadsheets and databases write; each once, under the name that Python knows.
# The same for many letters; the most frequent first.
_LATIN = ("cp1252", "cp1250", "cp1254", "cp1257", "mac_roman", "cp850")
_LEGACY = (
    *(*_LATIN, "cp1251", "cp1253", "cp1255", "cp1256", "koi8_r"),
    *("cp932", "gb18030", "big5", "cp949", "euc_jp"),
)
_ICELANDIC = "áéíðóúýþæö"  # in windows-1252 like Turkish in windows-1254, but for the vowels
_ALPHABETS = (
    "äöüß",  # German
    "àâæçéèêëîïôœùûüÿ",  # French
    "áéíñóúü",  # Spanish
    "àáâãçéêíóôõúü",  # Portuguese
    "àèéìîòù",  # Italian
    "åäöæøéü",  # Swedish, Danish, Norwegian, Finnish
    "ąćęłńóśźż",  # Polish
    "áčďéěíňóřšťúůýž",  # Czech
    "áäčďéíĺľňóôŕšťúýž",  # Slovak
    "áéíóöőúüű",  # Hungarian
    "čćđšž",  # Croatian, Slovene
    "ăâîşţșț",  # Romanian
    "çğıöşüâîi̇",  # Turkish
    "āčēģīķļņšūž",  # Latvian
    "ąčęėįšųūž",  # Lithuanian
    "äõöüšž",  # Estonian
)


def binary_kind(path: Path) -> str | None:
    """What a file is that is no text, and what to do; None for what may be text."""
    with path.open("rb") as file:
        head = file.read(16)
    start = head.lstrip().lower()
    return next((what for mark, what in _BINARY if start.startswith(mark.lower())), None)


def marked_encoding(path: Path) -> str | None:
    """The encoding that the first bytes tell: a byte order mark, or the zeros of UTF-16.

    A byte order mark is certain, and other encodings of ASCII text have no zero bytes.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if half >= 4 and even == 0 and odd > 0.4 * half:
        return "utf-16-le"
    return "utf-16-be" if half >= 4 and odd == 0 and even > 0.4 * half else None


def is_utf8_beyond_ascii(path: Path) -> bool:
    """Whether a file is valid UTF-8 and has letters beyond ASCII."""
    decoder, is_ascii = codecs.getincrementaldecoder("utf-8")(), True
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                is_ascii = is_ascii and block.isascii()
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return not is_ascii


def guess_encoding(path: Path) -> str | None:
    """The legacy encoding of a file that is not UTF-8, by the letters of its lines; None: unclear.

    Source: charset-normalizer, with the encodings that tables are written in.
    """
    from charset_normalizer import from_bytes

    sample = _sample(path)
    best = from_bytes(sample, cp_isolation=list(_LEGACY), enable_fallback=False).best()
    if best is None:
        return None
    found = str(best.encoding)
    if found in _LATIN:
        found = max(_LATIN, key=lambda codec: _fit(sample, codec))  # the first of equals
    return f"windows-{found[2:]}" if found.startswith("cp125") else found


def _fit(sample: bytes, codec: str) -> float:
    """The share of letters beyond ASCII that the best language has; none for signs in words."""
    try:
        text = sample.decode(codec)
    except UnicodeDecodeError:
        return -1.0
    if _SIGN_IN_WORD.search(text):
        return 0.0
    letters = [letter for letter in text.lower() if letter.isalpha() and not letter.isascii()]
    if not letters:
        return 1.0
    share = max(_share(letters, alphabet) for alphabet in _ALPHABETS)
    return max(share, 0.95 * _share(letters, _ICELANDIC))


def _share(letters: list[str], alphabet: str) -> float:
    return sum(letter in alphabet for letter in letters) / len(letters)


def _sample(path: Path) -> bytes:
    """The words of lines with bytes beyond ASCII: digits and signs tell nothing."""
    found, size = [], 0
    with path.open("rb") as file:
        for line in file:
            if not line.isascii():
                found.append(line)
                size += len(line)
            if size > _SAMPLE:
                break
    return _NO_WORDS.sub(b" ", b"".join(found))
