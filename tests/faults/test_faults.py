"""The plan of a suite; `make faults` carries it out: it takes minutes, and CI runs a hundred."""

from faults.catalogue import CATALOGUE, plan


def count(n_faults: int, seed: int) -> int:
    return sum(len(batch.seeds) * CATALOGUE[batch.kind].n_faults for batch in plan(n_faults, seed))


def test_a_plan_has_about_as_many_faults_as_asked() -> None:
    assert 980 <= count(1000, seed=0) <= 1020
    assert all(70 <= count(100, seed) <= 130 for seed in range(20))


def test_a_thousand_faults_are_of_every_kind() -> None:
    assert {batch.kind for batch in plan(1000, seed=0)} == set(CATALOGUE)


def test_a_plan_is_the_same_for_the_same_seed() -> None:
    assert plan(100, seed=3) == plan(100, seed=3) != plan(100, seed=4)
