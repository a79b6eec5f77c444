"""A team's servers, as recipes/team/compose.yaml starts them, used by two machines at once."""

import contextlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from arrivals import check_arrivals, select
from checkouts import ROOT, Checkout, make_checkout
from postgres import postgresql
from ruamel.yaml import YAML
from servers import READY_SECONDS, free_port

COMPOSE = YAML(typ="safe").load((ROOT / "recipes" / "team" / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
VARIABLE = re.compile(r"\$\{(\w+)(?::[-?]([^}]*))?\}")
KEYS = {"S3_ACCESS_KEY": "team", "S3_SECRET_KEY": "s3cret-of-the-team"}


def test_versions_are_pinned_and_those_of_the_lock() -> None:
    images = [service["image"] for service in SERVICES.values() if "image" in service]
    recipe = SERVICES["tracking"]["build"]["dockerfile_inline"]
    images += re.findall(r"^FROM (\S+)", recipe, re.M)
    assert len(images) == 3
    assert all(re.search(r":v?\d+\.\d+[\w.-]*$", image) for image in images)
    locked = (ROOT / "requirements.in").read_text().replace("psycopg==", "psycopg[binary]==")
    packages = re.findall(r"\S+==\S+", recipe)
    assert len(packages) == 3
    assert set(packages) <= set(locked.split())


def test_no_secret_is_in_the_file_and_no_port_is_open_to_others() -> None:
    used: dict[str, str] = {}
    for service in SERVICES.values():
        for name, value in service["environment"].items():
            used |= {
                n: default for n, default in VARIABLE.findall(value) if default or n not in used
            }
            is_secret = re.search("PASSWORD|KEY", name)
            assert not is_secret or VARIABLE.fullmatch(value), name
        assert all(port.startswith("${LISTEN:-127.0.0.1}:") for port in service.get("ports", []))
    assert {"POSTGRES_PASSWORD", *KEYS} <= {name for name, default in used.items() if default}
    assert "ports" not in SERVICES["database"]


def test_services_wait_for_services_that_are_there() -> None:
    for name, service in SERVICES.items():
        assert {"image", "build"} & set(service), name
        assert set(service.get("depends_on", ())) <= set(SERVICES) - {name}
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", [])}
        assert volumes <= set(COMPOSE["volumes"])
    assert "healthcheck" in SERVICES["database"]


class Team(NamedTuple):
    """The running servers: MLflow's URI, its database's, and S3's as others reach it."""

    uri: str
    database: str
    s3: str

    @property
    def access(self) -> dict[str, str]:
        """What is in the environment of each machine."""
        return {
            "MLFLOW_TRACKING_URI": self.uri,
            "AWS_ACCESS_KEY_ID": KEYS["S3_ACCESS_KEY"],
            "AWS_SECRET_ACCESS_KEY": KEYS["S3_SECRET_KEY"],
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.s3,
        }

    def objects(self, bucket: str) -> list[str]:
        import boto3

        session = boto3.Session(*list(self.access.values())[1:3], region_name="us-east-1")
        pages = session.client("s3", endpoint_url=self.s3).get_paginator("list_objects_v2")
        return [one["Key"] for p in pages.paginate(Bucket=bucket) for one in p.get("Contents", ())]


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    """The compose file's own commands and environment, on a real PostgreSQL and moto's S3."""
    from moto.server import ThreadedMotoServer

    storage = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    storage.start()
    host, s3_port = storage.get_host_and_port()
    try:
        with postgresql() as postgres:
            port, database = free_port(), postgres.new_database()
            found = Team(f"http://127.0.0.1:{port}", database, f"http://{host}:{s3_port}")
            given = {**KEYS, "ALLOWED_HOSTS": f"127.0.0.1:{port}", "POSTGRES_PASSWORD": "unused"}
            environment = _environment(given) | {
                "MLFLOW_BACKEND_STORE_URI": database,  # instead of the names inside the network
                "AWS_ENDPOINT_URL": found.s3,
            }
            subprocess.run(_command("buckets", port), env=environment, check=True)
            subprocess.run(_command("buckets", port), env=environment, check=True)  # once is enough
            with _started(_command("tracking", port), environment, tmp_path / "server", found.uri):
                yield found
    finally:
        storage.stop()


def _environment(given: dict[str, str]) -> dict[str, str]:
    texts = SERVICES["tracking"]["environment"].items()
    own = {name: VARIABLE.sub(lambda m: given.get(m[1], m[2] or ""), text) for name, text in texts}
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "AWS_"))}
    return clean | own | {"HOME": os.environ.get("HOME", "/tmp")}


