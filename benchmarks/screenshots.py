"""Pictures for the documentation: three trainings of the digits in MLflow's UI, and a model card.

    python benchmarks/screenshots.py                   # clones this checkout and trains there first
    python benchmarks/screenshots.py --home CHECKOUT   # an experiment `digits` that is there

It writes docs/images/*.png. It needs a Chromium or Chrome; see benchmarks/browser.py.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from browser import BrowserError, Page, browser, find_browser

from layerline.tracking import run_list

HERE = Path(__file__).resolve().parents[1]
IMAGES = HERE / "docs" / "images"
TRAININGS = {
    "narrow": {"train.options.hidden": "[32]", "train.options.dropout": "0.0"},
    "default": {},
    "slow-start": {"train.schedule.warmup": "0.3", "train.optimizer.learning_rate": "0.004"},
}
COMPETE = "--set-param=+register.promote_experiments=true"  # else no picture has a champion
MAX_BYTES = 400_000
READY_SECONDS = 120.0
# What the UI shows only once is set as a user who closed it would have it.
FIRST_VISIT = (
    "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');"
    "localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false');"
)
CHARTS = "document.querySelectorAll('.js-plotly-plot .main-svg').length"
NO_SPINNER = "!document.querySelector('[class*=spinner], [class*=skeleton], [aria-busy=true]')"

# The table of metrics is a window of its own, names and values apart, and MLflow 3.17 does not
# always move both. So both are scrolled, the names once more after the values put them back.
SHOW_TEST_FIGURES = """
(async () => {
  const place = name => [...document.querySelectorAll('a')].find(a => a.innerText === name);
  const top = name => place(name).getBoundingClientRect().top;
  const down = top('test/accuracy') - top('gradient_norm');
  const names = place('test/accuracy').closest('.ReactVirtualized__Grid');
  const table = names.parentElement.parentElement;
  const grids = [...table.querySelectorAll('.ReactVirtualized__Grid')]
    .filter(grid => grid.scrollHeight === names.scrollHeight);
  for (const grid of [...grids, names]) {
    grid.scrollTop = down;
    await new Promise(resolve => setTimeout(resolve, 500));
  }
})()
"""


@dataclasses.dataclass(frozen=True)
class Scene:
    """A checkout, the UI that shows its store, and the runs to look at, newest first."""

    home: Path
    address: str
    experiment: str
    runs: list[str]

    def of_newest(self, tab: str = "") -> str:
        """The address of the newest run's page."""
        place = f"experiments/{self.experiment}/runs/{self.runs[0]}{tab}"
        return f"{self.address}/#/{place}{run_list.TRAINING_PAGES}"


def train(folder: Path) -> Path:
    """Clone this checkout and run three experiments in it; return the clone."""
    clone = folder / "clone"
    subprocess.run(["git", "clone", "-q", str(HERE), str(clone)], check=True)
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_"))}
    environment = clean | {"PATH": tools, "PYTHONPATH": str(clone / "src")}
    for name, params in TRAININGS.items():
        # An experiment leaves its params in the folder; each of ours starts anew.
        subprocess.run(["git", "checkout", "-q", "params.yaml"], cwd=clone, check=True)
        settings = [f"--set-param={key}={value}" for key, value in params.items()]
        command = ["dvc", "exp", "run", "--name", name, COMPETE, *settings]
        subprocess.run(command, cwd=clone, env=environment, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["layerline", "flush"], cwd=clone, env=environment, check=True)
    return clone


def newest_runs(home: Path) -> tuple[str, list[str]]:
    """The id of the experiment `digits`, and its last three runs, newest first."""
    from layerline.tracking.store import open_client

    client = open_client(home)
    experiment = client.get_experiment_by_name("digits")
    if experiment is None:
        raise SystemExit(f"{home}: its store has no experiment `digits`")
    runs = client.search_runs([experiment.experiment_id], "attributes.status = 'FINISHED'")
    if len(runs) < len(TRAININGS):
        raise SystemExit(f"{home}: its experiment `digits` has {len(runs)} runs, not 3")
    return str(experiment.experiment_id), [run.info.run_id for run in runs[:3]]


