"""Faults by seed into every stage and command; each promise holds.

`LAYERLINE_FAULTS` says how many (100 where it is not set to another number) and
`LAYERLINE_FAULTS_SEED` from which seed; `make faults` injects a thousand.
"""

import os

import pytest
from faults.bench import Bench, make_template
from faults.catalogue import plan
from faults.runner import inject

N_FAULTS = int(os.environ.get("LAYERLINE_FAULTS", "24"))
SEED = int(os.environ.get("LAYERLINE_FAULTS_SEED", "0"))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return make_template(tmp_path_factory.mktemp("faults") / "template")


@pytest.mark.parametrize(("kind", "seed"), plan(N_FAULTS, SEED))
def test_a_fault_breaks_no_promise(template: Bench, kind: str, seed: int) -> None:
    result = inject(template, kind, seed)
    assert not result.broken, f"{kind}, seed {seed}: {result.broken}"