def _command(service: str, port: int) -> list[str]:
    python = {"python": [sys.executable], "mlflow": [sys.executable, "-m", "mlflow"]}
    first, *others = SERVICES[service]["command"]
    places = {"0.0.0.0": "127.0.0.1", "5000": str(port)}
    one_worker = ["--workers", "1"] if service == "tracking" else []
    return [*python[first], *(places.get(word, word) for word in others), *one_worker]


@contextlib.contextmanager
def _started(
    command: list[str], environment: dict[str, str], folder: Path, uri: str
) -> Iterator[None]:
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        until = time.monotonic() + READY_SECONDS
        while not _is_healthy(uri):
            told = (folder / "log").read_text(errors="replace")[-3000:]
            assert process.poll() is None, told
            assert time.monotonic() < until, told
            time.sleep(0.2)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)


def _is_healthy(uri: str) -> bool:
    try:
        with urllib.request.urlopen(f"{uri}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def start_machine(root: Path, team: Team, kind: str) -> Checkout:
    """The first machine: a repository that others clone, and the DVC remote of the team."""
    first = make_checkout(root / "first")
    remote = "s3://dvc" if kind == "s3" else str(root / "dvc-remote")
    first.run("dvc", "remote", "add", "--default", "team", remote)
    if kind == "s3":
        first.run("dvc", "remote", "modify", "team", "endpointurl", team.s3)
    first.edit_params(train__epochs=4, evaluate__bootstrap=50)
    first.run("git", "init", "-q", "--bare", str(root / "origin.git"))
    first.run("git", "remote", "add", "origin", str(root / "origin.git"))
    first.run("git", "commit", "-qam", "the team's remote")
    first.run("git", "push", "-q", "--set-upstream", "origin", "HEAD")
    return first


def clone(root: Path, name: str) -> Checkout:
    subprocess.run(["git", "clone", "-q", root / "origin.git", root / name], check=True)
    made = Checkout(root / name)
    made.run("git", "config", "user.email", f"{name}@example.org")
    made.run("git", "config", "user.name", name)
    return made


def train_at_once(machines: list[Checkout], environment: dict[str, str]) -> None:
    running = [
        subprocess.Popen(
            ["dvc", "repro"],
            cwd=machine.root,
            env=machine.environment | environment | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for machine in machines
    ]
    told = [process.communicate(timeout=400)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], "\n".join(told)


def check_every_event(machines: list[Checkout], team: Team, folder: Path) -> None:
    for key in team.objects("mlflow"):  # where `check_arrivals` looks for the artifacts
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).touch()
    for machine in machines:
        assert check_arrivals(machine.root, team.database, folder) > 20
        assert not (machine.root / "mlflow.db").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # boto3 and moto have deprecations of their own
@pytest.mark.parametrize(
    "remote",
    [
        "folder",
        pytest.param(
            "s3",
            marks=pytest.mark.skipif(
                importlib.util.find_spec("dvc_s3") is None, reason="dvc-s3 is not installed"
            ),
        ),
    ],
)
def test_two_machines_at_once(remote: str, team: Team, tmp_path: Path) -> None:
    first = start_machine(tmp_path, team, remote)
    second = clone(tmp_path, "second")
    second.edit_params(seed=1)
    machines = [first, second]
    train_at_once(machines, team.access)
    check_every_event(machines, team, tmp_path / "artifacts")

    aliases = "SELECT alias, version FROM registered_model_aliases ORDER BY alias"
    champion = dict(select(team.database, aliases))["champion"]
    versions = "SELECT version, run_id FROM model_versions ORDER BY version"
    assert [version for version, _ in select(team.database, versions)] == [1, 2]
    registered = {m: _version_of(m) for m in machines}
    assert sorted(registered.values()) == [1, 2]

    (winner,) = (m for m, version in registered.items() if version == champion)
    winner.run("git", "add", "-A")
    winner.run("git", "commit", "-qm", "the champion")
    winner.run("git", "push", "-q", "origin", "HEAD")
    winner.run("dvc", "push", "-q", **team.access)
    if remote == "s3":
        assert len(team.objects("dvc")) > 10
    colleague = clone(tmp_path, "colleague")
    colleague.run("dvc", "pull", "-q", **team.access)
    rows = "from layerline.tables.storage import read_table; from pathlib import Path; "
    rows += "read_table(Path('data/raw')).head(20).to_csv('rows.csv', index=False)"
    colleague.run(sys.executable, "-c", rows)
    told = colleague.run("layerline", "predict", "rows.csv", "predicted.csv", **team.access)
    assert "predicted by models:/digits@champion" in told
    assert len((colleague.root / "predicted.csv").read_text().splitlines()) == 21
    assert "up to date" in colleague.run("dvc", "status", **team.access)


def _version_of(machine: Checkout) -> int:
    found = json.loads((machine.root / "reports" / "registration.json").read_text())
    return int(found["version"])
