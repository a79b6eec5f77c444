"""Faults by seed into every stage and command; each promise holds.

`LAYERLINE_FAULTS` says about how many, `LAYERLINE_FAULTS_SEED` from which seed; `make faults`
injects a thousand.
"""

import os

import pytest
from faults.bench import Bench, make_template
from faults.catalogue import Batch, plan
from faults.runner import inject

N_FAULTS = int(os.environ.get("LAYERLINE_FAULTS", "100"))
SEED = int(os.environ.get("LAYERLINE_FAULTS_SEED", "0"))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return make_template(tmp_path_factory.mktemp("faults") / "template")


@pytest.mark.slow
@pytest.mark.parametrize("batch", plan(N_FAULTS, SEED), ids=lambda b: f"{b.kind}-{b.seeds[0]}")
def test_faults_break_no_promise(template: Bench, batch: Batch) -> None:
    for result in inject(template, batch):
        assert not result.broken, f"{result.kind}, seed {result.seed}: {result.broken}"
