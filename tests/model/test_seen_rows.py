import numpy as np
import pandas as pd
import pytest

from layerline.errors import SourceError
from layerline.model.seen_rows import (
    SEEN,
    Seen,
    is_seen,
    read_seen,
    seen_by_training,
    shortened,
    write_seen,
)
from layerline.scaling.splitting import hash_images, hash_rows


@pytest.fixture
def frame():
    generator = np.random.default_rng(0)
    size = generator.normal(size=500)
    soil = generator.choice(["clay", "sand"], 500)
    size[0] = np.nan
    return pd.DataFrame({"size": size, "soil": soil})


@pytest.mark.parametrize("whole", [1000, 10])
def test_rows_are_known_again_whatever_their_order_and_types(whole, frame, tmp_path):
    seen = Seen(shortened(hash_rows(frame[:300]), whole), ("size", "soil"))
    assert seen.rows.dtype == (np.uint64 if whole == 1000 else np.uint32)
    write_seen(tmp_path, seen)
    read = read_seen(tmp_path / SEEN)
    assert read is not None
    shuffled = frame.sample(frac=1, random_state=1).assign(other=1)
    found = is_seen(shuffled[["other", "soil", "size"]], read)
    np.testing.assert_array_equal(found, shuffled.index < 300)


def test_equal_rows_give_equal_bytes(frame, tmp_path):
    for name, rows in (("a", frame), ("b", frame[::-1])):
        (tmp_path / name).mkdir()
        write_seen(tmp_path / name, Seen(shortened(hash_rows(rows)), ("size", "soil")))
    assert (tmp_path / "a" / SEEN).read_bytes() == (tmp_path / "b" / SEEN).read_bytes()


def test_an_unknown_count_is_none(frame, tmp_path):
    seen = Seen(shortened(hash_rows(frame)), ("size", "soil"))
    assert is_seen(frame.drop(columns="soil"), seen) is None
    assert is_seen(np.zeros((2, 3, 3), np.uint8), seen) is None
    assert is_seen(frame, None) is None
    assert read_seen(tmp_path / SEEN) is None
    (tmp_path / SEEN).write_bytes(b"no")
    with pytest.raises(SourceError, match="damaged"):
        read_seen(tmp_path / SEEN)


def test_images_are_known_by_their_bytes():
    images = np.random.default_rng(0).integers(0, 255, (20, 4, 4), dtype=np.uint8)
    seen = Seen(shortened(hash_images(images[:5])), ())
    np.testing.assert_array_equal(is_seen(images, seen), np.arange(20) < 5)


@pytest.mark.parametrize("name", ["classes", "images"])
def test_a_training_records_train_and_valid_rows_and_no_test_row(name, made):
    workspace = made(name).workspace
    seen = seen_by_training(workspace)
    for split in ("train", "valid", "test"):
        ids = np.load(workspace.scaled / f"{split}_id.npy")
        assert np.isin(ids, seen.rows).all() == (split != "test")
        assert np.isin(ids, seen.rows).any() == (split != "test")
    wanted = () if name == "images" else ("size", "soil", "count", "is wild", "planted")
    assert seen.columns == wanted
