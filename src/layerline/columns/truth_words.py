"""Words for true and false, in pairs, in small letters."""

# A column of text that holds both words of a pair, and nothing else, is one of truth values.
WORD_PAIRS = (
    ("true", "false"),
    ("yes", "no"),
    ("y", "n"),
    ("t", "f"),
    ("on", "off"),
    ("ja", "nein"),
    ("wahr", "falsch"),
    ("oui", "non"),
    ("vrai", "faux"),
    ("s\u00ed", "no"),
    ("si", "no"),
    ("verdadero", "falso"),
    ("s\u00ec", "no"),
    ("sim", "n\u00e3o"),
)
TRUE_WORDS = ("1", *dict.fromkeys(true for true, _ in WORD_PAIRS))
FALSE_WORDS = ("0", *dict.fromkeys(false for _, false in WORD_PAIRS))
