import json
import os
import subprocess
from contextlib import nullcontext

import pytest
from click.testing import CliRunner

from layerline.cli import main
from layerline.errors import SourceError, TrackingError
from layerline.registry import administration
from layerline.registry.administration import (
    history,
    promote_version,
    rollback_champion,
    verify_versions,
)
from layerline.registry.client import open_registry
from layerline.registry.promotion import champion_of

PARAMS = "project: {}\nfetch: {{source: files}}\n"


@pytest.fixture(scope="module")
def two(store, made, tmp_path_factory):
    """A project of two versions, the first of which is champion."""

    def make(project):
        folder = tmp_path_factory.mktemp(project)
        for name in ("numbers", "classes"):
            store.register(made(name), project, folder)
        return project

    return make


@pytest.fixture(autouse=True)
def one_fresh_process(store, monkeypatch):
    """The store's own verifier in all tests: each further one costs seconds of imports."""
    monkeypatch.setattr(administration, "start_verifier", lambda home: nullcontext(store.verifier))


def holder(store, project):
    with open_registry(store.home, "testing") as client:
        return str(champion_of(client, project, "champion").version)


def flip(path):
    data = path.read_bytes()
    path.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])


def test_a_dry_run_says_what_would_be_and_changes_nothing(store, two):
    two("dry")
    move = promote_version(store.home, "dry", "champion", "2", dry_run=True)
    assert (move.before, move.after, move.dry_run) == ("1", "2", True)
    assert holder(store, "dry") == "1"
    assert history(store.home, "dry")[0]["reigns"] == []
    promote_version(store.home, "dry", "champion", "2")
    move = rollback_champion(store.home, "dry", "champion", dry_run=True)
    assert (move.before, move.after) == ("2", "1")
    assert holder(store, "dry") == "2"
    verify_versions(store.home, "dry", "champion", None, dry_run=True)
    assert history(store.home, "dry")[0]["verified"] is None


def test_the_history_shows_who_was_champion_and_by_whom(store, two):
    two("told")
    promote_version(store.home, "told", "champion", "2")
    rollback_champion(store.home, "told", "champion")
    newest, first = history(store.home, "told")
    assert [line["version"] for line in (newest, first)] == [2, 1]
    assert newest["aliases"] == []
    assert newest["verdict"] == "kept"
    assert "cannot predict today's rows" in newest["reason"]
    assert [(r["by"], r["after"]) for r in newest["reigns"]] == [("hand", "1")]
    assert first["aliases"] == ["champion"]
    assert [(r["by"], r["after"]) for r in first["reigns"]] == [("gate", None), ("rollback", "2")]
    assert history(store.home, "nobody") == []


def test_what_was_registered_is_proved(store, two):
    two("proved")
    first, second = sorted(
        verify_versions(store.home, "proved", "champion", "all"), key=lambda report: report.version
    )
    assert first.passed
    assert second.passed
    assert [finding.what for finding in first.findings] == [
        *("manifest", "network.safetensors", "preprocessor.json", "spec.json", "decision.json"),
        *("files", "MLmodel", "predictions"),
    ]
    assert all(finding.passed for finding in first.findings)
    assert first.findings[-1].message == "5 recorded predictions are reproduced"
    assert history(store.home, "proved")[0]["verified"].startswith("passed 20")
    with pytest.raises(TrackingError, match="no version holds the alias 'prince'"):
        verify_versions(store.home, "proved", "prince", None)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("network.safetensors", "manifest"),
        ("model.py", "files"),  # the code that a version brings, which no manifest names
    ],
)
def test_a_version_that_was_changed_is_neither_promoted_nor_gone_back_to(
    name, what, store, two, tmp_path
):
    project = two(f"changed-{what}")
    promote_version(store.home, project, "champion", "2")
    with open_registry(store.home, "testing") as client:
        place = client.get_model_version_download_uri(project, "1")
    flip(next(path for path in (tmp_path / place).rglob(name)))
    (report,) = verify_versions(store.home, project, "champion", "1")
    assert not report.passed
    assert what in [finding.what for finding in report.findings if finding.passed is False]
    assert "predictions" not in [finding.what for finding in report.findings]
    with pytest.raises(SourceError, match=f"{project}/1: .*rolling back to it was refused"):
        rollback_champion(store.home, project, "champion")
    with pytest.raises(SourceError, match="promoting it was refused"):
        promote_version(store.home, project, "champion", "1")
    assert holder(store, project) == "2"
    assert history(store.home, project)[1]["verified"].startswith("failed 20")


