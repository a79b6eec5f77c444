"""Files for schedulers: valid to the tool itself where it is here, by their schema elsewhere."""

import ast
import datetime
import shlex
import shutil
import subprocess
import sys
import zoneinfo
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from layerline.cli.schedule import KINDS
from layerline.errors import ParamsError
from layerline.retraining.scheduler_files import EVERY, SCHEDULERS, Times, write_schedule

NIGHT = Times("day", "03:30", "Europe/Berlin")


def written(kind: str, folder: Path, times: Times = NIGHT) -> list[str]:
    root = folder / "my shop 100% ü"
    root.mkdir(exist_ok=True)
    files, install = write_schedule(kind, folder / "out", root, "shop_1", times, "shop:1")
    assert install
    return [file.read_text() for file in files]


def test_the_command_knows_every_scheduler():
    assert set(KINDS) == set(SCHEDULERS)


@pytest.mark.parametrize("every", EVERY)
def test_times_mean_the_same_to_cron_and_to_systemd(every):
    expected = {
        "hour": ("30 * * * *", "*-*-* *:30:00 UTC"),
        "day": ("30 3 * * *", "*-*-* 03:30:00 UTC"),
        "weekday": ("30 3 * * 1-5", "Mon..Fri *-*-* 03:30:00 UTC"),
        "week": ("30 3 * * 1", "Mon *-*-* 03:30:00 UTC"),
        "month": ("30 3 1 * *", "*-*-01 03:30:00 UTC"),
    }
    times = Times(every)
    assert (times.cron(), times.calendar()) == expected[every]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (Times("day", "03:30", "Europe/Berlin"), "30 2 * * *"),
        (Times("week", "00:30", "Europe/Berlin"), "30 23 * * 0"),
        (Times("weekday", "23:00", "America/New_York"), "0 4 * * 2-6"),
        (Times("hour", "03:15", "Asia/Kolkata"), "15 * * * *"),
    ],
)
def test_githubs_times_are_in_utc(times, expected):
    assert times.utc_cron() == expected
    zone = zoneinfo.ZoneInfo(times.timezone)
    assert datetime.datetime(2024, 1, 10, tzinfo=zone).utcoffset() is not None


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (Times(at="25:00"), "--at: must be a time of the day"),
        (Times(timezone="Europe/Berlim"), "did you mean 'Europe/Berlin'"),
        (Times("month", "00:30", "Europe/Berlin"), "is another day in UTC"),
    ],
)
def test_a_wrong_time_is_refused(times, message, tmp_path):
    with pytest.raises(ParamsError, match=message):
        written("github", tmp_path, times)
    assert not (tmp_path / "out").exists()


def test_cron_runs_the_command_in_the_project(tmp_path):
    (text,) = written("cron", tmp_path)
    *_, zone, line = text.splitlines()
    assert zone == "CRON_TZ=Europe/Berlin"
    times, command = line.split("  ", 1)
    assert times == "30 3 * * *"
    assert command.count("%") == command.count(r"\%")  # cron ends the command at a bare one
    shell = command.replace(r"\%", "%").replace("retrain >>", "--version >>")
    fake = tmp_path / "layerline"
    fake.write_text('#!/bin/sh\necho "$@" in "$PWD"\n')
    fake.chmod(0o755)
    real = shlex.quote(str(Path(sys.executable).with_name("layerline")))
    (tmp_path / "my shop 100% ü" / ".layerline").mkdir()
    subprocess.run(["sh", "-c", shell.replace(real, str(fake))], check=True)
    log = tmp_path / "my shop 100% ü" / ".layerline" / "retrain.log"
    assert log.read_text() == f"--version in {tmp_path}/my shop 100% ü\n"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("every", EVERY)
def test_systemd_accepts_its_units(every, tmp_path):
    written("systemd", tmp_path, Times(every, "03:30", "Europe/Berlin"))
    (tmp_path / "my shop 100% ü").mkdir(exist_ok=True)
    units = sorted((tmp_path / "out").iterdir())
    for unit in units:  # the command itself need not be installed here
        real = str(Path(sys.executable).with_name("layerline"))
        unit.write_text(unit.read_text().replace(real, sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, units)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "layerline" not in done.stderr


def test_the_workflow_is_what_github_reads(tmp_path):
    (text,) = written("github", tmp_path)
    flow = YAML(typ="safe", pure=True).load(text)
    assert flow["on"]["schedule"] == [{"cron": "30 2 * * *"}]
    steps = flow["jobs"]["retrain"]["steps"]
    assert all(set(step) & {"run", "uses"} for step in steps)
    assert any("layerline retrain" in step.get("run", "") for step in steps)
    address = flow["jobs"]["retrain"]["env"]["MLFLOW_TRACKING_URI"]
    assert address == "${{ secrets.MLFLOW_TRACKING_URI }}"


def test_the_cron_job_is_what_kubernetes_reads(tmp_path):
    (text,) = written("kubernetes", tmp_path)
    job = YAML(typ="safe", pure=True).load(text)
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    assert job["metadata"]["name"] == "layerline-shop-1"  # a name of DNS
    spec = job["spec"]
    assert (spec["schedule"], spec["timeZone"]) == ("30 3 * * *", "Europe/Berlin")
    assert spec["concurrencyPolicy"] == "Forbid"
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    assert container["image"] == "shop:1"
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts <= {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize("kind", ["airflow", "prefect", "dagster"])
def test_a_flow_is_python_and_quotes_what_it_is_given(kind, tmp_path):
    (text,) = written(kind, tmp_path)
    tree = ast.parse(text)
    compile(text, f"{kind}.py", "exec")
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert str(tmp_path / "my shop 100% ü") in texts
    assert {"30 3 * * *", "Europe/Berlin"} <= texts
