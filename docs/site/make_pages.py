"""The pages of the site: docs/, the README and results, and a reference made from the code.

    python docs/site/make_pages.py FOLDER

mkdocs.yml reads them from build/pages; `make docs` does both.
"""

import re
import shutil
import sys
from pathlib import Path

from code_kinds import with_languages
from code_pages import errors_page, python_page
from editor_schemas import editor_schemas
from reference_pages import commands_page, params_page, table_page

ROOT = Path(__file__).resolve().parents[2]
# Where a link of a page in the repository leads to in the site.
_MOVED = (
    (re.compile(r"\]\((?:\.\./)*benchmarks/results/"), "](PLACEbenchmarks/"),
    (re.compile(r"\]\((?:\.\./)*docs/"), "](PLACE"),
    (re.compile(r"\]\((?:\.\./)*(CONTRIBUTING|CHANGELOG)\.md"), r"](PLACE\1.md"),
    (re.compile(r"\]\((?:\.\./)*README\.md"), "](PLACEindex.md"),
)
# What a page has no use for, so that its tables and plots get the room: pages of one part have no
# table of contents, and those without neighbours no list of these.
_HIDDEN = {"index.md": ["navigation"], "tutorial.md": ["navigation"]}
_REFERENCE = {
    "params": params_page,
    "table": table_page,
    "commands": commands_page,
    "errors": errors_page,
    "python": python_page,
}


def make_pages(folder: Path) -> None:
    """Write all pages into a folder, which is emptied before."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder, ignore=shutil.ignore_patterns("site"))
    shutil.copytree(ROOT / "benchmarks" / "results", folder / "benchmarks")
    for name in ("README", "CONTRIBUTING", "CHANGELOG"):
        shutil.copyfile(ROOT / f"{name}.md", folder / f"{name}.md")
    (folder / "README.md").rename(folder / "index.md")
    for page in folder.rglob("*.md"):
        text = with_languages(_with_moved_links(page, folder))
        hidden = _HIDDEN.get(page.name, [] if "\n## " in text else ["toc"])
        page.write_text(f"---\nhide: [{hidden[0]}]\n---\n\n{text}" if hidden else text)
    for name in ("site.css", "iframe-worker.js"):
        shutil.copyfile(ROOT / "docs" / "site" / name, folder / name)
    reference = folder / "reference"
    reference.mkdir()
    for name, page in _REFERENCE.items():
        (reference / f"{name}.md").write_text("\n".join(page()) + "\n")
    for name, text in editor_schemas().items():
        (reference / name).write_text(text)


def _with_moved_links(page: Path, folder: Path) -> str:
    text = page.read_text()
    place = "../" * len(page.parent.relative_to(folder).parts)
    for pattern, target in _MOVED:
        text = pattern.sub(target.replace("PLACE", place), text)
    return text


if __name__ == "__main__":
    make_pages(Path(sys.argv[1]))
