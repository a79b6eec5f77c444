"""Pictures for the documentation: the pages that Layerline makes, of the tutorial's wines.

    python benchmarks/page_pictures.py                  # trains first, in a temporary folder
    python benchmarks/page_pictures.py --home FOLDER    # in a folder that it keeps, or finds made

It writes docs/images/*.png. It needs a Chromium or Chrome; see benchmarks/browser.py.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from browser import BrowserError, Page, browser, find_browser
from PIL import Image

HERE = Path(__file__).resolve().parents[1]
IMAGES = HERE / "docs" / "images"
MAX_BYTES = 400_000
WINES = """
from sklearn.datasets import load_wine
frame = load_wine(as_frame=True).frame
frame["target"] = frame["target"].map({0: "Barolo", 1: "Grignolino", 2: "Barbera"})
frame = frame.rename(columns={"target": "grower"})
frame.to_csv("wines.csv", index=False)
new = frame.sample(100, random_state=1)
new["alcohol"] += 0.6
new["color_intensity"] *= 1.4
new.to_csv("new.csv", index=False)
"""
COMMANDS = """
layerline new .
git config user.email a@example.org
git config user.name A
python wines.py
layerline init wines.csv --target grower --fast
dvc repro
git add -A
git commit -qm start
sed -i 's/epochs: [0-9]*/epochs: 15/' params.yaml
dvc repro
layerline compare v1 v2
layerline drift new.csv
layerline study run quick --trials 20
layerline explore --no-browser
layerline explore --textbook --no-browser --output reports/textbook.html
"""
PLAYGROUND = """new Promise((done) => {
  document.getElementById('tab-playground').click();
  const [problem] = document.querySelectorAll('#playground select');
  problem.value = 'circles';
  problem.dispatchEvent(new Event('change'));
  document.getElementById('run').click();
  const look = () => document.getElementById('learnt').innerText.startsWith('epoch 300')
    ? done(0) : setTimeout(look, 200);
  look();
})"""
UNIT = """Object.assign(explorer.session, {layer: 1, unit: 11}), explorer.session.run(),
  document.getElementById('tab-forward').click()"""


class Picture(NamedTuple):
    """A page, the window it is seen in, and what is done there first."""

    page: str  # within the project; or the server's path
    width: int = 1200
    height: int = 900
    script: str = "0"


PICTURES = {
    "validation": Picture("reports/validation.html"),
    "comparison": Picture("reports/comparison/comparison.html", height=1000),
    "drift": Picture("reports/drift/drift.html", height=1150),
    "study": Picture("reports/studies/quick/study.html", height=1400),
    "explorer-forward": Picture("reports/textbook.html", height=1000),
    "explorer-neuron": Picture("reports/textbook.html", script=UNIT),
    "explorer-playground": Picture("reports/textbook.html", 1280, 860, PLAYGROUND),
    "explorer-what-if": Picture(
        "reports/explorer.html", 1280, 1250, "document.getElementById('tab-whatif').click()"
    ),
    "server-docs": Picture(
        "/docs", script="document.querySelector('.opblock-post .opblock-summary-control').click()"
    ),
}


def make_project(folder: Path) -> None:
    """Train two models of the wines, compare them, and make every page."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "wines.py").write_text(WINES)
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", COMMANDS],
        cwd=folder,
        env=_environment(),
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _environment() -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_"))}
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    source = {"PYTHONPATH": str(HERE / "src"), "MLFLOW_DISABLE_TELEMETRY": "true"}
    return clean | source | {"PATH": tools}


@contextlib.contextmanager
def server(home: Path) -> Iterator[str]:
    """Serve the champion on a free port of loopback; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["layerline", "serve", "models:/wines@champion", "--port", str(port)],
        cwd=home,
        env=_environment(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


async def take(home: Path, names: list[str]) -> None:
    """Open the pages one after the other and take the pictures."""
    async with browser() as page:
        for name in names:
            picture = PICTURES[name]
            if picture.page.startswith("/"):
                with server(home) as address:
                    await _open(page, f"{address}{picture.page}", picture)
                    await _keep(page, name)
            else:
                await _open(page, (home / picture.page).resolve().as_uri(), picture)
                await _keep(page, name)


async def _open(page: Page, address: str, picture: Picture) -> None:
    is_there = "document.readyState === 'complete' && (document.body?.innerText ?? '').length > 300"
    for _ in range(120):  # a server takes some seconds
        await page.open(address, picture.width, picture.height)
        with contextlib.suppress(BrowserError):
            await page.wait_for(is_there, 2)
            break
    await page.run(picture.script)
    await asyncio.sleep(1.0)


async def _keep(page: Page, name: str) -> None:
    path = IMAGES / f"{name}.png"
    await page.picture(path)
    few = Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE, colors=128)
    few.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.relative_to(HERE)}: {size:,} bytes")
    if size > MAX_BYTES:
        raise BrowserError(f"{path.name} is larger than {MAX_BYTES:,} bytes")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--home", type=Path, help="the project of the wines; made if not there")
    parser.add_argument("--only", choices=PICTURES, action="append", help="this picture alone")
    options = parser.parse_args()
    try:
        find_browser()  # before minutes of training
        with tempfile.TemporaryDirectory() as folder:
            home = options.home or Path(folder)
            if not (home / "reports" / "textbook.html").exists():
                make_project(home)
            asyncio.run(take(home, options.only or list(PICTURES)))
    except BrowserError as error:
        print(f"page_pictures: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
