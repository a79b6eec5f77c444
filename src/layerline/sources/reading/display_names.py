"""Messages name what the user wrote (a URL, `shop.zip/rows.csv`), not the copy that was read."""

import contextlib
from collections.abc import Iterator, Mapping

from layerline.errors import LayerlineError


@contextlib.contextmanager
def shown_as(names: Mapping[str, str]) -> Iterator[None]:
    """Replace each of these names in the message of an error that leaves the block."""
    try:
        yield
    except LayerlineError as error:
        error.args = (renamed(str(error), names),)
        raise


def renamed(text: str, names: Mapping[str, str]) -> str:
    """The text with each name replaced by the user's own."""
    for name, shown in names.items():
        text = text.replace(name, shown)
    return text
