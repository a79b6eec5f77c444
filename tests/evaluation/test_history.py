"""reports/history.csv is read back, or is reported as damaged."""

from pathlib import Path

import pytest

from layerline.errors import SourceError
from layerline.evaluation.history import read_history


def test_what_was_not_measured_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("epoch,train_loss,valid_loss\n1,0.5,\n2,0.25,inf\n")
    assert read_history(path) == [
        {"epoch": 1.0, "train_loss": 0.5},
        {"epoch": 2.0, "train_loss": 0.25, "valid_loss": float("inf")},
    ]


@pytest.mark.parametrize(
    "content",
    [
        *(
            b"",
            b"epoch,train_loss\n",
            b"epoch,train_loss\n1,0.5\n2\n",
            b"epoch,train_loss\n1,2,3\n",
        ),
        *(b"epoch,train_loss\n1,x\n", b"train_loss\n0.5\n", b"\xff\xfe\n1\n", b"epoch\n\0\n"),
        b'epoch\n"1\n',
    ],
)
def test_damage_is_reported(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"history\.csv: damaged"):
        read_history(path)


def test_a_missing_one_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"history\.csv: cannot be read .*; run `dvc repro`"):
        read_history(tmp_path / "history.csv")
