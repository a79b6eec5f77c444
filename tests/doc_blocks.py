"""The code blocks of README and docs: fenced ones, and indented ones, each by what it is.

A block that no test runs has a comment before it that says why: `<!-- not run: REASON -->`.
"""

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").rglob("*.md")),
    *sorted((ROOT / "recipes").rglob("*.md")),
]
sys.path.insert(0, str(ROOT / "docs" / "site"))
code_kind: Callable[[str], str] = importlib.import_module("code_kinds").code_kind
_FENCED = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.M | re.S)


class Block(NamedTuple):
    """A block, and the line of its page that it begins at."""

    page: str
    line: int
    kind: str  # shell, yaml, python, ... or empty
    text: str
    reason: str = ""  # why no test runs it

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(kind: str) -> list[Block]:
    """All blocks of a kind."""
    return [block for page in PAGES for block in blocks_of(page) if block.kind == kind]


def blocks_of(path: Path) -> list[Block]:
    """The blocks of a page, in order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = sorted(_of(path), key=lambda block: block.line)
    return [block._replace(reason=_reason(lines[: block.line - 1])) for block in found]


def _reason(above: list[str]) -> str:
    line = next((x for x in reversed(above) if x.strip() and not x.lstrip().startswith("```")), "")
    found = re.fullmatch(r"<!-- not run: (\w.*) -->", line.strip())
    return found[1] if found else ""


def _of(path: Path) -> Iterator[Block]:
    page, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    for found in _FENCED.finditer(text):
        kind = {"bash": "shell", "sh": "shell", "console": "shell"}.get(found[2], found[2])
        yield Block(page, text.count("\n", 0, found.start()) + 2, kind, _without_margin(found[3]))
    # Lines of a fenced block count as no indented ones.
    text = _FENCED.sub(lambda found: "-\n" * found[0].count("\n"), text)
    for found in re.finditer(r"(?:\A|\n)\n((?:(?: {4,}[^\n]*)?\n)+)", text):
        line = text.count("\n", 0, found.start(1)) + 1
        for part in _parts(_without_margin(found[1])):
            if kind := code_kind(part):
                yield Block(page, line, kind, part)
            line += part.count("\n") + 2


def _parts(text: str) -> list[str]:
    """Sections of YAML stand for themselves, and so do commands after them."""
    parts: list[str] = []
    for part in text.split("\n\n"):
        before, kind = code_kind(parts[-1]) if parts else "", code_kind(part)
        is_section = re.match(r"[a-z_]+:$", part, re.M)
        if parts and not is_section and {before, kind} != {"yaml", "shell"}:
            parts[-1] += f"\n\n{part}"
        else:
            parts.append(part)
    return parts


def _without_margin(text: str) -> str:
    lines = text.strip("\n").splitlines()
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[margin:] for line in lines)


def commands(block: Block) -> Iterator[tuple[str, ...]]:
    """The commands of a shell block, as words; without comments and variables before them."""
    text = re.sub(r"\\\n\s*", " ", block.text)
    text = re.sub(r"<<'?(\w+)'?.*?\n\1$", "", text, flags=re.M | re.S)
    for line in text.splitlines():
        line = re.sub(r"(^|\s)#.*", "", line.removeprefix("$ "))
        for part in re.split(r"&&|\|\||;|\||\s&\s|\s&$", line):
            words = part.split()
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                words.pop(0)
            if words:
                yield tuple(words)


def contents(block: Block) -> list[Any]:
    """What a YAML block may mean: keys that it has twice are alternatives.

    Raises:
        YAMLError: it is no YAML.
    """
    found = [_variants(one) for one in YAML(typ="safe", pure=True).compose_all(block.text)]
    return [one for variants in found for one in variants]


def _variants(node: Node) -> list[Any]:
    if isinstance(node, SequenceNode):
        return [list(one) for one in _side_by_side([_variants(item) for item in node.value])]
    if not isinstance(node, MappingNode):
        return [YAML(typ="safe", pure=True).constructor.construct_object(node)]
    by_key: dict[Any, list[Any]] = {}
    for key, value in node.value:
        by_key.setdefault(key.value, []).extend(_variants(value))
    return [dict(zip(by_key, one, strict=True)) for one in _side_by_side([*by_key.values()])]


def _side_by_side(columns: list[list[Any]]) -> Iterator[list[Any]]:
    if not columns:
        yield []
    for row in zip_longest(*columns, fillvalue=YAMLError):
        yield [
            columns[place][-1] if value is YAMLError else value for place, value in enumerate(row)
        ]
