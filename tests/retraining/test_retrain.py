"""`layerline retrain` as cron calls it: the real DVC, the real stages, a real store."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import psutil
import pytest
from checkouts import Checkout, make_checkout

CODE = "from layerline.cli import main; main()"


def rows(n_rows: int = 400, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n_rows, 3)).round(4)
    price = (10 * x[:, 0] + 5 * x[:, 1] + generator.normal(0, 1, n_rows)).round(3)
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "price": price})


def retrain(checkout: Checkout, *options: str, code: int | None = 0) -> str:
    return checkout.run("layerline", "retrain", *options, code=code)


def lines(checkout: Checkout) -> list[dict[str, object]]:
    text = (checkout.root / "reports" / "retrain.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def champion(checkout: Checkout) -> str:
    return checkout.python(
        "import mlflow; c = mlflow.MlflowClient(); "
        "print(c.get_registered_model('shop').aliases['champion'])"
    ).strip()


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Checkout:
    """A checkout whose first retrain trained and promoted version 1."""
    checkout = make_checkout(tmp_path_factory.mktemp("retrain") / "my shop", is_warm=True)
    rows().to_csv(checkout.root / "shop.csv", index=False)
    checkout.run("layerline", "init", "shop.csv", "--target", "price", "--project", "shop")
    checkout.edit_params(train__epochs=2, evaluate__bootstrap=0, evaluate__baselines=[])
    told = retrain(checkout)
    assert "promoted" in told
    return checkout


def test_a_month_of_runs(shop):
    """Nothing new, new rows, broken rows: each with its exit code, and one line."""
    first = lines(shop)[-1]
    assert (first["outcome"], first["exit_code"], first["version"]) == ("promoted", 0, 1)
    assert first["stages"] == ["fetch", "validate", "scale", "train", "evaluate", "register"]

    assert "nothing is new" in retrain(shop)
    assert lines(shop)[-1]["stages"] == []

    rows(440).to_csv(shop.root / "shop.csv", index=False)
    retrain(shop, code=None)
    judged = lines(shop)[-1]
    assert (judged["outcome"], judged["exit_code"]) in {("promoted", 0), ("kept", 6)}
    assert judged["version"] == 2
    assert (judged["n_new_rows"], judged["drifted"], judged["why"]) == (40, [], "40 new rows")
    drift = json.loads((shop.root / "reports" / "drift" / "drift.json").read_text())
    assert drift["joint"]["n_rows"][1] == 40
    artifacts = shop.python(
        "import mlflow; c = mlflow.MlflowClient(); run = c.get_model_version('shop', '2').run_id; "
        "print(*(file.path for file in c.list_artifacts(run, 'drift')))"
    )
    assert artifacts.split() == ["drift/drift.html", "drift/drift.json", "drift/drift.png"]
    before = champion(shop)
    assert judged["champion_version"] == int(before)

    good = (shop.root / "shop.csv").read_text()
    (shop.root / "shop.csv").write_text(good.replace("a,b,c,price", "a,b,d,price"))
    told = retrain(shop, code=3)
    broken = lines(shop)[-1]
    assert (broken["outcome"], broken["exit_code"]) == ("failed", 3)
    assert "'c'" in str(broken["message"])
    assert "error:" in told
    assert champion(shop) == before
    (shop.root / "shop.csv").write_text(good)


@pytest.mark.slow
def test_rows_that_dvc_knows_are_restored(shop):
    good = (shop.root / "shop.csv").read_text()
    rows(400, seed=9).to_csv(shop.root / "shop.csv", index=False)
    retrain(shop, code=None)
    before = champion(shop)
    (shop.root / "shop.csv").write_text(good)
    assert "restored" in retrain(shop)  # DVC has it all in its cache
    assert champion(shop) == before
    facts = json.loads(retrain(shop, "--status", "--json"))
    assert facts["last"]["outcome"] == "restored"
    assert facts["failures_in_a_row"] == 0
    assert "last promotion" in retrain(shop, "--status")


@pytest.mark.slow
def test_it_waits_until_enough_is_new(shop):
    good = (shop.root / "shop.csv").read_text()
    before = champion(shop)
    shop.edit_params(retrain={"when": {"new_rows": 500, "champion_age_days": 30}})
    rows(good.count("\n") + 9).to_csv(shop.root / "shop.csv", index=False)  # with its header
    told = retrain(shop)
    last = lines(shop)[-1]
    assert (last["outcome"], last["exit_code"], last["n_new_rows"]) == ("waited", 0, 10)
    assert "not enough is new: 10 new rows, 500 are asked for; the champion is 0.0 days" in told
    assert last["stages"] == ["fetch", "validate"]
    assert champion(shop) == before
    (shop.root / "shop.csv").write_text(good)
    shop.edit_params(retrain={})
    retrain(shop)


def test_a_source_that_has_gone_ends_with_4_and_comes_back(shop):
    before = champion(shop)
    (shop.root / "shop.csv").rename(shop.root / "away.csv")
    told = retrain(shop, code=4)
    assert "shop.csv: not found, though fetch.options in params.yaml names it" in told
    last = lines(shop)[-1]
    assert (last["outcome"], last["exit_code"], last["stages"]) == ("failed", 4, [])
    assert champion(shop) == before
    (shop.root / "away.csv").rename(shop.root / "shop.csv")
    retrain(shop)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)],
)
def test_a_signal_ends_dvc_and_its_stage_and_leaves_a_line(shop, number, code):
    before = champion(shop)
    shop.edit_params(train__epochs=20_000, train__early_stopping=None)
    command = [sys.executable, "-W", "ignore", "-c", CODE, "retrain"]
    with subprocess.Popen(
        command,
        cwd=shop.root,
        env=shop.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "pipeline/train.py" in line:
                break
        family = psutil.Process(process.pid).children(recursive=True)
        assert any("dvc" in " ".join(child.cmdline()) for child in family)
        process.send_signal(number)
        process.communicate(timeout=300)
        assert process.returncode == code
    psutil.wait_procs(family, timeout=120)
    assert not [child for child in family if child.is_running()]
    last = lines(shop)[-1]
    assert (last["outcome"], last["exit_code"], last["message"]) == ("failed", code, "interrupted")
    assert champion(shop) == before
    shop.edit_params(train__epochs=2)
    retrain(shop, code=None)  # nothing is locked or half-written
    assert lines(shop)[-1]["exit_code"] in (0, 6)


def test_of_two_at_once_one_ends_with_7(shop):
    shop.edit_params(retrain={"wait_seconds": 0.0})
    command = [sys.executable, "-W", "ignore", "-c", CODE, "retrain"]
    holder = (
        "import sys, time; from filelock import FileLock; "
        "lock = FileLock('.layerline/locks/retrain.lock'); lock.acquire(); "
        "print('held', flush=True); "
        "time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder], cwd=shop.root, stdout=subprocess.PIPE, text=True
    ) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            told = shop.run(*command, code=7)
        finally:
            other.kill()
    assert "another `layerline retrain` has been running" in told
    assert lines(shop)[-1]["outcome"] == "busy"
    retrain(shop)  # the kernel freed the killed one's lock


@pytest.mark.slow
def test_two_at_once_ten_times_leave_one_champion(shop):
    shop.edit_params(retrain={"wait_seconds": 0.0})
    command = [sys.executable, "-W", "ignore", "-c", CODE, "retrain"]
    for turn in range(10):
        rows(500 + turn, seed=turn).to_csv(shop.root / "shop.csv", index=False)
        started = [
            subprocess.Popen(
                command, cwd=shop.root, env=shop.environment, stdout=subprocess.DEVNULL, stderr=-3
            )
            for _ in range(2)
        ]
        codes = sorted(process.wait(timeout=300) for process in started)
        assert codes[1] in (0, 6, 7)
        assert codes[0] in (0, 6)
        assert champion(shop).isdigit()


@pytest.mark.slow
def test_a_killed_run_is_made_up_for(shop):
    rows(450, seed=5).to_csv(shop.root / "shop.csv", index=False)
    shop.edit_params(retrain={"wait_seconds": 60.0})
    command = [sys.executable, "-W", "ignore", "-c", CODE, "retrain"]
    with subprocess.Popen(
        command, cwd=shop.root, env=shop.environment, stdout=subprocess.DEVNULL, stderr=-3
    ) as process:
        time.sleep(8)
        os.kill(process.pid, signal.SIGKILL)
    before = champion(shop)
    assert before.isdigit()
    deadline = time.monotonic() + 60
    while retrain(shop, code=None).count("at work") and time.monotonic() < deadline:
        time.sleep(2)  # the orphaned dvc ends by itself
    assert lines(shop)[-1]["outcome"] in ("promoted", "kept", "unchanged", "restored")
