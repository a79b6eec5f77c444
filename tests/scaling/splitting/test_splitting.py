"""Every method gives every row one split; the hash keeps rows where they are."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerline.errors import DataError
from layerline.lookup import option_problems
from layerline.scaling import splitting
from layerline.scaling.splitting import (
    LEFT_OUT,
    SPLITS,
    TEST,
    TRAIN,
    VALID,
    SplitInput,
    assign_folds,
    check_splits,
    count_rows,
    find_salt,
    hash_images,
    hash_rows,
)

by_hash, by_group, by_column, by_time, stratified = (
    SPLITS[name].build for name in ("hash", "group", "column", "time", "stratified")
)
OPTIONS: dict[str, dict[str, Any]] = {
    "column": {"column": "part"},
    "group": {"column": "shop"},
    "time": {"column": "day"},
}


def table(n_rows: int = 2000, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": generator.integers(18, 90, n_rows),
            "income": np.where(generator.random(n_rows) < 0.1, np.nan, generator.random(n_rows)),
            "city": generator.choice(["Ulm", "Bonn", None], n_rows),
            "shop": generator.integers(0, 500, n_rows),
            "day": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(generator.integers(0, 700, n_rows), unit="D"),
            "target": generator.choice(["no", "yes"], n_rows, p=[0.9, 0.1]),
            "part": generator.choice(["train", "valid", "test"], n_rows, p=[0.6, 0.2, 0.2]),
        }
    )


def rows(frame: pd.DataFrame, **changes: Any) -> SplitInput:
    features = [name for name in frame if name not in ("target", "part")]
    facts = {
        "row_hashes": hash_rows(frame[features]),
        "target": "target",
        "official": "part",
        "is_classification": True,
        "seed": 0,
    }
    return SplitInput(frame, tuple(frame.columns), **{**facts, **changes})


SUPPORT = {"split", "shares", "row_hash", "split_counts", "repeats", "rare_classes", "folds"}


def test_each_file_of_a_split_has_its_line_in_the_table() -> None:
    files = {path.stem for path in Path(splitting.__file__).parent.glob("*.py")} - {"__init__"}
    assert {line.build.__module__.rpartition(".")[2] for line in SPLITS.values()} == files - SUPPORT


@pytest.mark.parametrize("method", SPLITS)
def test_a_line_says_what_the_split_does(method: str) -> None:
    line, options = SPLITS[method], OPTIONS.get(method, {})
    known = option_problems(line.build, {"salt": 1, **options}, "scale.split")
    assert line.has_salt == (not known)
    assert line.key_columns(options) == ((options["column"],) if line.key_option else ())
    whole = table(400)
    before = line.build(rows(whole.head(150)), **options)
    after = line.build(rows(whole), **options)[:150]
    assert line.is_stable == bool((before == after).all())
    if "regression" not in line.tasks:
        with pytest.raises(DataError, match="needs classes"):
            line.build(rows(whole, is_classification=False), **options)


@pytest.mark.parametrize("method", SPLITS)
def test_every_row_gets_a_split_and_again_the_same(method: str) -> None:
    options = OPTIONS.get(method, {})
    labels = SPLITS[method].build(rows(table()), **options)
    again = SPLITS[method].build(rows(table()), **options)
    assert labels.shape == (2000,)
    assert labels.dtype == np.int8
    assert set(labels) == {TRAIN, VALID, TEST}
    assert (labels == again).all()


@pytest.mark.parametrize("method", ["hash", "random", "stratified", "group", "time"])
def test_shares_are_as_asked(method: str) -> None:
    options = OPTIONS.get(method, {})
    counts = check_splits(SPLITS[method].build(rows(table()), valid=0.1, test=0.3, **options), None)
    assert counts["test"] == pytest.approx(600, abs=90)
    assert counts["valid"] == pytest.approx(200, abs=60)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 200), st.integers(0, 200), st.integers(0, 3), st.integers(0, 9))
def test_a_row_stays_in_its_split_while_the_table_grows_and_is_shuffled(
    n_old: int, n_new: int, seed: int, salt: int
) -> None:
    old = table(n_old)
    whole = pd.concat([old, table(n_new, seed=seed + 1)], ignore_index=True)
    order = np.random.default_rng(seed).permutation(len(whole))
    grown = whole.iloc[order].reset_index(drop=True)
    place = np.argsort(order)[:n_old]
    for options in (
        {"salt": salt},
        {"keys": ("shop", "city"), "salt": salt},
    ):
        before, after = by_hash(rows(old), **options), by_hash(rows(grown), **options)
        assert (after[place] == before).all()
    before, after = by_group(rows(old), column="shop"), by_group(rows(grown), column="shop")
    assert (after[place] == before).all()
    fixed = {"column": "day", "valid_from": "2024-06-01", "test_from": "2025-01-01"}
    before, after = by_time(rows(old), **fixed), by_time(rows(grown), **fixed)
    assert (after[place] == before).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 60), st.integers(2, 4), st.integers(0, 5))
def test_duplicates_and_groups_never_straddle(n_rows: int, copies: int, salt: int) -> None:
    once = table(n_rows)
    frame = pd.concat([once] * copies, ignore_index=True)
    labels = by_hash(rows(frame), salt=salt).reshape(copies, n_rows)
    assert (labels == labels[0]).all()
    for method in (by_group(rows(frame), column="shop"), by_hash(rows(frame), keys="shop")):
        assert (pd.Series(method).groupby(frame["shop"]).nunique() == 1).all()


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
    labels = by_hash(rows(frame, row_hashes=hash_images(images)))
    order = np.random.default_rng(1).permutation(400)
    moved = by_hash(rows(frame, row_hashes=hash_images(images[order])))
    assert (moved == labels[order]).all()


def test_stratified_keeps_each_class_share() -> None:
    frame = table()
    labels = stratified(rows(frame), valid=0.2, test=0.2)
    shares = [(frame["target"][labels == name] == "yes").mean() for name in (TRAIN, VALID, TEST)]
    assert max(shares) - min(shares) < 0.005


def test_a_column_without_valid_rows_gives_some_of_its_train_rows() -> None:
    frame = table().replace({"part": {"valid": "train"}})
    labels = by_column(rows(frame), column="part", valid=0.25)
    assert (labels[frame["part"] == "test"] == TEST).all()
    assert (labels == VALID).sum() == pytest.approx(1600 * 0.25, abs=80)


@pytest.mark.parametrize(
    ("method", "options", "changes", "message"),
    [
        ("column", {"column": "prat"}, {}, "no column 'prat'; did you mean 'part'"),
        ("group", {"column": ("shop", "ctiy")}, {}, "no column 'ctiy'; did you mean 'city'"),
        ("group", {"column": ()}, {}, "is an empty list"),
        ("time", {"column": "city"}, {}, "needs dates or numbers, and 'city' is text"),
        ("time", {"column": "income"}, {}, "'income' is the time of each row and is missing"),
        (
            "time",
            {"column": "day", "test_from": "soon"},
            {},
            "a number or a date like 2024-12-31, got 'soon'",
        ),
        (
            "time",
            {"column": "day", "valid_from": "2030-01-01T12:00+02:00", "test_from": "2030-01-01"},
            {},
            "too few distinct times in column 'day': valid would start at 2030-01-01 10:00:00, "
            "test at 2030-01-01 00:00:00",
        ),
        (
            "time",
            {"column": "day", "test_from": "today"},
            {},
            "a date like 2024-12-31, got 'today'",
        ),
        ("column", {"column": "city"}, {}, "must be train, valid or test, found"),
        ("official", {}, {"official": None}, "no official split"),
        ("stratified", {}, {"is_classification": False}, "needs classes"),
        ("hash", {"valid": 0.5, "test": 0.6}, {}, "leave no rows to train on"),
    ],
)
def test_what_cannot_be_split_is_reported(
    method: str, options: dict[str, object], changes: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        SPLITS[method].build(rows(table(), **changes), **options)


def test_an_empty_split_and_a_class_without_train_rows_are_reported() -> None:
    with pytest.raises(DataError, match="only 0 valid rows of 3"):
        check_splits(np.array([TRAIN, TRAIN, TEST]), None)
    labels = np.array([TRAIN, TRAIN, VALID, TEST])
    with pytest.raises(DataError, match="class 'b' has no train row"):
        check_splits(labels, np.array(["a", "a", "a", "b"]))
    with pytest.raises(DataError, match="are needed: set `salt: 3`"):
        check_splits(np.array([TRAIN, TRAIN, TEST]), None, "set `salt: 3`")


def test_hashes_are_those_of_pandas() -> None:
    """They name rows in other versions of the data and decide splits: they must never change."""
    frame = table(50).drop(columns="day").astype({"age": float, "shop": float})
    text = frame.astype({"city": object}).fillna({"city": "\0missing"})
    expected = pd.util.hash_pandas_object(text, index=False).to_numpy()
    np.testing.assert_array_equal(hash_rows(frame), expected)
    known = pd.DataFrame({"a": [1.0, -0.0, np.nan], "b": ["x", "y", None]})
    assert hash_rows(known).tolist() == KNOWN
    assert hash_rows(known[[]]).tolist() == [0, 0, 0]


KNOWN = [17964852340668585268, 17413027738506541781, 8065611786851950748]


def test_the_latest_rows_are_test_and_a_gap_is_left_out() -> None:
    frame = table()
    labels = by_time(rows(frame), column="day", gap=14)
    ends = [frame["day"][labels == split] for split in (TRAIN, VALID, TEST)]
    days = pd.Timedelta(days=14)
    assert ends[0].max() + days < ends[1].min()
    assert ends[1].max() + days < ends[2].min()
    assert count_rows(labels)["test"] == pytest.approx(400, abs=5)
    assert (labels == LEFT_OUT).sum() > 0


@pytest.mark.parametrize("n_rows", [4, 6, 9, 15, 30])
def test_a_small_table_finds_a_salt_that_fills_every_split(n_rows: int) -> None:
    for seed in range(5):
        frame = table(n_rows, seed).assign(target=np.resize(["no", "yes"], n_rows))
        salt = find_salt(rows(frame).row_hashes, frame["target"])
        assert salt is not None
        labels = by_hash(rows(frame), salt=salt)
        check_splits(labels, frame["target"].to_numpy())


def test_two_distinct_rows_have_no_such_salt() -> None:
    frame = pd.concat([table(2)] * 20, ignore_index=True)
    assert find_salt(rows(frame).row_hashes, None) is None


@pytest.mark.parametrize("by", [(), ("classes",), ("groups",), ("classes", "groups")])
def test_folds_hold_each_row_out_once(by: tuple[str, ...]) -> None:
    frame = table()
    given = {"classes": frame["target"].to_numpy(), "groups": frame["shop"].to_numpy()}
    options = {name: given[name] for name in by}
    folds = assign_folds(2000, n_folds=5, seed=1, **options)
    assert (folds == assign_folds(2000, n_folds=5, seed=1, **options)).all()
    assert (folds != assign_folds(2000, n_folds=5, seed=2, **options)).any()
    sizes = np.bincount(folds, minlength=5)
    assert sizes.max() - sizes.min() < 60
    if "classes" in by:
        shares = [(frame["target"][folds == fold] == "yes").mean() for fold in range(5)]
        assert max(shares) - min(shares) < 0.02
    if "groups" in by:
        assert (pd.Series(folds).groupby(frame["shop"]).nunique() == 1).all()


def test_too_few_rows_for_the_folds_are_reported() -> None:
    with pytest.raises(DataError, match="5 folds need at least 5 rows, found 3"):
        assign_folds(3, n_folds=5, seed=0)
    with pytest.raises(DataError, match="at least 5 groups, found 2"):
        assign_folds(10, n_folds=5, seed=0, groups=np.resize([0, 1], 10))