def test_predictions_that_differ_are_found(store, made, tmp_path, monkeypatch):
    from layerline.registry import integrity as module

    store.register(made("numbers"), "drifted", tmp_path / "w")
    recorded = module.read_parquet
    monkeypatch.setattr(module, "read_parquet", lambda path: recorded(path) + 0.01)
    (report,) = verify_versions(store.home, "drifted", "champion", None)
    assert not report.passed
    assert "loaded in a fresh process it predicts prediction = " in report.findings[-1].message


def test_the_commands(store, two, monkeypatch):
    project = two("typed")
    (store.home / "params.yaml").write_text(PARAMS.format(project))
    monkeypatch.chdir(store.home)

    def run(*command, code=0):
        done = CliRunner().invoke(main, list(command))
        assert done.exit_code == code, done.output
        return done.output

    assert run("promote", "2", "--dry-run") == (
        "models:/typed@champion would be version 2; before: version 1\n"
    )
    assert json.loads(run("promote", "2", "--json"))["after"] == "2"
    assert run("rollback") == "models:/typed@champion is now version 1; before: version 2\n"
    lines = run("history").splitlines()
    assert lines[0].split()[:3] == ["version", "alias", "registered"]
    assert [line.split()[0] for line in lines[1:]] == ["2", "1"]
    assert len(json.loads(run("history", "--json", "--limit", "1"))) == 1
    assert "recorded predictions are reproduced" in run("verify")
    assert "recorded predictions are reproduced" in run("verify", "v1")
    with open_registry(store.home, "testing") as client:
        place = client.get_model_version_download_uri(project, "1")
    flip(next(path for path in (store.home / place).rglob("preprocessor.json")))
    assert "changed since registration: version 1" in run("verify", "--all", code=4)
    assert not json.loads(run("verify", "--json", code=4).partition("\nlayerline: ")[0])[0][
        "passed"
    ]
    assert "either VERSION or --all" in run("verify", "1", "--all", code=2)


KILLED = """
import os, signal, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from layerline.registry import administration
from layerline.registry.client import open_registry
from layerline.registry.promotion import champion_of, promote, rollback

home, project, doing = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
with open_registry(home, "testing"):
    pass  # the imports, once for all children

class Mortal:
    '''A client that is killed before its n-th change of the store.'''
    def __init__(self, client, n):
        self.client, self.left = client, n
    def __getattr__(self, name):
        method = getattr(self.client, name)
        if not name.startswith(("set_", "delete_")):
            return method
        def change(*arguments):
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            method(*arguments)
        return change
for n in range(20):
    child = os.fork()  # the store is opened in children alone: SQLAlchemy must not be forked
    if not child:
        with open_registry(home, "testing") as client:
            mortal = Mortal(client, n)
            print(champion_of(client, project, "champion").version, flush=True)
            promote(mortal, project, "champion", "2") if doing == "promote" else rollback(
                mortal, project, "champion")
            print(champion_of(client, project, "champion").version, flush=True)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), status
    if status == 0:
        break
"""


def test_killed_at_any_moment_there_is_one_champion_and_doing_it_again_ends_it(store, two, python):
    two("killed-promotion")
    for doing, before, after in (("promote", "1", "2"), ("rollback", "2", "1")):
        done = subprocess.run(
            [python, "-c", KILLED, str(store.home), "killed-promotion", doing],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
        )
        holders = done.stdout.split()
        assert done.returncode == 0, done.stderr
        assert len(holders) >= (5 if doing == "promote" else 4)  # each change of the store, and 1
        assert set(holders) == {before, after}
        # Never back: once moved it stays.
        assert holders == sorted(holders, key=lambda holder: holder == after)
        assert holders[-1] == after
