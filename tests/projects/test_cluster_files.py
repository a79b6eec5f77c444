"""Files for clusters: valid by their own grammar, and refused where ranks could not train."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from layerline.cli import main
from layerline.cli.cluster import KINDS
from layerline.config import Component, TrainSection
from layerline.errors import ParamsError
from layerline.projects.cluster_files import CLUSTERS, Project, Size, write_cluster


def written(kind: str, folder: Path, gpus: bool = False, **changes: Any) -> str:
    root = folder / "my shop's 100% ü"
    root.mkdir(exist_ok=True)
    project = Project("shop_1", root, TrainSection(**changes), "shop:1")
    file, start = write_cluster(kind, folder / "out", project, Size(3, 2, cpus=4, gpus=gpus))
    assert file.name in start
    return file.read_text()


def test_the_command_knows_every_cluster() -> None:
    assert set(KINDS) == set(CLUSTERS)


@pytest.mark.parametrize("gpus", [False, True], ids=["cpus", "gpus"])
def test_slurm_starts_one_torchrun_a_node(tmp_path: Path, gpus: bool) -> None:
    text = written("slurm", tmp_path, gpus)
    options = dict(
        line.removeprefix("#SBATCH --").partition("=")[::2]
        for line in text.splitlines()
        if line.startswith("#SBATCH")
    )
    assert (options["nodes"], options["ntasks-per-node"], options["cpus-per-task"]) == (
        *("3", "1"),
        "8",
    )
    assert options.get("gpus-per-node") == ("2" if gpus else None)
    assert options["time"] == "24:00:00"


@pytest.mark.parametrize("gpus", [False, True], ids=["cpus", "gpus"])
def test_kubernetes_has_a_pod_a_node_that_finds_the_first(tmp_path: Path, gpus: bool) -> None:
    service, job = YAML(typ="safe", pure=True).load_all(written("kubernetes", tmp_path, gpus))
    assert service["metadata"]["name"] == job["metadata"]["name"] == "layerline-shop-1-train"
    assert (job["spec"]["completions"], job["spec"]["parallelism"]) == (3, 3)
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    head = "--rdzv-endpoint=layerline-shop-1-train-0.layerline-shop-1-train:29400"
    assert head in container["command"]
    assert pod["subdomain"] == service["metadata"]["name"]
    assert container["resources"].get("limits") == ({"nvidia.com/gpu": 2} if gpus else None)


def test_rays_file_is_python_that_names_the_project(tmp_path: Path) -> None:
    tree = ast.parse(written("ray", tmp_path, gpus=True))
    values = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert str(tmp_path / "my shop's 100% ü") in values


def test_the_script_for_torchrun_needs_the_first_hosts_name(tmp_path: Path) -> None:
    written("torchrun", tmp_path)
    (file,) = (tmp_path / "out").iterdir()
    environment = {name: value for name, value in os.environ.items() if name != "HEAD"}
    done = subprocess.run(
        ["bash", file], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "HEAD: set it to the name of the first host" in done.stderr


def test_params_that_ranks_cannot_train_are_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    with pytest.raises(ParamsError, match=r"train\.optimizer: 6 processes cannot train so"):
        written("slurm", tmp_path, optimizer=Component(name="lbfgs"))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_script_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "train.py").write_text("import os\nprint('rank', os.environ['RANK'])")
    (tmp_path / "params.yaml").write_text("project: p\nfetch: {source: sklearn}\n")
    monkeypatch.chdir(tmp_path)
    size = ["--nodes", "1", "--processes", "2"]
    made = CliRunner().invoke(main, ["cluster", "torchrun", "--output", "cluster", *size])
    assert made.exit_code == 0, made.output
    done = subprocess.run(
        ["bash", "cluster/layerline-p-train.sh"],
        env={**os.environ, "HEAD": "127.0.0.1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(done.stdout.split("\n")) == ["", "rank 0", "rank 1"]
