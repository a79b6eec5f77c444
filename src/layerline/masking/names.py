"""Names that mark their value as a credential: of params, of variables, of fields in a text."""

import re

_KEYS = "api|access|private|account|client|secret|signing|encryption|service|storage|master"
# Parts of a name, written with `_`, `-`, or in camelCase; as patterns for re.IGNORECASE.
TELLING = (
    r"passw(?:or)?d|passphrase|secret|token(?!s|_file|_path)|credentials?(?!_file|_path|s)|"
    rf"(?:{_KEYS})[_-]?key|connection[_-]?string|webhook|signature|bearer|authorization"
)
# What tells only as a whole word of the name: `passenger` and `pathway` are no passwords.
WORDS = r"pass|pat|pwd|pw|sig|auth|sas|jwt|cookies?|dsn|secrets|credentials"

END = r"s?(?=$|[\W_]|(?-i:[A-Z]))"  # `tokenizer` and `secretary` tell nothing, `secretKey` does

_NAME = re.compile(rf"(?:{TELLING}){END}|(?:^|[\W_])(?:{WORDS})(?:$|[\W_])", re.I)
_VARIABLE = re.compile(rf"(?:{TELLING}){END}|(?:^|_)(?:{WORDS}|key)$", re.I)
# With these even a number is a credential; `token: 3` may be a count, `signature: 1` a version.
_PASSWORD = re.compile(r"passw|passphrase|secret|(?:^|[\W_])(?:pass|pwd|pw)(?:$|[\W_])", re.I)
_FOLDERS = {"PWD", "OLDPWD"}  # the shell's own: print working directory


def is_telling(name: str) -> bool:
    """Whether a key of this name holds a credential: `smtp.api-key`, `AUTH_TOKEN`, `secrets.x`."""
    return bool(_NAME.search(name))


def names_password(name: str) -> bool:
    """Whether a key of this name holds a password, so that even a number is one."""
    return bool(_PASSWORD.search(name))


def is_telling_variable(name: str) -> bool:
    """Whether a variable of this name holds a credential: `SMTP_PASS`, `STRIPE_KEY`."""
    return name not in _FOLDERS and bool(_VARIABLE.search(name))
