"""Equal rows: copies stay together, observations of one kind are dealt, shares are kept."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerline.scaling.splitting import TEST, TRAIN, VALID, hash_rows, separate_observations
from layerline.scaling.splitting.repeats import LEAST_OBSERVATIONS, deal_by_weight, repeat
from layerline.scaling.splitting.split_counts import share_note


def kinds(sizes: list[int], seed: int = 0) -> tuple[np.ndarray, pd.Series]:
    """Hashes of rows of so many kinds, shuffled, and targets of chance."""
    generator = np.random.default_rng(seed)
    kind = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    frame = pd.DataFrame({"kind": kind, "wide": kind % 2})
    return hash_rows(frame), pd.Series(generator.choice(["no", "yes"], len(kind)))


def test_observations_of_one_kind_are_distinguished() -> None:
    hashes, target = kinds([500, 300, LEAST_OBSERVATIONS - 1])
    separated = separate_observations(hashes, lambda: target)
    assert len(np.unique(separated)) == 500 + 300 + 1
    few = hashes == pd.Series(hashes).value_counts().index[-1]
    assert (separated[few] == hashes[few]).all()


def test_copies_of_a_record_stay_together() -> None:
    hashes, _ = kinds([500, 300, 40])
    alike = pd.Series(hashes).map({h: k for k, h in enumerate(np.unique(hashes))})
    assert (separate_observations(hashes, lambda: alike) == hashes).all()


def test_the_target_is_read_only_where_rows_repeat() -> None:
    hashes = np.arange(1000, dtype=np.uint64)

    def refuse() -> pd.Series:
        raise AssertionError("the target was read")

    assert separate_observations(hashes, refuse) is hashes
    assert len(separate_observations(hashes[:0], refuse)) == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(30, 200), st.integers(1, 100), st.integers(0, 9))
def test_appended_rows_change_no_earlier_hash(n_old: int, n_new: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    hashes = generator.integers(0, 2, n_old + n_new).astype(np.uint64)
    hashes[:LEAST_OBSERVATIONS], hashes[LEAST_OBSERVATIONS : LEAST_OBSERVATIONS + 5] = 0, 1
    target = pd.Series(np.resize([0, 1], n_old + n_new))
    old = separate_observations(hashes[:n_old], lambda: target[:n_old])
    new = separate_observations(hashes, lambda: target)[:n_old]
    changed = old != new
    # A kind that came to be one of observations is dealt anew, once.
    assert (pd.Series(hashes[:n_old])[changed].map(lambda h: h == 1)).all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=20, max_size=80), st.integers(0, 3))
def test_groups_are_dealt_whole_and_by_weight(sizes: list[int], salt: int) -> None:
    hashes, _ = kinds(sizes)
    labels = deal_by_weight(hashes, salt, 0.2, 0.3)
    assert (pd.Series(labels).groupby(hashes).nunique() == 1).all()
    largest = max(sizes) / len(hashes)
    for split, share in ((TEST, 0.3), (VALID, 0.2), (TRAIN, 0.5)):
        assert (labels == split).mean() == pytest.approx(share, abs=largest + 1e-9)


def test_whether_rows_repeat() -> None:
    assert repeat(10, 20)
    assert not repeat(20, 20)


def test_shares_that_are_missed_are_reported_with_figures() -> None:
    labels = np.repeat([TRAIN, VALID, TEST], [1232, 770, 198])
    note = share_note(labels, 0.15, 0.2, n_distinct=16)
    assert note is not None
    assert (
        "train 56% (asked for: 65%), valid 35% (asked for: 15%), test 9% (asked for: 20%)" in note
    )
    assert "only 16 different rows among 2,200" in note
    assert share_note(np.repeat([TRAIN, VALID, TEST], [650, 150, 200]), 0.15, 0.2, 1000) is None
    # Chance in a small table is no news.
    assert share_note(np.repeat([TRAIN, VALID, TEST], [13, 2, 5]), 0.15, 0.2, 20) is None
