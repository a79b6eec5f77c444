from pathlib import Path

import numpy as np
import pytest

from layerline.scaling.array_writer import split_writers

ROWS = {"x": np.arange(6.0).reshape(3, 2), "row": np.arange(3)}


def test_pieces_give_the_file_of_the_whole(tmp_path: Path) -> None:
    with split_writers(tmp_path, {"train": 6, "test": 3}) as (train, test):
        for writer in train, test, train:
            writer.write(ROWS)
    assert np.load(tmp_path / "train_x.npy").tolist() == ROWS["x"].tolist() * 2
    assert np.load(tmp_path / "test_row.npy").tolist() == [0, 1, 2]


def test_missing_rows_are_an_error_and_hide_no_other(tmp_path: Path) -> None:
    def write(error: OSError | None) -> None:
        with split_writers(tmp_path, {"train": 4}) as (train,):
            train.write(ROWS)
            if error is not None:
                raise error

    with pytest.raises(ValueError, match="3 rows of 4"):
        write(None)
    with pytest.raises(OSError, match="full"):
        write(OSError("full"))
