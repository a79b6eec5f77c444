"""Trained checkouts, and scripts that a real Chromium runs on a page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from registered import clean_environment, made

__all__ = ["clean_environment", "made"]

SIZE = (1200, 900)


@pytest.fixture
def browse(tab) -> Callable[..., list[Any]]:
    """Open a page and run scripts one after the other; return their values.

    Fails on any error of the console and any request; skips where there is no Chromium.
    """
    runner, page = tab

    async def look(path: Path, scripts: tuple[str, ...], size: tuple[int, int]) -> list[Any]:
        page.events.clear()
        await page.open(path.resolve().as_uri(), *size)
        await page.wait_for("window.explorer", 120)
        values = [await page.run(script) for script in scripts]
        await page.run("new Promise(requestAnimationFrame)")
        assert page.problems() == []
        return values

    def run(path: Path, *scripts: str, size: tuple[int, int] = SIZE) -> list[Any]:
        return runner.run(look(path, scripts, size))

    return run
