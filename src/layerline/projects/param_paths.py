"""Values at dotted paths of params.yaml, written with the file's comments and order kept."""

import io
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

from layerline.artifacts import write_text
from layerline.config.dotted_paths import set_value
from layerline.errors import ParamsError, Problem

_WIDTH = 1 << 20


def write_values(file: Path, values: Mapping[str, Any]) -> None:
    """Set values at dotted paths of a params file; its comments and order stay.

    Raises:
        ParamsError: the file is not a mapping.
    """

    def change(content: Any) -> None:
        for path, value in values.items():
            set_value(content, path, _flow(value))

    _rewrite(file, change)


def remove_paths(file: Path, paths: Sequence[str]) -> None:
    """Remove values at dotted paths of a params file, and what is empty without them.

    Raises:
        ParamsError: the file is not a mapping.
    """

    def change(content: Any) -> None:
        for path in paths:
            _remove(content, path.split("."))

    _rewrite(file, change)


def _remove(content: Any, keys: Sequence[str]) -> None:
    key, *rest = keys
    if not isinstance(content, MutableMapping) or key not in content:
        return
    if rest:
        _remove(content[key], rest)
    if not rest or content[key] == {}:
        del content[key]


def _rewrite(file: Path, change: Callable[[Any], None]) -> None:
    yaml = YAML()
    yaml.width = _WIDTH
    yaml.preserve_quotes = True
    yaml.representer.add_representer(type(None), _null)
    content = yaml.load(file.read_text(encoding="utf-8"))
    if not isinstance(content, Mapping):
        raise ParamsError([Problem("(root)", "must be a mapping")], file.name)
    change(content)
    stream = io.StringIO()
    yaml.dump(content, stream)
    if stream.getvalue() != file.read_text(encoding="utf-8"):
        write_text(file, stream.getvalue())


def _null(representer: Any, value: None) -> Any:
    """`key: null` stays as it is, where ruamel would write `key:`."""
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _flow(value: Any) -> Any:
    """A list on one line, as people write it."""
    if not isinstance(value, list | tuple):
        return value
    found = CommentedSeq(_flow(item) for item in value)
    found.fa.set_flow_style()
    return found
