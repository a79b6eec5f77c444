"""A headless Chromium, driven through its DevTools protocol: open, wait, click, take a picture.

Needs a Chromium or Chrome on this machine, and aiohttp, which DVC brings along.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
START_SECONDS = 30.0


class BrowserError(Exception):
    """There is no browser, or a page did not become what was waited for."""


def find_browser() -> str:
    """The browser's path: $CHROMIUM, or the first of NAMES.

    Raises:
        BrowserError: there is none.
    """
    given = os.environ.get("CHROMIUM")
    found = [given] if given else [path for name in NAMES if (path := shutil.which(name))]
    if not found or not Path(found[0]).exists():
        raise BrowserError(
            "no Chromium or Chrome here; install one (apt-get install chromium), or set CHROMIUM "
            "to its path"
        )
    return found[0]


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []  # what DevTools reported meanwhile

    async def call(self, method: str, **params: Any) -> Any:
        """Ask DevTools for something and return its answer; `events` keeps what comes between."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            answer = await self._socket.receive_json(timeout=120)
            if answer.get("id") == number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    async def watch(self) -> None:
        """Have requests, log entries and exceptions reported from now on."""
        for domain in ("Network", "Log", "Runtime", "Page"):
            await self.call(f"{domain}.enable")

    def problems(self) -> list[str]:
        """Errors on the console, exceptions, and requests that left the page."""
        found = []
        for event in self.events:
            method, params = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                found.append(details.get("exception", {}).get("description", details["text"]))
            elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                found.append(params["entry"]["text"])
            elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
                found.append(str([value.get("value") for value in params["args"]]))
            elif method == "Network.requestWillBeSent":
                url = params["request"]["url"]
                if not url.startswith(("file:", "data:", "blob:", "about:")):
                    found.append(f"request: {url}")
        return found

    async def run(self, script: str) -> Any:
        """Evaluate JavaScript and return its value."""
        answer = await self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            what = details.get("exception", {}).get("description", details["text"])
            raise BrowserError(f"{script}: {what}")
        return answer["result"].get("value")

    async def wait_for(self, script: str, seconds: float = 60.0) -> None:
        """Wait until an expression is true.

        Raises:
            BrowserError: it did not become so in time.
        """
        until = time.monotonic() + seconds
        while not await self.run(f"!!({script})"):
            if time.monotonic() > until:
                raise BrowserError(f"this did not happen within {seconds:.0f} s: {script}")
            await asyncio.sleep(0.2)

    async def open(self, url: str, width: int, height: int, *, dark: bool = False) -> None:
        """Load an address in a window of that size."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        await self.call("Page.navigate", url="about:blank")  # else a new #hash is no new page
        await self.call("Page.navigate", url=url)

    async def write(self, selector: str, text: str) -> None:
        """Type into a field."""
        await self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        await self.call("Input.insertText", text=text)

    async def picture(self, path: Path, *, whole: bool = False) -> None:
        """Save what the window shows as PNG, or the whole page."""
        answer = await self.call(
            "Page.captureScreenshot", format="png", captureBeyondViewport=whole
        )
        path.write_bytes(base64.b64decode(answer["data"]))


@contextlib.asynccontextmanager
async def browser(*flags: str) -> AsyncIterator[Page]:
    """Start the browser with a profile of its own; yield its page; end it, and all it started."""
    command = [find_browser(), *flags, "--headless=new", "--remote-debugging-port=0"]
    command.append("--disable-gpu")
    command += ["--no-first-run", "--hide-scrollbars", "--force-color-profile=srgb"]
    # As on a desk: charts show their tools under the mouse only, not always as on a touch screen.
    command.append(
        "--blink-settings=primaryHoverType=2,availableHoverTypes=2,"
        "primaryPointerType=4,availablePointerTypes=4"
    )
    if os.geteuid() == 0:
        command.append("--no-sandbox")  # Chromium's own sandbox refuses to run as root
    with tempfile.TemporaryDirectory(prefix="layerline-browser-", ignore_cleanup_errors=True) as f:
        process = subprocess.Popen(
            [*command, f"--user-data-dir={f}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            port = await _port(Path(f) / "DevToolsActivePort", process)
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    tabs = [tab for tab in await answer.json() if tab["type"] == "page"]
                address = tabs[0]["webSocketDebuggerUrl"]
                async with session.ws_connect(address, max_msg_size=1 << 28) as socket:
                    yield Page(socket)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


async def _port(file: Path, process: "subprocess.Popen[bytes]") -> str:
    until = time.monotonic() + START_SECONDS
    while not (file.exists() and "\n" in file.read_text()):
        if process.poll() is not None or time.monotonic() > until:
            raise BrowserError(f"{process.args[0]} did not start; try it by hand")  # type: ignore[index]
        await asyncio.sleep(0.1)
    return file.read_text().splitlines()[0]
