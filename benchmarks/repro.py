"""How long `dvc repro` takes and how good its model is, from a fresh clone of this checkout.

    python benchmarks/repro.py                                  # the default, digits
    python benchmarks/repro.py --params recipes/mnist-mlp.yaml --root FOLDER
    python benchmarks/repro.py --seeds 0 1 2

FOLDER holds the IDX files of the recipe. Results go to stdout as rows of a Markdown table; keep
them in benchmarks/results with the command.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ruamel.yaml import YAML

HERE = Path(__file__).resolve().parents[1]


def run(params: Path, root: str | None, seed: int) -> tuple[dict[str, float], float, float]:
    """Clone, set the seed, run; return the test figures, wall and CPU seconds."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "-q", str(HERE), str(clone)], check=True)
        yaml = YAML()
        content = yaml.load(params)
        content["seed"] = seed
        if root:
            content["fetch"]["options"]["root"] = root
        yaml.dump(content, clone / "params.yaml")
        tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": tools, "PYTHONPATH": str(clone / "src")}
        # `make setup` compiles the checkout too.
        subprocess.run([sys.executable, "-m", "compileall", "-q", "src"], cwd=clone, check=True)
        cpu, started = _cpu(), time.perf_counter()
        subprocess.run(
            ["dvc", "repro"], cwd=clone, env=environment, check=True, stdout=subprocess.DEVNULL
        )
        wall, cpu = time.perf_counter() - started, _cpu() - cpu
        time.sleep(3)  # the follower of the training may still be closing its journal
        return json.loads((clone / "reports" / "metrics.json").read_text())["test"], wall, cpu


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--params", type=Path, default=HERE / "params.yaml")
    parser.add_argument("--root")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    print("| params | seed | test figures | wall s | CPU s |\n|---|---:|---|---:|---:|")
    for seed in options.seeds:
        figures, wall, cpu = run(options.params, options.root, seed)
        shown = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
        print(f"| {options.params.name} | {seed} | {shown} | {wall:.1f} | {cpu:.1f} |", flush=True)


if __name__ == "__main__":
    main()
