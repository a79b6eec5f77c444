"""The explorer's page in a real browser: first paint, the time of a tweak, numbers against NumPy.

    python benchmarks/explorer.py    # writes benchmarks/results/explorer.md

It needs a Chromium or Chrome; see browser.py.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from browser import BrowserError, Page, browser

from layerline.explorer.build_page import build_page
from layerline.explorer.find_model import Exhibit
from layerline.explorer.network_layers import members_of
from layerline.explorer.page_data import to_plain
from layerline.explorer.sample_rows import Sample
from layerline.explorer.textbook import textbook_exhibit
from layerline.model.bundle import About
from layerline.model.predictor import Model
from layerline.networks import build_network
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.scaling.preprocessing.scalers import Affine

HERE = Path(__file__).resolve().parents[1]
RESULTS = HERE / "benchmarks" / "results" / "explorer.md"
TWEAKS, PAINTS = 100, 5
NETWORKS, ROWS = 100, 100  # comparisons: their product
SIZE = (1180, 960)

# What a user waits for: the change, the forward pass, and all that is drawn until the next frame.
TWEAK = """
(async (count, isIdle) => {
  const {session} = explorer, times = [];
  for (let turn = 0; turn < count; turn++) {
    await new Promise(requestAnimationFrame);
    const started = performance.now();
    if (!isIdle) {
      session.layers[0].weight[turn * 7 % session.layers[0].weight.length] += 0.01;
      session.weightsChanged();
    }
    const drawn = performance.now();
    await new Promise((done) => { const {port1, port2} = new MessageChannel();
      port1.onmessage = done; requestAnimationFrame(() => port2.postMessage(0)); });
    times.push([performance.now() - started, drawn - started, session.milliseconds]);
  }
  return times;
})
"""
# The next frame begins as soon as the last one is drawn, rather than every 16.7 ms.
UNTIMED = ("--disable-frame-rate-limit", "--run-all-compositor-stages-before-draw")
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1"
COMPARE = """
(({members, rows}) => {
  const {arithmetic, network} = explorer.modules, [layers] = arithmetic.decodeArrays(members);
  return rows.map((row) => network.forward(layers, Float64Array.from(row))
    .map((step) => Array.from(step.output)));
})
"""


def wide() -> Exhibit:
    """784-500-300-10 with batch norm, on random images."""
    torch.manual_seed(0)
    network = build_network("mlp", {"hidden": [500, 300]}, input_shape=(1, 28, 28), d_out=10)
    affine, classes, shape = Affine((33.0,), (78.0,)), tuple(range(10)), (28, 28)
    fitted = Preprocessor("digit", "multiclass", classes, image=affine, image_shape=shape)
    about = About("digits", "multiclass", "digit", classes, (), shape)
    generator = np.random.default_rng(0)
    rows = generator.integers(0, 256, (300, *shape), dtype=np.uint8)
    sample = Sample(rows, generator.integers(0, 10, 300))
    return Exhibit(Model(about, network.eval(), fitted), sample, "784-500-300-10")


async def measure(page: Page, path: Path) -> dict[str, Any]:
    """First paint of a page (median of several openings), and its tweaks."""
    paints = []
    for _ in range(PAINTS):
        await page.open(path.as_uri(), *SIZE)
        await page.wait_for("window.explorer")
        await asyncio.sleep(0.3)
        paints.append(await page.run(PAINT))
    ready = await page.run("performance.getEntriesByType('navigation')[0].domComplete")
    sizes = {"size": path.stat().st_size, "paint": statistics.median(paints), "ready": ready}
    return sizes | await tweaks(page)


async def tweaks(page: Page) -> dict[str, float]:
    """Milliseconds of tweaks and of empty frames, each as its median and p95."""
    times = await page.run(f"({TWEAK})({TWEAKS}, false)")
    idle = await page.run(f"({TWEAK})({TWEAKS}, true)")
    parts = dict(zip(("shown", "drawn", "forward"), zip(*times, strict=True), strict=True))
    found = {}
    for name, values in (parts | {"idle": [shown for shown, _, _ in idle]}).items():
        found[name] = statistics.median(values)
        found[f"{name} p95"] = sorted(values)[int(0.95 * TWEAKS)]
    return found


async def measure_untimed(page: Page, path: Path) -> dict[str, float]:
    """The tweaks of a page whose frames wait for nothing."""
    await page.open(path.as_uri(), *SIZE)
    await page.wait_for("window.explorer")
    await asyncio.sleep(0.5)
    return {f"untimed {name}": value for name, value in (await tweaks(page)).items()}


def numpy_outputs(layers: list[dict[str, Any]], x: np.ndarray) -> list[np.ndarray]:
    """Each dense layer's outputs in float64, as the formula says."""
    found = []
    for layer in layers:
        z = x @ layer["weight"].T.astype(np.float64)
        if layer["bias"] is not None:
            z = z + layer["bias"]
        if (norm := layer["norm"]) is not None:
            deviation = np.sqrt(norm["variance"].astype(np.float64) + norm["epsilon"])
            z = (z - norm["mean"]) / deviation * norm["scale"] + norm["shift"]
        x = np.maximum(z, 0) if layer["activation"] == "relu" else z
        found.append(x)
    return found


