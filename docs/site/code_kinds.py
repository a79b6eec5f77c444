"""What a code block without a language is, told from its words, so that the site colours it."""

import re

_PROGRAMS = (
    *("layerline", "dvc", "make", "git", "pip", "python", "curl", "source", "export", "cd", "cp"),
    *("mlflow", "torchrun", "docker", "kubectl", "sbatch", "echo", "for", "done", "mv", "unzip"),
)
_FENCED = re.compile(r"^( *)```.*?^\1```$", re.M | re.S)
_INDENTED = re.compile(r"(?<=\n\n)(?: {4}[^\n]*\n(?:\n(?= {4}))?)+")
_LISTED = re.compile(r"^(?:[-*]|\d+\.) .*\n(?:  [^\n]*\n|\n)*\Z", re.M)


def code_kind(text: str) -> str:
    """`shell`, `yaml`, `python`, or nothing.

    >>> code_kind("make test"), code_kind("seed: 0"), code_kind("import layerline"), code_kind("x")
    ('shell', 'yaml', 'python', '')
    """
    words = [line.split() for line in text.splitlines() if line.strip()]
    if re.match(r"(from|import|def|class) \w+|>>>", text):
        return "python"
    if any(line[0] in _PROGRAMS or re.fullmatch(r"[A-Z_]+=\S+", line[0]) for line in words):
        return "shell"
    return "yaml" if re.match(r"(#[^\n]*\n)*[\w.-]+:(\s|$)", text) else ""


def with_languages(text: str) -> str:
    r"""A page whose indented blocks are fenced ones with a language, where it can be told.

    >>> print(with_languages("Run\n\n    make test\n\nand look.\n"))
    Run
    <BLANKLINE>
    ```shell
    make test
    ```
    <BLANKLINE>
    and look.
    <BLANKLINE>
    """
    fences = [found.span() for found in _FENCED.finditer(text)]

    def fenced(found: re.Match[str]) -> str:
        code = re.sub(r"^ {4}", "", found[0], flags=re.M).rstrip("\n")
        kind = code_kind(code)
        is_within = any(start <= found.start() < end for start, end in fences)
        if is_within or not kind or _LISTED.search(text[: found.start()]):
            return found[0]
        return f"```{kind}\n{code}\n```\n"

    return _INDENTED.sub(fenced, text)
