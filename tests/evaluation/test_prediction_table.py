import numpy as np
import pandas as pd
import pytest

from layerline.errors import SourceError
from layerline.evaluation.prediction_table import read_record, record, tabulate
from layerline.evaluation.predictions import Predictions, classify

IDS = np.array([2**64 - 1, 7], dtype=np.uint64)


def classified() -> Predictions:
    return classify(np.array([[2.0, 0.0], [0.0, 1.0]], dtype=np.float32), np.array([0, 0]))


@pytest.mark.parametrize("classes", [("no", "yes"), (10, 20), (False, True)])
def test_classes_come_back_under_their_own_labels(tmp_path, classes):
    predictions = classified()
    record(tmp_path / "p.parquet", IDS, predictions, classes, "a" * 64)
    found = read_record(tmp_path / "p.parquet", "a" * 64)
    assert found["id"].tolist() == IDS.tolist()
    assert found["actual"].tolist() == [classes[0], classes[0]]
    table = tabulate(predictions, classes)
    pd.testing.assert_frame_equal(found.drop(columns=["id", "actual"]), table, check_dtype=False)


def test_numbers_come_back_to_the_last_bit(tmp_path):
    predictions = Predictions(np.array([0.1, 2e9]), np.array([1 / 3, -1e-12]))
    record(tmp_path / "p.parquet", IDS, predictions, None, "a" * 64)
    found = read_record(tmp_path / "p.parquet")
    assert found["actual"].tolist() == predictions.actual.tolist()
    assert found["prediction"].tolist() == predictions.predicted.tolist()


def test_quantiles_come_back_in_a_column_each(tmp_path):
    quantiles = np.array([[1.0, 2.0, 3.0], [-1.0, 0.0, 0.5]])
    predictions = Predictions(
        np.zeros(2), quantiles[:, 1], quantiles=quantiles, levels=(0.1, 0.5, 0.9)
    )
    record(tmp_path / "p.parquet", IDS, predictions, None, "a" * 64)
    found = read_record(tmp_path / "p.parquet").drop(columns=["id", "actual"])
    assert list(found) == ["prediction", "quantile_0.1", "quantile_0.5", "quantile_0.9"]
    assert found.iloc[:, 1:].to_numpy().tolist() == quantiles.tolist()
    assert found["prediction"].tolist() == found["quantile_0.5"].tolist()


def test_equal_predictions_have_equal_bytes(tmp_path):
    for name in ("a", "b"):
        record(tmp_path / name, IDS, classified(), ("no", "yes"), "a" * 64)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_predictions_of_another_network_are_refused(tmp_path):
    record(tmp_path / "p.parquet", IDS, classified(), ("no", "yes"), "a" * 64)
    with pytest.raises(SourceError, match="has the predictions of another network"):
        read_record(tmp_path / "p.parquet", "b" * 64)


def test_missing_and_damaged_predictions_are_distinguished(tmp_path):
    with pytest.raises(SourceError, match="missing"):
        read_record(tmp_path / "p.parquet")
    (tmp_path / "p.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(SourceError, match="damaged"):
        read_record(tmp_path / "p.parquet")