@contextlib.contextmanager
def ui(home: Path) -> Iterator[str]:
    """Run `layerline ui` on a free port of loopback; yield its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    command = ["layerline", "ui", "--port", str(port)]
    process = subprocess.Popen(
        command,
        cwd=home,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + READY_SECONDS
        while not _answers(address):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit("`layerline ui` did not start; try it by hand")
            time.sleep(0.3)
        yield address
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


async def settle(page: Page, n_charts: int = 0) -> None:
    """Wait until that many charts are drawn, nothing loads, and the page has stopped moving."""
    await page.wait_for(f"(document.body?.innerText ?? '').length > 300 && {CHARTS} >= {n_charts}")
    await page.wait_for(NO_SPINNER)
    length = -1
    while (now := await page.run("document.documentElement.outerHTML.length")) != length:
        length = now
        await asyncio.sleep(1.0)


async def compare_tables(page: Page, scene: Scene) -> None:
    """What differs between three runs: params, metrics, and how the one hangs on the other."""
    query = f"runs={json.dumps(scene.runs)}&experiments={json.dumps([scene.experiment])}"
    await page.open(
        f"{scene.address}/#/compare-runs?{query}&workflowType=machine_learning", 1250, 1620
    )
    await settle(page, n_charts=1)
    await page.run("document.querySelector('[aria-label=\"Parameters - Show diff only\"]').click()")
    await settle(page)
    await page.run(SHOW_TEST_FIGURES)
    await settle(page)


async def compare_curves(page: Page, scene: Scene) -> None:
    """Curves of three runs, one over the other, and the figures beside them."""
    query = "compareRunsMode=CHART&workflowType=machine_learning"
    await page.open(f"{scene.address}/#/experiments/{scene.experiment}/runs?{query}", 1450, 1010)
    await settle(page, n_charts=6)
    await page.write(
        "input[placeholder*='Search metric charts']",
        "^((train|valid)/loss|valid/error|learning_rate|test/(accuracy|log_loss))$",
    )
    await settle(page, n_charts=6)


async def list_of_runs(page: Page, scene: Scene) -> None:
    """The runs with their figures and verdicts, as `layerline results` leads to them."""
    place = run_list.run_list(scene.experiment).partition("#")[2]
    await page.open(f"{scene.address}/#{place}", 1450, 500)
    await settle(page)


async def one_run(page: Page, scene: Scene) -> None:
    """A run's curves by epoch."""
    await page.open(scene.of_newest("/model-metrics"), 1450, 1000)
    await settle(page, n_charts=6)
    await page.write(
        "input[placeholder*='Search metric charts']",
        "^((train|valid)/(loss|error)|learning_rate|gradient_norm)$",
    )
    await settle(page, n_charts=3)


async def system_metrics(page: Page, scene: Scene) -> None:
    """What the machine did during a run."""
    await page.open(scene.of_newest("/system-metrics"), 1450, 1000)
    await settle(page, n_charts=6)


async def overview(page: Page, scene: Scene) -> None:
    """A run's page: where it comes from, its data, its tags, its figures and its params."""
    await page.open(scene.of_newest(), 1450, 1300)
    await settle(page)


async def model_version(page: Page, scene: Scene) -> None:
    """A registered version's page: its description, its aliases and its tags."""
    place = f"models/digits/versions/{len(scene.runs)}"
    await page.open(f"{scene.address}/#/{place}{run_list.TRAINING_PAGES}", 1450, 900)
    await settle(page)


async def model(page: Page, scene: Scene) -> None:
    """The registered model's page: its versions, each with its verdict and figures."""
    await page.open(f"{scene.address}/#/models/digits{run_list.TRAINING_PAGES}", 1450, 900)
    await settle(page)


async def model_card(page: Page, scene: Scene) -> None:
    """The beginning of the card that the last training's evaluation wrote."""
    card = scene.home.resolve() / "reports" / "model_card.html"
    if not card.exists():
        raise SystemExit(f"{card} is not there; run `dvc repro` in that checkout first")
    await page.open(card.as_uri(), 1000, 1500)
    await settle(page)


PICTURES = {
    "model": model,
    "model-version": model_version,
    "run-list": list_of_runs,
    "compare-runs": compare_tables,
    "compare-curves": compare_curves,
    "run-overview": overview,
    "run-metrics": one_run,
    "run-system-metrics": system_metrics,
    "model-card": model_card,
}


async def take(home: Path, names: list[str]) -> None:
    """Open the UI on a checkout's store and take the pictures."""
    experiment, runs = newest_runs(home)
    IMAGES.mkdir(parents=True, exist_ok=True)
    with ui(home) as address:
        async with browser() as page:
            await page.call("Page.enable")
            await page.call("Page.addScriptToEvaluateOnNewDocument", source=FIRST_VISIT)
            for name in names:
                await PICTURES[name](page, Scene(home, address, experiment, runs))
                path = IMAGES / f"{name}.png"
                await page.picture(path)
                size = path.stat().st_size
                print(f"{path.relative_to(HERE)}: {size:,} bytes")
                if size > MAX_BYTES:
                    raise BrowserError(f"{path.name} is larger than {MAX_BYTES:,} bytes")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--home", type=Path, help="a checkout whose store has the runs")
    parser.add_argument("--only", choices=PICTURES, action="append", help="this picture alone")
    options = parser.parse_args()
    try:
        find_browser()  # before minutes of training
        with tempfile.TemporaryDirectory() as folder:
            home = options.home or train(Path(folder))
            asyncio.run(take(home, options.only or list(PICTURES)))
    except BrowserError as error:
        print(f"screenshots: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
