"""The textbook's questions about MLPs, each answered by a study on real data.

    python benchmarks/textbook.py --root FOLDER [--only NAME ...] [--work FOLDER]

FOLDER holds the folders MNIST and FashionMNIST with their IDX files. Every question is a recipe of
recipes/studies, run by `layerline study compare` in a project of its own; pages and plots go to
docs/studies. With --work the projects stay there, and a second call trains only what is missing.
"""

import argparse
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from ruamel.yaml import YAML
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

HERE = Path(__file__).resolve().parents[1]
PAGES = HERE / "docs" / "studies"
# A plain network, which the variants change; images are many, so fewer rows and epochs do.
PLAIN = {
    "network": "mlp",
    "options": {"hidden": [256, 128], "activation": "relu", "norm": "batch", "dropout": 0.2},
    "optimizer": {"name": "adamw", "learning_rate": 0.002, "weight_decay": 0.01},
    "schedule": {"name": "cosine"},
    "batch_size": 64,
    "epochs": 40,
    "early_stopping": {"patience_epochs": 15},
}
OF_IMAGES = {"epochs": 12, "early_stopping": {"patience_epochs": 6}}
OF_TABLES = {"options": {"hidden": [64, 32], "activation": "relu", "norm": "none", "dropout": 0.0}}


class Question(NamedTuple):
    """A recipe, the data that it is asked of, and what its base gets there."""

    recipe: str
    data: str
    seeds: int
    base: Mapping[str, Any] = MappingProxyType({})
    beside: str = ""


