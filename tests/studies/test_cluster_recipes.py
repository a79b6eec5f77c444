"""The files that start workers of a study on a cluster: well formed, and their commands exist."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from postgres import is_installed, postgresql
from ruamel.yaml import YAML

from layerline.cli import main

FOLDER = Path(__file__).resolve().parents[2] / "recipes" / "cluster"
SCRIPT = FOLDER / "study.sbatch"


def test_slurms_script_is_valid_and_insists_on_a_storage():
    assert subprocess.run(["bash", "-n", str(SCRIPT)], check=False).returncode == 0
    directives = re.findall(r"^#SBATCH --([a-z-]+)", SCRIPT.read_text(), re.M)
    assert {"array", "cpus-per-task", "time", "requeue"} <= set(directives)
    environment = {k: v for k, v in os.environ.items() if k != "LAYERLINE_STUDY_STORAGE"}
    done = subprocess.run(
        ["bash", str(SCRIPT), "quick", "4"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "LAYERLINE_STUDY_STORAGE: set it to" in done.stderr


@pytest.mark.parametrize("name", ["submitit_study.py", "ray_study.py"])
def test_python_recipes_compile(name):
    code = compile((FOLDER / name).read_text(), name, "exec")
    assert {"work", "main"} <= set(code.co_names)


def test_the_job_of_kubernetes_is_indexed_and_retries_each_pod():
    job = YAML(typ="safe").load((FOLDER / "study-job.yaml").read_text())
    spec = job["spec"]
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"]
    assert spec["backoffLimitPerIndex"] > 0
    assert spec["template"]["spec"]["restartPolicy"] == "Never"  # which an indexed limit needs
    (container,) = spec["template"]["spec"]["containers"]
    volumes = {volume["name"] for volume in spec["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} <= volumes


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_the_options_they_use_exist(path):
    known = set()
    for command in ("run", "work"):
        known |= {
            option
            for parameter in main.commands["study"].commands[command].params
            for option in parameter.opts
        }
    lines = [line for line in path.read_text().splitlines() if "layerline study " in line]
    used = {option for line in lines for option in re.findall(r"(?<= )--[a-z-]+", line)}
    assert used <= known


@pytest.mark.slow
@pytest.mark.skipif(not is_installed(), reason="no PostgreSQL is installed")
def test_slurms_script_works_off_a_study_in_a_real_database(study_home, monkeypatch):
    space = "space:\n  train.optimizer.learning_rate: {low: 0.001, high: 0.1, log: true}\n"
    (study_home.root / "s.yaml").write_text(space + "trials: 2\n")
    monkeypatch.setenv("LAYERLINE_TRACKING", "off")
    begin = ["layerline", "study", "run", "s.yaml", "--trials"]
    work = ["bash", str(SCRIPT), "s.yaml", "5"]
    with postgresql() as server:
        monkeypatch.setenv("LAYERLINE_STUDY_STORAGE", server.new_database())
        for command in ([*begin, "2"], work, [*begin, "5"]):
            done = subprocess.run(
                command, cwd=study_home.root, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
    lines = (study_home.reports / "studies" / "s" / "trials.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in lines[1:]] == [str(number) for number in range(5)]
