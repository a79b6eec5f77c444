"""Trained checkouts, and a real Chromium that runs scripts on a page."""

import asyncio
import importlib.util
import sys
from collections.abc import Callable
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


@pytest.fixture
def browse() -> Callable[..., list[Any]]:
    """Open a page and run scripts one after the other; return their values.

    Fails on any error of the console and any request; skips where there is no Chromium.
    """
    try:
        chromium.find_browser()
    except chromium.BrowserError as error:
        pytest.skip(str(error))

    async def look(path: Path, scripts: tuple[str, ...], size: tuple[int, int]) -> list[Any]:
        async with chromium.browser() as page:
            await page.watch()
            await page.open(path.resolve().as_uri(), *size)
            await page.wait_for("window.explorer", 30)
            values = [await page.run(script) for script in scripts]
            await page.run("new Promise(requestAnimationFrame)")
            assert page.problems() == []
            return values

    def run(path: Path, *scripts: str, size: tuple[int, int] = SIZE) -> list[Any]:
        return asyncio.run(look(path, scripts, size))

    return run
