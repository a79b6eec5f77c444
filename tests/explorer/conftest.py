"""Trained checkouts, and a real Chromium that runs scripts on a page."""

import asyncio
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from registered import clean_environment, made

__all__ = ["clean_environment", "made"]

_PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "browser.py"
_SPEC = importlib.util.spec_from_file_location("layerline_test_browser", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
chromium = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = chromium  # dataclasses and pickling look modules up
_SPEC.loader.exec_module(chromium)

SIZE = (1200, 900)


@pytest.fixture(scope="session")
def tab() -> Iterator[tuple[asyncio.Runner, Any]]:
    """One browser for all tests of a worker, and the loop that its page belongs to."""
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


@pytest.fixture
def browse(tab) -> Callable[..., list[Any]]:
    """Open a page and run scripts one after the other; return their values.

    Fails on any error of the console and any request; skips where there is no Chromium.
    """
    runner, page = tab

    async def look(path: Path, scripts: tuple[str, ...], size: tuple[int, int]) -> list[Any]:
        page.events.clear()
        await page.open(path.resolve().as_uri(), *size)
        await page.wait_for("window.explorer", 30)
        values = [await page.run(script) for script in scripts]
        await page.run("new Promise(requestAnimationFrame)")
        assert page.problems() == []
        return values

    def run(path: Path, *scripts: str, size: tuple[int, int] = SIZE) -> list[Any]:
        return runner.run(look(path, scripts, size))

    return run
