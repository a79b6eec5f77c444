"""A grid of experiments: it moves no champion, and the adopted winner is made again and judged."""

import json
from hashlib import sha256
from typing import Any

import pytest
from checkouts import Checkout, make_checkout

LEARNING_RATE = "train.optimizer.learning_rate"


def start(folder: Any) -> Checkout:
    """A project of a small table with a champion, committed."""
    checkout = make_checkout(folder / "checkout", is_warm=True)
    rows = "".join(f"{k % 7},{k % 5},{(k % 7) * 2 + (k % 5) + k % 3 / 10}\n" for k in range(240))
    (checkout.root / "houses.csv").write_text(f"size,age,price\n{rows}")
    checkout.run("layerline", "init", "houses.csv", "--target", "price", "--fast")
    checkout.edit_params(train__epochs=3, evaluate__bootstrap=50)
    checkout.run("dvc", "repro")
    checkout.run("git", "add", "-A")
    checkout.run("git", "commit", "-qm", "champion")
    return checkout


def network(checkout: Checkout) -> str:
    path = checkout.root / "models" / "network" / "network.safetensors"
    return sha256(path.read_bytes()).hexdigest()


def read(checkout: Checkout, name: str) -> dict[str, Any]:
    return json.loads((checkout.root / "reports" / name).read_text())


@pytest.mark.parametrize("n", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_grid_leaves_the_champion_and_its_winner_competes(tmp_path: Any, n: int) -> None:
    checkout = start(tmp_path)
    networks, losses = {}, {}
    for number in range(n):
        # None of them is the champion's, which DVC would restore.
        name, rate = f"grid-{number}", f"{LEARNING_RATE}={0.00037 * (number + 1):.5f}"
        checkout.run("dvc", "exp", "run", "-n", name, "-S", rate)
        networks[name] = network(checkout)
        losses[name] = read(checkout, "metrics.json")["valid"]["rmse"]
        assert "experiments are not promoted" in read(checkout, "registration.json")["reason"]
        checkout.run("git", "checkout", "-q", ".")
    assert len(set(networks.values())) == n
    versions = json.loads(checkout.run("layerline", "history", "--json", "--limit", "99"))
    assert len(versions) == n + 1
    (champion,) = (found for found in versions if "champion" in found["aliases"])
    assert champion["version"] == 1

    winner = min(losses, key=losses.__getitem__)
    checkout.run("layerline", "adopt", winner)
    # Its network is in DVC's cache, and so is its verdict, which no longer counts.
    assert "Running stage 'register'" in checkout.run("dvc", "repro")
    assert network(checkout) == networks[winner]
    assert "experiments are not promoted" not in read(checkout, "registration.json")["reason"]
    checkout.run("dvc", "repro", "--force", "--single-item", "train")
    assert network(checkout) == networks[winner]
