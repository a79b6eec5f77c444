"""Every code block of README and docs is run, or says why not."""

import functools
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from doc_blocks import PAGES, ROOT, blocks, blocks_of
from page_data import write_page_data
from page_projects import PROJECTS
from page_sessions import Run, shell
from page_table import ELSEWHERE, SESSIONS

KINDS = ("shell", "yaml", "python")


@functools.cache
def pages() -> list[str]:
    """Those with blocks, except for those that are run elsewhere."""
    found = {block.page for path in PAGES for block in blocks_of(path) if block.kind in KINDS}
    return sorted(page for page in found if not page.startswith(tuple(ELSEWHERE)))


def test_each_block_is_run_or_says_why_not() -> None:
    undeclared = [
        f"{block}: add a session for this page to tests/pages_on_models.py or pages_on_use.py, or "
        f"a comment before the block: <!-- not run: REASON -->"
        for path in PAGES
        for block in blocks_of(path)
        if block.page in pages() and block.kind in KINDS
        if not block.reason and block.page not in SESSIONS
    ]
    assert not undeclared


def test_each_session_and_each_page_run_elsewhere_is_there() -> None:
    names = [path.relative_to(ROOT).as_posix() for path in PAGES]
    assert set(SESSIONS) <= set(pages())
    assert [place for place in ELSEWHERE if not any(n.startswith(place) for n in names)] == []
    for where in ELSEWHERE.values():
        tests = [word.strip(",;") for word in where.split() if word.startswith("tests/")]
        assert all((ROOT / test).is_file() for test in tests)


def test_what_differs_from_the_page_has_a_reason() -> None:
    for session in SESSIONS.values():
        assert all(len(edit.why) > 5 for edit in session.edits)
    declared = [block for path in PAGES for block in blocks_of(path) if block.reason]
    assert all(len(block.reason.split()) > 1 for block in declared)


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Projects by name, made once, to be copied."""
    made: dict[str, Path] = {}

    def start(name: str) -> Path:
        if name not in made:
            folder = tmp_path_factory.mktemp(name or "empty") / "project"
            folder.mkdir()
            write_page_data(folder)
            shutil.copytree(ROOT / "recipes", folder / "recipes")
            shell(folder, PROJECTS[name])
            made[name] = folder
        return made[name]

    return start


def marked(page: str) -> object:
    return pytest.param(page, marks=pytest.mark.slow) if SESSIONS[page].is_slow else page


@pytest.mark.parametrize("page", [marked(page) for page in SESSIONS])
def test_the_blocks_of_a_page_run_in_order(
    page: str, started: Callable[[str], Path], tmp_path: Path
) -> None:
    session, folder = SESSIONS[page], tmp_path / "project"
    shutil.copytree(started(session.start), folder, symlinks=True)
    found = [b for b in blocks_of(ROOT / page) if b.kind in KINDS and not b.reason]
    Run(session, folder).run(found)
    assert found


@pytest.mark.slow
def test_each_benchmark_that_a_page_names_starts() -> None:
    named = [line.split() for block in blocks("shell") for line in block.text.splitlines()]
    scripts = {
        word
        for words in named
        for word in words
        if word.startswith("benchmarks/") and ".py" in word
    }
    assert len(scripts) > 15
    for script in sorted(scripts):
        done = subprocess.run(
            [sys.executable, script, "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}: {done.stderr}"
