"""A real Chromium that runs scripts on a page, and axe, which judges whether all can use it."""

import asyncio
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

_PATH = Path(__file__).resolve().parents[1] / "benchmarks" / "browser.py"
_FINDINGS = """
axe.run(document, {resultTypes: ['violations']}).then((result) => result.violations
  .filter((found) => ['serious', 'critical'].includes(found.impact))
  .map((found) => `${found.id}: ${found.nodes.map((node) => node.html.slice(0, 150)).join(' ')}`))
"""


def _chromium() -> Any:
    spec = importlib.util.spec_from_file_location("layerline_test_browser", _PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickling look modules up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tab() -> Iterator[tuple[asyncio.Runner, Any]]:
    """One browser for all tests of a worker, and the loop that its page belongs to."""
    chromium = _chromium()
    try:
        chromium.find_browser()
    except chromium.BrowserError as error:
        pytest.skip(str(error))
    with asyncio.Runner() as runner:
        manager = chromium.browser()
        page = runner.run(manager.__aenter__())
        runner.run(page.watch())
        yield runner, page
        runner.run(manager.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's script: of the package axe-core-python, or the file that LAYERLINE_AXE names."""
    given = os.environ.get("LAYERLINE_AXE")
    if given is None:
        spec = importlib.util.find_spec("axe_core_python")
        if spec is None or spec.origin is None:
            pytest.skip("axe-core-python is not installed, and LAYERLINE_AXE is not set")
        given = str(Path(spec.origin).parent / "axe.min.js")
    return Path(given).read_text(encoding="utf-8")


@pytest.fixture
def obstacles(request) -> Callable[..., list[str]]:
    """What axe finds serious on a page, in each view that a script opens; wide, or a dark phone.

    Without a browser the call skips the test: it stands last in those that show other things, too.
    """

    async def look(uri: str, scripts: Sequence[str], is_dark: bool) -> list[str]:
        _, page = request.getfixturevalue("tab")
        await page.open(uri, 390 if is_dark else 1200, 900, dark=is_dark)
        await page.wait_for("document.readyState === 'complete'", 120)
        await page.run(f"{request.getfixturevalue('axe')};0")
        found = []
        for script in scripts:
            await page.run(f"({script}, 0)")
            found += await page.run(_FINDINGS)
        return found

    def run(place: Path | str, scripts: Sequence[str] = ("0",), is_dark: bool = False) -> list[str]:
        uri = place.resolve().as_uri() if isinstance(place, Path) else place
        runner, _ = request.getfixturevalue("tab")
        return runner.run(look(uri, scripts, is_dark))

    return run
