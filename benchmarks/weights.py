"""The sha256 of what a change must keep: models/network of the default, the recipes and tables.

    python benchmarks/weights.py --tables FOLDER --mnist FOLDER --fashion-mnist FOLDER > after.txt
    python benchmarks/weights.py --repo OTHER_CHECKOUT ... > before.txt
    diff before.txt after.txt

Each recipe is cut to one epoch; the default and the tables train as they are. --tables names a
folder of Parquet files beside a tables.json (name, file, target), the others the IDX files of a
data set; recipes whose data were not named are left out. The stages run as their scripts, without
DVC or tracking, in a clone of the repository's HEAD.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML

HERE = Path(__file__).resolve().parents[1]
STAGES = ("fetch", "validate", "scale", "train")
KEPT = ("data/scaled", "models/preprocessor", "models/network")


def run(clone: Path, *command: str) -> None:
    """Run a command of the clone's own code; show its output only when it fails."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {
        "PATH": tools,
        "PYTHONPATH": str(clone / "src"),
        "LAYERLINE_TRACKING": "off",
    }
    done = subprocess.run(
        [sys.executable, *command], cwd=clone, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def digest(folder: Path) -> str:
    """One hash of a folder's files, by name."""
    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        whole.update(f"{path.relative_to(folder)}\0".encode())
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()[:16]


def hashes(clone: Path) -> str:
    """Run the stages up to train; one short hash a folder."""
    for stage in STAGES:
        run(clone, f"pipeline/{stage}.py")
    weights = hashlib.sha256((clone / "models/network/network.safetensors").read_bytes())
    return "  ".join([weights.hexdigest()[:16], *(digest(clone / folder) for folder in KEPT)])


def prepared(clone: Path, roots: dict[str, Path | None], tables: Path | None) -> Iterator[str]:
    """Write one params.yaml after the other into the clone; give each its name."""
    yaml = YAML()
    yield "default"
    for recipe in sorted((clone / "recipes").glob("*.yaml")):
        content = yaml.load(recipe)
        known = next((r for r in roots if recipe.stem.startswith(r)), None)
        if known is not None:
            if roots[known] is None:
                continue
            content["fetch"]["options"]["root"] = str(roots[known].resolve())
        content["train"]["epochs"] = 1
        yaml.dump(content, clone / "params.yaml")
        yield recipe.stem
    for table in json.loads((tables / "tables.json").read_text()) if tables else []:
        path = str((tables / table["file"]).resolve()) if tables else ""
        code = "from layerline.cli import main; main()"
        run(clone, "-c", code, "init", path, "--target", table["target"], "--project", "bench")
        yield table["name"]
        subprocess.run(["git", "checkout", "-q", "."], cwd=clone, check=True)
        (clone / "data/schemas/bench.yaml").unlink()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repo", type=Path, default=HERE)
    parser.add_argument("--tables", type=Path)
    parser.add_argument("--mnist", type=Path)
    parser.add_argument("--fashion-mnist", type=Path)
    options = parser.parse_args()
    roots = {"fashion-mnist": options.fashion_mnist, "mnist": options.mnist}
    print("name  weights  data/scaled  models/preprocessor  models/network")
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "-q", str(options.repo), str(clone)], check=True)
        for name in prepared(clone, roots, options.tables):
            print(f"{name}  {hashes(clone)}", flush=True)


if __name__ == "__main__":
    main()