async def compare(page: Page) -> float:
    """The largest relative difference of any output of any layer, over all comparisons."""
    worst = 0.0
    for seed in range(NETWORKS):
        torch.manual_seed(seed)
        widths = [int(width) for width in torch.randint(3, 40, (1 + seed % 5,))]
        network = build_network("mlp", {"hidden": widths}, input_shape=(12,), d_out=5).eval()
        for name, value in network.state_dict().items():
            if "running_var" in name:
                value.uniform_(0.3, 3)
            elif value.ndim == 1 and value.is_floating_point():
                value.normal_()
        layers, rows = members_of(network)[0], torch.randn(ROWS, 12).tolist()
        given = json.dumps({"members": to_plain([layers]), "rows": rows})
        answers = await page.run(f"({COMPARE})({given})")
        for place, expected in enumerate(numpy_outputs(layers, np.array(rows))):
            found = np.array([row[place] for row in answers])
            scale = np.maximum(np.abs(expected), 1e-12)
            worst = max(worst, float((np.abs(found - expected) / scale).max()))
    return worst


def report(lines: dict[str, dict[str, Any]], worst: float, version: str) -> str:
    cpu = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), platform.processor(),
    )  # fmt: skip
    names = ("forward", "drawn", "untimed shown", "untimed idle", "shown", "idle")
    rows = [
        f"| {name} | {m['size'] / 1e6:.2f} | {m['paint']:.0f} | {m['ready']:.0f} | "
        + " | ".join(f"{m[column]:.1f}, {m[f'{column} p95']:.1f}" for column in names)
        + " |"
        for name, m in lines.items()
    ]
    return "\n".join([
        "# The explorer's page", "",
        f"`python benchmarks/explorer.py`: {version}, headless, without a GPU; {cpu}, "
        f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.",
        f"A tweak ({TWEAKS} of them) is one changed weight: the whole forward pass and all "
        "drawing. Milliseconds; of tweaks the median, then p95. An empty frame is one in which "
        "nothing changed.", "",
        "- *script*: the page's own work, the forward pass included",
        "- *drawn*: until style, layout, paint, raster and the composed frame are done, in a "
        f"browser whose frames wait for nothing (`{' '.join(UNTIMED)}`)",
        "- *on the screen*: the same in the browser as it is, where a frame begins every 16.7 ms, "
        "so a change always waits for the next one",
        "", "Frames are composed in software here.", "",
        "| page | MB | first paint | loaded | forward | script | drawn | empty | on the screen "
        "| empty |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|", *rows, "",
        f"Numbers against NumPy in float64: {NETWORKS} random networks (1 to 5 hidden layers, "
        f"batch norm, ReLU), {ROWS} rows each, every unit of every layer of {NETWORKS * ROWS:,} "
        f"rows: the largest relative difference is {worst:.1e}.", "",
    ])  # fmt: skip


async def run() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pages = {"seven layers (textbook)": textbook_exhibit(), "784-500-300-10": wide()}
        paths = {title: folder / f"{place}.html" for place, title in enumerate(pages)}
        for title, exhibit in pages.items():
            paths[title].write_text(build_page(exhibit), encoding="utf-8")
        async with browser() as page:
            version = (await page.call("Browser.getVersion"))["product"]
            lines = {title: await measure(page, path) for title, path in paths.items()}
            worst = await compare(page)
        async with browser(*UNTIMED) as page:
            for title, path in paths.items():
                lines[title] |= await measure_untimed(page, path)
    text = report(lines, worst, version)
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


def main() -> int:
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    try:
        asyncio.run(run())
    except BrowserError as error:
        print(f"explorer: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
