"""Two workers of a real Dask cluster, on this machine; pytest loads its fixtures by import."""

from collections.abc import Iterator
from pathlib import Path

import pytest

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module", autouse=True)
def importable_tests() -> Iterator[None]:
    """Workers import functions of the tests' modules, wherever they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1])
        yield


@pytest.fixture(scope="module", name="workers")
def two_workers() -> Iterator["distributed.LocalCluster"]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as started:
        yield started
