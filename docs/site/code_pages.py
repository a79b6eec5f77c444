"""The reference of messages and of the Python interface, from the source and its docstrings."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import layerline
from layerline import errors
from layerline.errors import ExitCode

_ARRAY = re.compile(r"numpy\.ndarray\[tuple\[typing\.Any, \.\.\.\], numpy\.dtype\[[\w.]*?(\w+)\]\]")
_SOURCE = Path(layerline.__file__).parent


class Message(NamedTuple):
    """A message as the source has it; what differs from case to case is `…`."""

    code: int
    text: str
    file: str


def errors_page() -> Iterator[str]:
    """Each exit code with its remedy, and the messages that end with it."""
    yield "# Errors\n"
    yield (
        "Every error is one message: what rule broke, the value that broke it, where, and what to "
        "do. Here are the messages as the source has them, with `…` for what differs from case to "
        "case; search the site for the words of yours. Those composed of several parts may be "
        "missing. [Troubleshooting](../troubleshooting.md) explains the most frequent ones.\n"
    )
    yield "| exit code | meaning | what to do |\n|---:|---|---|"
    yield from (f"| {code} | {code.meaning} | {code.remedy} |" for code in ExitCode)
    yield "\n## What a machine may lack\n\n| message | remedy |\n|---|---|"
    lacks = dict.fromkeys(errors._LACKS.values())
    yield from (f"| {what} | {remedy}; run it again |" for what, remedy in lacks)
    found = messages()
    for code in ExitCode:
        listed = sorted({(one.file, one.text) for one in found if one.code == code})
        if listed:
            yield f"\n## Exit code {code}\n\n| message | from |\n|---|---|"
            yield from (f"| {_cell(text)} | `{file}` |" for file, text in listed)


def _cell(text: str) -> str:
    words = " ".join(text.split()).replace("|", "\\|")
    return re.sub(r"([<>*_\[\]])", r"\\\1", words) if "`" not in words else words


def messages() -> list[Message]:
    """Every message that the source raises, as far as it stands there in one piece."""
    trees = {path: ast.parse(path.read_text()) for path in sorted(_SOURCE.rglob("*.py"))}
    kinds = _kinds(trees.values())
    found = []
    for path, tree in trees.items():
        file = path.relative_to(_SOURCE).as_posix()
        for function in (one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)):
            for call in (one for one in ast.walk(function) if isinstance(one, ast.Call)):
                code = _code(call, kinds, file)
                if code is not None:
                    texts = _texts(call.args[-1 if _name(call) == "Problem" else 0], function)
                    found += [Message(code, text, file) for text in texts if len(text) > 8]
    return found


def _kinds(trees: Iterator[ast.Module]) -> dict[str, int]:
    """The name of each kind of error and its exit code, those of single rooms too."""
    known = {
        name: int(one.exit_code)
        for name, one in vars(errors).items()
        if isinstance(one, type) and issubclass(one, errors.LayerlineError)
    }
    for tree in trees:
        for one in ast.walk(tree):
            if isinstance(one, ast.ClassDef) and one.bases and one.name not in known:
                base = ast.unparse(one.bases[0])
                own = re.search(r"exit_code = ExitCode\.(\w+)", ast.unparse(one))
                if base in known:
                    known[one.name] = ExitCode[own[1]] if own else known[base]
    return known


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _code(call: ast.Call, kinds: dict[str, int], file: str) -> int | None:
    name = _name(call)
    if not call.args or name == "ParamsError":  # its Problems have the messages
        return None
    if name == "Problem" or (name == "ValueError" and file.startswith("config/")):
        return int(ExitCode.PARAMS)
    return kinds.get(name)


def _texts(node: ast.expr, function: ast.FunctionDef) -> list[str]:
    """The texts that an expression may be, where they stand in the source."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        parts = [str(one.value) if isinstance(one, ast.Constant) else "\0" for one in node.values]
        return [re.sub(r"\0+", "…", "".join(parts))]
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body, function), *_texts(node.orelse, function)]
    if isinstance(node, ast.Name):
        return [
            text
            for one in ast.walk(function)
            if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == node.id
            if not isinstance(one.value, ast.Name)
            for text in _texts(one.value, function)
        ]
    return []


def python_page() -> Iterator[str]:
    """What `import layerline` offers, by its docstrings."""
    yield "# Python\n"
    yield "What `import layerline` offers, from its docstrings; [how to use it](../python.md).\n"
    for name in layerline.__all__:
        found = getattr(layerline, name)
        yield f"\n## layerline.{name}\n"
        yield from _described(name, found)
        for method, one in inspect.getmembers(found) if isinstance(found, type) else ():
            if not method.startswith("_") and _is_ours(one) and inspect.getdoc(one):
                yield f"\n### {name}.{method}\n"
                yield from _described(method, one)


def _is_ours(found: object) -> bool:
    function = found.fget if isinstance(found, property) else found
    return str(getattr(function, "__module__", "")).startswith("layerline")


def _described(name: str, found: object) -> Iterator[str]:
    if callable(found):
        text = _ARRAY.sub(r"NDArray[\1]", str(inspect.signature(found)))
        text = re.sub(r"\b(?:[a-z_]\w*\.)+(?=[A-Z])", "", text)
        yield f"```text\n{name}{_wrapped(text)}\n```\n"
    for part in (inspect.getdoc(found) or "").split("\n\n"):
        head, _, rest = part.partition("\n")
        if head in ("Args:", "Raises:", "Returns:", "Attributes:"):
            yield f"**{head[:-1]}**\n"
            entries = re.findall(r"^ {4}(\S.*?): (.*(?:\n {5,}.*)*)", rest, re.M)
            yield from (f"- `{key}`: {' '.join(text.split())}" for key, text in entries)
            yield "" if entries else f"{' '.join(rest.split())}\n"
        elif part.startswith(">>>"):
            yield f"```python\n{part}\n```\n"
        else:
            yield f"{part}\n"


def _wrapped(signature: str) -> str:
    """One parameter a line, where they are many."""
    if len(signature) < 90:
        return signature
    depth, text = 0, ""
    for letter in signature:
        depth += (letter in "([{") - (letter in ")]}")
        text += letter
        text += "\n   " if letter == "," and depth == 1 else ""
    return text
