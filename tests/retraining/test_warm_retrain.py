"""`layerline retrain` with and without the warm process: the same bytes, messages and record."""

import json
import re
import sys
from pathlib import Path

import pytest
from checkouts import Checkout, make_checkout
from retraining.test_retrain import CODE, rows

from layerline.artifacts import STAGES
from layerline.stage.warm_client import OFF, PLACE

SAME = ("data/raw", "data/validated", "data/scaled", "models", "reports/drift/drift.json")
SECONDS = re.compile(r"in [\d.]+ s")


def make_shop(root: Path, **environment: str) -> tuple[Checkout, list[str]]:
    """A checkout that was trained twice, and what the runs printed."""
    shop = make_checkout(root)
    layerline = [sys.executable, "-W", "ignore", "-c", CODE]
    rows().to_csv(shop.root / "shop.csv", index=False)
    shop.run(*layerline, "init", "shop.csv", "--target", "price", "--project", "shop")
    shop.edit_params(train__epochs=2, evaluate__bootstrap=0, evaluate__baselines=[])
    printed = [shop.run(*layerline, "retrain", **environment)]
    rows(440).to_csv(shop.root / "shop.csv", index=False)
    printed.append(shop.run(*layerline, "retrain", code=None, **environment))
    bad = (shop.root / "shop.csv").read_text().replace("a,b,c,price", "a,b,d,price")
    (shop.root / "shop.csv").write_text(bad)
    printed.append(shop.run(*layerline, "retrain", code=3, **environment))
    return shop, printed


def contents(root: Path) -> dict[str, bytes]:
    files = [path for part in SAME for path in (root / part, *(root / part).rglob("*"))]
    return {str(path.relative_to(root)): path.read_bytes() for path in files if path.is_file()}


def records(shop: Checkout) -> list[dict[str, object]]:
    lines = (shop.root / "reports" / "retrain.jsonl").read_text().splitlines()
    return [
        {k: v for k, v in json.loads(line).items() if k not in ("started", "seconds")}
        for line in lines
    ]


@pytest.mark.slow
def test_a_warm_run_writes_and_prints_what_a_cold_one_does(tmp_path: Path) -> None:
    cold, expected = make_shop(tmp_path / "cold", **{PLACE: OFF})
    warm, printed = make_shop(tmp_path / "warm")
    found = contents(warm.root)
    assert len(found) > 20
    assert found == contents(cold.root)
    assert records(warm) == records(cold)
    assert [SECONDS.sub("", text) for text in printed] == [
        SECONDS.sub("", text).replace("/cold", "/warm") for text in expected
    ]


def test_each_stage_of_a_run_is_a_fork(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "digits")
    checkout.edit_params(train__epochs=1, evaluate__bootstrap=0, evaluate__baselines=[])
    command = [sys.executable, "-W", "ignore", "-c", CODE, "retrain"]
    printed = checkout.run(*command, LAYERLINE_DEBUG="1")
    assert records(checkout)[-1]["stages"] == list(STAGES)
    assert "runs by itself" not in printed
    assert "started again" not in printed
