"""How a target's distribution is recorded, and when it counts as another one."""

import numpy as np
import pandas as pd
import pytest

from layerline.model.target_profile import TargetProfile


def numbers(values: np.ndarray) -> TargetProfile:
    return TargetProfile.of(pd.Series(values), None)


def drawn(seed: int, n_rows: int = 300) -> np.ndarray:
    return np.random.default_rng(seed).normal(500, 100, n_rows)


@pytest.mark.parametrize(
    ("change", "is_shift"),
    [
        (lambda y: y, False),
        (lambda y: y * 1.2, False),  # a fifth more expensive
        (lambda y: y + 100, False),
        (lambda y: y * 3, True),
        (lambda y: y / 100, True),  # another unit
        (lambda y: y + 300, True),
        (lambda y: -y, True),
        (lambda y: (y - 500) * 3 + 500, True),  # three times as wide around the same middle
    ],
)
def test_numbers_that_moved_are_found(change, is_shift: bool) -> None:
    before, now = numbers(drawn(0)), numbers(change(drawn(1)))
    assert bool(now.shift_from(before)) is is_shift


def test_chance_alone_is_no_shift() -> None:
    heavy = [numbers(np.random.default_rng(s).lognormal(0, 1.5, 200)) for s in range(100)]
    assert sum(bool(now.shift_from(heavy[0])) for now in heavy) <= 2
    few = numbers(drawn(0, 20))
    assert numbers(drawn(1, 20) * 3).shift_from(few) == ""


def test_the_message_has_both_sides() -> None:
    found = numbers(np.arange(101.0) * 3).shift_from(numbers(np.arange(101.0)))
    assert found == (
        "its median is 150, it was 50; nine tenths of the rows lie from 15 to 285, they did from "
        "5 to 95"
    )


@pytest.mark.parametrize(("share", "is_shift"), [(0.1, False), (0.3, False), (0.9, True)])
def test_classes_that_changed_their_shares_are_found(share: float, is_shift: bool) -> None:
    def of(yes: float) -> TargetProfile:
        n_yes = round(yes * 200)
        return TargetProfile.of(pd.Series(["yes"] * n_yes + ["no"] * (200 - n_yes)), ("no", "yes"))

    found = of(share).shift_from(of(0.1))
    assert bool(found) is is_shift
    if is_shift:
        assert found == "class 'no' is 10% of the rows, it was 90%"


def test_a_new_class_alone_is_no_shift() -> None:
    before = TargetProfile.of(pd.Series(["a", "b"] * 50), ("a", "b"))
    now = TargetProfile.of(pd.Series(["a", "b", "c"] * 50), ("a", "b", "c"))
    assert now.shift_from(before) == ""
    assert TargetProfile.of(pd.Series(["c", "d"] * 50), ("c", "d")).shift_from(before) == ""


def test_a_profile_comes_back_from_json() -> None:
    for profile in (numbers(drawn(0)), TargetProfile.of(pd.Series([0, 1, 1]), (0, 1))):
        assert TargetProfile.from_json(profile.to_json()) == profile
    assert TargetProfile.from_json(None) is None
