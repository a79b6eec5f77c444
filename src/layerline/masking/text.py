"""Credentials in a text, found by their form: the user part of a URL, `password=`, known tokens.

To mask one more form: a line in _FORMS, or a word in `names`.
"""

import re

from layerline.masking.environment import USER, Values, secret_values
from layerline.masking.names import END, TELLING, WORDS

HIDDEN = "***"

# A value in quotes, with what is escaped in it, or in the braces of ODBC.
_QUOTED = r"(?:\"(?:\\.|\"\"|[^\"\\\n])*\"|'(?:\\.|''|[^'\\\n])*'|\{(?:\}\}|[^}\n])*\})"
_BARE = r"[^\s&#'\"<>,;)]+"
_KEYWORD = (
    rf"(?:[\w.-]*(?:(?:{TELLING}){END}|access[_-]?key[_-]?id|x-amz-credential)[\w.-]*|"
    rf"(?:[\w.-]*[_.-])?(?:{WORDS}))"
)
_TOKENS = (
    r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|gl(?:pat|dt|ft|soat|rt|ptt|agent)-[\w-]{16,}|"
    r"xox[a-z]-[\w-]{10,}|hf_\w{20,}|sk-[\w-]{20,}|[rs]k_(?:live|test)_\w{16,}|npm_\w{30,}|"
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}|AIza[\w-]{30,}|dapi[0-9a-f]{32}|pypi-[\w-]{16,}|"
    r"SG\.[\w-]{20,}\.[\w-]{20,}|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*)"
)
# What is in every text of the form, the form, and what is left of it.
_FORMS = (
    ("@", USER, f"{HIDDEN}@"),
    # postgresql://me:a pass'word@host
    (
        "@",
        re.compile(
            r"(?<=://)[^\s/@:'\"<>]*:(?!\d+(?:[/\s'\"?#]|$))[^@/\n]{1,100}@"
            r"(?=[\w-]+(?:\.[\w-]+)*(?::\d+)?(?:[/?#\s'\"]|$))"
        ),
        f"{HIDDEN}@",
    ),
    # Server=db;PWD=a b;Trusted=no: between semicolons blanks belong to the value
    (
        ";",
        re.compile(rf"((?:^|;)\s*{_KEYWORD}\s*=\s*)(?!{_QUOTED})[^;\n]*[^;\s]", re.I | re.M),
        rf"\g<1>{HIDDEN}",
    ),
    # ?token=..., &X-Amz-Signature=..., password=..., password = "a b"; PWD=/here is the shell's
    (
        "=",
        re.compile(
            rf"((?<![\w.-])(?!(?:OLD)?PWD=/){_KEYWORD}(?:=|\s=\s)|[?&#](?:key|code)=)"
            rf"(?:{_QUOTED}|['\"]?{_BARE})",
            re.I,
        ),
        rf"\g<1>{HIDDEN}",
    ),
    # {'password': '...'}, {"token": "..."}
    (
        ":",
        re.compile(rf"(['\"]{_KEYWORD}['\"]\s*:\s*)(['\"])(?:\\.|(?!\2)[^\\])*\2", re.I | re.S),
        rf"\g<1>\g<2>{HIDDEN}\g<2>",
    ),
    # Headers, up to the end of the line
    (
        ":",
        re.compile(
            r"(?<![\w.'\"-])((?:proxy-)?authorization|(?:set-)?cookie|x-api-key|api-key)(:\s*+)"
            r"(?!(?:Bearer|Basic)\s)[^\n'\"]+",
            re.I,
        ),
        rf"\g<1>\g<2>{HIDDEN}",
    ),
    # password: hunter2, and nothing after it in its line
    (
        ":",
        re.compile(r"(?<![\w.-])(passw(?:or)?d|passphrase|secret)(:\s+)[^\s'\"]+$", re.I | re.M),
        rf"\g<1>\g<2>{HIDDEN}",
    ),
    # --password hunter2
    (
        "--",
        re.compile(rf"(--{_KEYWORD}\s+)(?:{_QUOTED}|(?!-){_BARE})", re.I),
        rf"\g<1>{HIDDEN}",
    ),
    (" ", re.compile(r"\b(Bearer|Basic)\s+[\w+/=.~-]{8,}", re.I), rf"\g<1> {HIDDEN}"),
    ("", re.compile(_TOKENS), HIDDEN),
    ("hooks", re.compile(r"(hooks\.slack\.com/services/)[\w/]+"), rf"\g<1>{HIDDEN}"),
    (
        "-----",
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END[^\n]*|\Z)", re.S),
        HIDDEN,
    ),
)


def masked(text: str) -> str:
    """The text with every credential in it as ***.

    >>> masked("cannot read https://me:s3cret@example.org/rows.csv?sig=abc&page=2")
    'cannot read https://***@example.org/rows.csv?sig=***&page=2'
    """
    values = secret_values()
    text = _without_forms(text, values)
    return text if values.words is None else values.words.sub(HIDDEN, text)


def masked_forms(text: str) -> str:
    """The same, but values of variables that could be ordinary words stay."""
    return _without_forms(text, secret_values())


def _without_forms(text: str, values: Values) -> str:
    for sign, pattern, replacement in _FORMS:
        if sign in text:
            text = pattern.sub(replacement, text)
    for value in values.distinct:
        text = text.replace(value, HIDDEN)
    return text
