"""Each mistake a user can make ends with its exit code and one clear message; nothing is lost."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from checkouts import Checkout, make_checkout


def table(n_rows: int = 120) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": generator.integers(18, 90, n_rows),
            "income": generator.normal(3000, 500, n_rows).round(2),
            "city": generator.choice(["Ulm", "Bonn", "Köln"], n_rows),
            "bought": generator.choice(["no", "yes"], n_rows),
        }
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose project was started by `layerline init` on a good table."""
    checkout = make_checkout(tmp_path_factory.mktemp("shop") / "checkout", is_warm=True)
    table().to_csv(checkout.root / "shop.csv", index=False)
    checkout.run("layerline", "init", "shop.csv", "--target", "bought")
    checkout.stage("fetch")
    checkout.stage("validate")
    return checkout


@pytest.fixture
def good(shop: Checkout) -> Checkout:
    """The checkout as `init` left it, whatever an earlier test did to its files."""
    table().to_csv(shop.root / "shop.csv", index=False)
    text = (shop.root / "params.yaml").read_text()
    kept = shop.root / "params.kept"
    if kept.exists():
        (shop.root / "params.yaml").write_text(kept.read_text())
    else:
        kept.write_text(text)
    return shop


def told(output: str, *parts: str) -> None:
    """One message, which has every part."""
    lines = [line for line in output.splitlines() if "error:" in line]
    assert len(lines) == 1, output
    for part in parts:
        assert part in output


def files_of(checkout: Checkout, folder: str) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (checkout.root / folder).iterdir()}


def test_an_unknown_key_is_named(good: Checkout) -> None:
    good.edit_params(train__epoch=3)
    told(
        good.stage("fetch", code=2), "params.yaml: train.epoch: unknown key; did you mean 'epochs'?"
    )


def test_a_misspelt_network_is_refused_by_the_first_stage(good: Checkout) -> None:
    good.edit_params(train__network="mpl")
    mistake = "train.network: 'mpl' is not known; did you mean 'mlp'?"
    told(good.stage("fetch", code=2), mistake)
    told(good.cold.stage("fetch", code=2), mistake)  # by a process that checks beside it


def test_a_missing_target_names_the_closest_column(good: Checkout) -> None:
    good.edit_params(fetch__target="bougt")
    told(good.stage("fetch", code=3), "no target column 'bougt'", "'bought'")


def test_an_empty_file(good: Checkout) -> None:
    before = files_of(good, "data/raw")
    (good.root / "shop.csv").write_text("")
    told(good.stage("fetch", code=3), "shop.csv", "empty")
    assert files_of(good, "data/raw") == before


def test_a_file_that_is_not_there(good: Checkout) -> None:
    (good.root / "shop.csv").unlink()
    told(good.stage("fetch", code=4), "shop.csv")


def test_a_corrupted_parquet_file(good: Checkout) -> None:
    path = good.root / "shop.parquet"
    table().to_parquet(path)
    path.write_bytes(path.read_bytes()[:-200])
    good.edit_params(fetch__options__path="shop.parquet")
    told(good.stage("fetch", code=4), "shop.parquet")


def break_rows(good: Checkout, column: str, values: list[object]) -> None:
    frame = table().astype({column: object})
    frame.loc[: len(values) - 1, column] = values
    frame.to_csv(good.root / "shop.csv", index=False)


def test_a_class_with_one_row(good: Checkout) -> None:
    frame = table()
    frame["bought"] = "no"
    frame.loc[5, "bought"] = "yes"
    frame.to_csv(good.root / "shop.csv", index=False)
    good.stage("fetch")
    before = files_of(good, "data/validated")
    told(good.stage("validate", code=3), "'bought'", "'yes'", "1 row")
    assert files_of(good, "data/validated") == before


def test_a_column_that_turned_to_text_names_the_rows(good: Checkout) -> None:
    break_rows(good, "age", ["old", "young"])
    good.stage("fetch")
    told(good.stage("validate", code=3), "column 'age'", "rows 1, 2", "'old'")


def test_a_gap_in_the_target(good: Checkout) -> None:
    break_rows(good, "bought", [None])
    good.stage("fetch")
    told(good.stage("validate", code=3), "'bought' has 1 missing value", "row 1")


def test_quarantine_sets_the_bad_rows_aside(good: Checkout) -> None:
    break_rows(good, "age", ["old", "young"])
    good.edit_params(validate__on_bad_rows="quarantine")
    good.stage("fetch")
    assert "118 rows keep" in good.stage("validate")
    aside = pd.read_parquet(good.root / "data" / "validated" / "quarantine.parquet")
    assert len(aside) == 2
    assert aside["reason"].str.contains("age").all()


def test_a_stage_without_its_input_says_what_to_run(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "empty", is_warm=True)
    told(checkout.stage("scale", code=4), "run the earlier stages first: `dvc repro`")
    told(checkout.stage("evaluate", code=4), "run the earlier stages first: `dvc repro`")


def test_a_flipped_bit_in_an_artifact_is_refused(good: Checkout) -> None:
    good.stage("fetch")
    path = good.root / "data" / "raw" / "table.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    told(good.stage("validate", code=4), "table.parquet", "sha256")


def test_a_diverging_training_ends_with_5(good: Checkout) -> None:
    for name in ("fetch", "validate", "scale"):
        good.stage(name)
    good.edit_params(
        train__optimizer={"name": "sgd", "learning_rate": 1e30},
        train__options={"hidden": [16], "norm": "none"},
    )
    told(good.stage("train", code=5), "the loss diverged", "learning_rate")


def test_two_stages_at_once_one_says_busy(good: Checkout) -> None:
    from filelock import FileLock

    (good.root / ".layerline" / "locks").mkdir(parents=True, exist_ok=True)
    with FileLock(good.root / ".layerline" / "locks" / "stage.lock"):
        told(good.stage("fetch", code=7, LAYERLINE_LOCK_SECONDS="0.5"), "another stage is running")


def test_failures_reach_mlflow_as_failed_runs(good: Checkout) -> None:
    good.edit_params(fetch__target="bougt")
    good.cold.stage("fetch", code=3)  # by a process that sends it
    output = good.python(
        "import mlflow\n"
        "client = mlflow.MlflowClient()\n"
        "ids = [e.experiment_id for e in client.search_experiments()]\n"
        "print({r.info.status for r in client.search_runs(ids)})\n"
    )
    assert "'FAILED'" in output
    assert "RUNNING" not in output


def test_dvc_repro_with_a_params_mistake_stops_before_any_work(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "fresh")
    checkout.edit_params(train__network="mpl")
    output = checkout.run("dvc", "repro", code=None)
    assert "train.network: 'mpl' is not known" in output
    assert not (checkout.root / "data" / "raw").exists()