SOME = {"rows": 10_000}
QUESTIONS = (
    Question("activations", "fashion-mnist", 3, SOME),
    Question("batch-size", "mnist", 3, SOME),
    Question("schedules", "fashion-mnist", 3, SOME),
    Question("dropout", "fashion-mnist", 3, {**SOME, "train.epochs": 20}),
    Question("losses", "fashion-mnist", 3, SOME),
    Question("losses-of-two-classes", "breast-cancer", 5),
    Question("losses-of-numbers", "diabetes", 5),
    Question("layers", "fashion-mnist", 3, SOME),
    Question("over-fitting", "mnist", 3, {"train.epochs": 60}),
    Question("feature-scaling", "breast-cancer", 5),
    Question("outliers", "breast-cancer-outliers", 5),
    Question("missing-values", "breast-cancer-gaps", 5),
    Question("starts", "fashion-mnist", 3, {"rows": 5_000}),
    Question("learning-curve", "mnist", 5),
    Question(
        "transfer",
        "digits-after-mnist",
        5,
        {"rows": 100, "train.transfer.from": "earlier"},
        "The weights are those of a network that learnt MNIST: other writers, other scanners. The "
        "new rows are scikit-learn's digits, drawn on MNIST's 28 x 28 pixels.",
    ),
    Question(
        "networks",
        "mnist",
        2,
        {"rows": 20_000, "train.epochs": 6},
        "The course that asked this question reports 92 % on MNIST for its feed-forward network, "
        "98 % for its convolutional and 95 % for its recurrent one.",
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=[q.recipe for q in QUESTIONS])
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    PAGES.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        work = options.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for question in QUESTIONS:
            if options.only is None or question.recipe in options.only:
                answer(question, make_project(question.data, work, options.root))
    write_overview()


def answer(question: Question, project: Path) -> None:
    """Run one study, and keep its page, plots and figures."""
    yaml = YAML()
    content = yaml.load(HERE / "recipes" / "studies" / f"{question.recipe}.yaml")
    content["base"] = {**content.get("base", {}), **question.base}
    recipe = project / f"{question.recipe}.yaml"
    yaml.dump(content, recipe)
    started = time.perf_counter()
    layerline(project, "study", "compare", recipe.name, "--seeds", str(question.seeds))
    seconds = time.perf_counter() - started
    found = project / "reports" / "studies" / question.recipe
    images = PAGES / "images"
    images.mkdir(parents=True, exist_ok=True)
    for plot in ("values", "curves"):
        with Image.open(
            found / "plots" / f"{plot}.png"
        ) as image:  # few colours: a third of the size
            small = image.convert("RGB").quantize(64)
        small.save(images / f"{question.recipe}-{plot}.png", optimize=True)
    page = (found / "study.md").read_text().replace("(plots/", f"(images/{question.recipe}-")
    page = page.rstrip() + "\n" + "".join(f"\n{text}\n" for text in closing(question, content))
    (PAGES / f"{question.recipe}.md").write_text(page)
    summary = json.loads((found / "comparison.json").read_text())
    print(f"{question.recipe}: {seconds:.0f} s, {len(summary['variants'])} variants", flush=True)


def closing(question: Question, content: dict[str, Any]) -> list[str]:
    """What the course says, and how the study is repeated."""
    text = io.StringIO()
    YAML().dump({"base": dict(content["base"])} if content["base"] else {}, text)
    told = (
        f"`layerline study compare {question.recipe} --seeds {question.seeds}` on {question.data}"
    )
    base = f", with\n\n```yaml\n{text.getvalue()}```" if content["base"] else "."
    return [each for each in (question.beside, told + base) if each]


def make_project(data: str, work: Path, root: Path) -> Path:
    """A project on some data whose rows are scaled."""
    project = work / data
    if (project / "data" / "scaled").exists():
        return project
    shutil.rmtree(project, ignore_errors=True)
    layerline(HERE, "new", str(project))
    OF_DATA[data](project, root)
    subprocess.run(["dvc", "repro", "-q", "scale"], cwd=project, env=environment(), check=True)
    return project


def of_images(dataset: str) -> Callable[[Path, Path], None]:
    def change(project: Path, root: Path) -> None:
        recipe = "mnist-mlp" if dataset == "MNIST" else "fashion-mnist-mlp"
        yaml = YAML()
        params = yaml.load(HERE / "recipes" / f"{recipe}.yaml")
        params["project"] = dataset.lower()
        params["fetch"]["options"]["root"] = str((root / dataset).resolve())
        params["train"] = PLAIN | OF_IMAGES
        yaml.dump(params, project / "params.yaml")
        schema = HERE / params["validate"]["schema"]
        if schema.exists():
            shutil.copy(schema, project / params["validate"]["schema"])

    return change


def digits_after_mnist(project: Path, root: Path) -> None:
    """scikit-learn's digits as MNIST's files, and a network that has learnt MNIST."""
    earlier = make_project("mnist", project.parent, root)
    subprocess.run(["dvc", "repro", "-q", "train"], cwd=earlier, env=environment(), check=True)
    pixels, labels = load_digits(return_X_y=True)
    large = [
        np.pad(Image.fromarray(np.uint8(row.reshape(8, 8) * 255 / 16)).resize((20, 20)), 4)
        for row in pixels
    ]
    files = project / "digits" / "MNIST"
    files.mkdir(parents=True)
    for part, kept in (("train", slice(0, 1300)), ("t10k", slice(1300, None))):
        write_idx(files / f"{part}-images-idx3-ubyte", np.stack(large[kept]))
        write_idx(files / f"{part}-labels-idx1-ubyte", labels[kept].astype(np.uint8))
    of_images("MNIST")(project, files.parent)
    shutil.copytree(earlier / "models" / "network", project / "earlier")
    yaml = YAML()
    params = yaml.load(project / "params.yaml")
    params["validate"]["min_class_rows"] = 10
    yaml.dump(params, project / "params.yaml")


def write_idx(path: Path, values: NDArray[np.uint8]) -> None:
    """Bytes in the format of MNIST's files."""
    header = bytes((0, 0, 8, values.ndim)) + np.array(values.shape, ">i4").tobytes()
    path.write_bytes(header + values.tobytes())


def of_table(load: Callable[..., Any], spoil: Callable[[Any], None] | None = None) -> Any:
    def change(project: Path, root: Path) -> None:
        bunch = load(as_frame=True)
        frame = bunch.frame.copy()
        if spoil is not None:
            spoil(frame)
        if "target_names" in bunch:
            frame["target"] = [str(bunch.target_names[code]) for code in frame["target"]]
        frame.to_csv(project / "table.csv", index=False)
        layerline(project, "init", "table.csv", "--target", "target", "--fast")
        yaml = YAML()
        params = yaml.load(project / "params.yaml")
        params["train"] = PLAIN | OF_TABLES
        yaml.dump(params, project / "params.yaml")

    return change


def digits(project: Path, root: Path) -> None:
    pass


def plant_outliers(frame: pd.DataFrame) -> None:
    """One value in fifty is a hundred times too large, as a unit that was mistaken makes it."""
    features = [name for name in frame.columns if name != "target"]
    hit = np.random.default_rng(0).random((len(frame), len(features))) < 0.02
    frame[features] = frame[features].mask(hit, frame[features] * 100)


def plant_gaps(frame: pd.DataFrame) -> None:
    """One value in five is missing."""
    features = [name for name in frame.columns if name != "target"]
    hit = np.random.default_rng(0).random((len(frame), len(features))) < 0.2
    frame[features] = frame[features].mask(hit)


OF_DATA: dict[str, Callable[[Path, Path], None]] = {
    "mnist": of_images("MNIST"),
    "fashion-mnist": of_images("FashionMNIST"),
    "digits": digits,
    "digits-after-mnist": digits_after_mnist,
    "breast-cancer": of_table(load_breast_cancer),
    "breast-cancer-outliers": of_table(load_breast_cancer, plant_outliers),
    "breast-cancer-gaps": of_table(load_breast_cancer, plant_gaps),
    "diabetes": of_table(load_diabetes),
}


def layerline(folder: Path, *words: str) -> None:
    """Run a command; its words are shown when it fails."""
    subprocess.run(["layerline", *words], cwd=folder, env=environment(), check=True)


def environment() -> dict[str, str]:
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": tools, "PYTHONPATH": str(HERE / "src")}


def write_overview() -> None:
    """The page of all questions with their verdicts, from the pages that are there."""
    lines = [
        "# The textbook's questions",
        "",
        "Each answer is a study (`layerline study compare NAME`) on real data; a difference is "
        "reported only where the interval over the seeds allows it. "
        "`python benchmarks/textbook.py --root FOLDER` repeats all of them. Compare seconds "
        "within a table only.",
        "",
    ]
    for question in QUESTIONS:
        page = PAGES / f"{question.recipe}.md"
        if page.exists():
            text = page.read_text().splitlines()
            verdicts = [line for line in text if line.startswith("- **")]
            title = text[0].removeprefix("# ")
            lines += [f"## [{title}]({page.name})", "", f"On {question.data}.", "", *verdicts, ""]
    (PAGES / "README.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
