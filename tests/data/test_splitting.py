"""Every method gives every row one split; the hash keeps rows where they are."""

import numpy as np
import pandas as pd
import pytest

from layerline.data.splitting import (
    SPLITS,
    SplitInput,
    by_column,
    by_hash,
    check_splits,
    hash_rows,
    stratified,
)
from layerline.errors import DataError


def table(n_rows: int = 2000, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": generator.integers(18, 90, n_rows),
            "income": np.where(generator.random(n_rows) < 0.1, np.nan, generator.random(n_rows)),
            "city": generator.choice(["Ulm", "Bonn", None], n_rows),
            "target": generator.choice(["no", "yes"], n_rows, p=[0.9, 0.1]),
            "part": generator.choice(["train", "valid", "test"], n_rows, p=[0.6, 0.2, 0.2]),
        }
    )


def rows(frame: pd.DataFrame, **changes: object) -> SplitInput:
    facts = {"images": None, "target": "target", "official": "part", "is_classification": True}
    features = tuple(name for name in frame if name not in ("target", "part"))
    return SplitInput(frame=frame, features=features, seed=0, **{**facts, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("method", SPLITS)
def test_every_row_gets_a_split_and_again_the_same(method: str) -> None:
    options = {"column": "part"} if method == "column" else {}
    labels = SPLITS[method](rows(table()), **options)
    again = SPLITS[method](rows(table()), **options)
    assert labels.shape == (2000,)
    assert set(labels) == {"train", "valid", "test"}
    assert (labels == again).all()


@pytest.mark.parametrize("method", ["hash", "random", "stratified"])
def test_shares_are_as_asked(method: str) -> None:
    counts = check_splits(SPLITS[method](rows(table()), valid=0.1, test=0.3), None)
    assert counts["test"] == pytest.approx(600, abs=80)
    assert counts["valid"] == pytest.approx(200, abs=50)


def test_a_row_stays_in_its_split_while_the_table_grows_and_is_shuffled() -> None:
    old = table()
    new = pd.concat([old, table(500, seed=1)], ignore_index=True).sample(frac=1, random_state=0)
    before = pd.Series(by_hash(rows(old)), index=old.index)
    after = pd.Series(by_hash(rows(new)), index=new.index)
    pd.testing.assert_series_equal(
        after[old.index.intersection(after.index)].loc[:1999].sort_index(), before
    )


def test_duplicates_never_straddle() -> None:
    once = table(300)
    labels = by_hash(rows(pd.concat([once, once, once], ignore_index=True)))
    assert (labels[:300] == labels[300:600]).all()
    assert (labels[:300] == labels[600:]).all()


def test_the_target_does_not_say_where_a_row_goes() -> None:
    frame = table()
    flipped = frame.assign(target=frame["target"].map({"no": "yes", "yes": "no"}))
    assert (by_hash(rows(frame)) == by_hash(rows(flipped))).all()


def test_a_column_that_widens_to_float_moves_no_row() -> None:
    frame = table()
    assert (by_hash(rows(frame)) == by_hash(rows(frame.astype({"age": float})))).all()
    assert (by_hash(rows(frame)) == by_hash(rows(frame.astype({"city": object})))).all()


def test_the_first_gap_in_a_truth_column_moves_no_other_row() -> None:
    whole = pd.DataFrame({"a": [True, False] * 50, "b": np.arange(100)})
    gap = pd.concat([whole.astype(object), pd.DataFrame({"a": [None], "b": [100]}, dtype=object)])
    gap = gap.reset_index(drop=True).astype({"b": float})
    assert (hash_rows(whole) == hash_rows(gap)[:100]).all()


def test_images_are_split_by_their_pixels() -> None:
    images = np.random.default_rng(0).integers(0, 256, (400, 5, 5), dtype=np.uint8)
    frame = table(400)
    labels = by_hash(rows(frame, images=images))
    order = np.random.default_rng(1).permutation(400)
    moved = by_hash(rows(frame.iloc[order].reset_index(drop=True), images=images[order]))
    assert (moved == labels[order]).all()


def test_stratified_keeps_each_class_share() -> None:
    frame = table()
    labels = stratified(rows(frame), valid=0.2, test=0.2)
    shares = [
        (frame["target"][labels == name] == "yes").mean() for name in ("train", "valid", "test")
    ]
    assert max(shares) - min(shares) < 0.005


def test_a_column_without_valid_rows_gives_some_of_its_train_rows() -> None:
    frame = table().replace({"part": {"valid": "train"}})
    labels = by_column(rows(frame), column="part", valid=0.25)
    assert (labels[frame["part"] == "test"] == "test").all()
    assert (labels == "valid").sum() == pytest.approx(1600 * 0.25, abs=80)


@pytest.mark.parametrize(
    ("method", "options", "changes", "message"),
    [
        ("column", {"column": "prat"}, {}, "no column 'prat'"),
        ("column", {"column": "city"}, {}, "must be train, valid or test, found"),
        ("official", {}, {"official": None}, "no official split"),
        ("stratified", {}, {"is_classification": False}, "needs classes"),
        ("hash", {"valid": 0.5, "test": 0.6}, {}, "leave no rows to train on"),
    ],
)
def test_what_cannot_be_split_is_told(
    method: str, options: dict[str, object], changes: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        SPLITS[method](rows(table(), **changes), **options)


def test_an_empty_split_and_a_class_without_train_rows_are_told() -> None:
    with pytest.raises(DataError, match="only 0 valid rows of 3"):
        check_splits(np.array(["train", "train", "test"]), None)
    labels = np.array(["train", "train", "valid", "test"])
    with pytest.raises(DataError, match="class 'b' has no train row"):
        check_splits(labels, np.array(["a", "a", "a", "b"]))
