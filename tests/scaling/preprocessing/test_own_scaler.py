"""A scaler of the user's own: frozen with its code, restored without the project."""

import json
import shutil

import numpy as np
import pytest
from own_project import write_own_code

from layerline.config import ScaleSection
from layerline.errors import ParamsError
from layerline.lookup import Choice
from layerline.scaling.preprocessing.numbers import Numbers, fit_numbers, fit_values
from layerline.scaling.preprocessing.scalers import Own, read_transform, refuse_own

X = np.array([[1.0, 10.0], [4.0, 30.0], [8.0, 20.0]])


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    write_own_code(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fit(name, **options):
    choice = Choice(f"mine.scalers:{name}", options)
    return fit_values(X, ["a", "b"], Choice("mean", {}), choice)[1]


def test_it_scales_the_same_when_the_project_is_gone(project):
    fitted = fit("Logs", base=10.0)
    shutil.rmtree(project / "mine")
    restored = read_transform(json.loads(json.dumps(fitted.to_json())))
    assert isinstance(restored, Own)
    assert restored.state == {"low_": [1.0, 10.0]}
    new = np.array([[0.0, 19.0], [100.0, 1000.0]])
    expected = np.log10(np.maximum(new - [1.0, 10.0], 0) + 1)
    np.testing.assert_allclose(restored.apply(new), expected)
    np.testing.assert_array_equal(restored.apply(new), fitted.apply(new))


def test_its_code_is_that_of_the_fit_whatever_the_file_is_now(project):
    path = project / "mine" / "scalers.py"
    old = fit("Logs")
    path.write_text(path.read_text().replace("+ 1)", "+ 2)"))
    new = fit("Logs")
    assert read_transform(old.to_json()).apply(X)[0, 0] == 0.0
    assert read_transform(new.to_json()).apply(X)[0, 0] == 1.0


def test_columns_may_be_scaled_each_in_its_way():
    import pandas as pd

    frame = pd.DataFrame(X, columns=["a", "b"])
    numeric = {"columns": {"b": {"name": "mine.scalers:Logs", "base": 10.0}}}
    numbers = fit_numbers(frame, ["a", "b"], ScaleSection(numeric=numeric))
    found = Numbers.from_json(json.loads(json.dumps(numbers.to_json()))).apply_values(X)
    np.testing.assert_allclose(found[:, 0].mean(), 0, atol=1e-12)
    np.testing.assert_allclose(found[:, 1], np.log10(X[:, 1] - 9))
    with pytest.raises(ParamsError, match=r"mine\.scalers:Logs: is code of your own, which nobody"):
        refuse_own(numbers.transforms, "nobody takes")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Forgets", "scales otherwise once it is restored"),
        ("Ranks", "scales a row by its neighbours"),
        ("Endless", "gives no finite number for 1, a value of a train row"),
        ("Halves", r"gives \(1, 2\) for values \(3, 2\); keep the shape"),
        ("Objects", "kept_ is object; keep numbers, text, lists or numpy arrays"),
        ("Nothing", "has no class Nothing with fit and transform"),
    ],
)
def test_what_is_wrong_with_it_is_one_message(name, message):
    with pytest.raises(ParamsError, match=rf"scale\.numeric: mine\.scalers:{name}: .*{message}"):
        fit(name)
