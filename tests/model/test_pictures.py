"""Picture files through predict and serve: brought to what the model was trained on."""

import dataclasses
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from layerline.errors import DataError, ParamsError
from layerline.model.pictures import PictureForm, decode_pictures, find_pictures, picture_form
from layerline.model.predict_file import PredictOptions, predict_file
from layerline.serving.request_handler import RequestHandler
from layerline.serving.uploads import Unreadable


@pytest.fixture
def model(made, tmp_path):
    """A model of grey images of 6 × 5 pixels that resizes."""
    found = made("images").bundle(tmp_path / "b")
    return dataclasses.replace(found, about=dataclasses.replace(found.about, resizes_images=True))


@pytest.fixture
def folder(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (3, 6, 5), dtype=np.uint8)
    place = tmp_path / "pictures"
    (place / "more").mkdir(parents=True)
    for name, pixels in zip(("a.png", "more/b.png", "c.png"), pictures, strict=True):
        Image.fromarray(pixels).save(place / name)
    (place / "notes.txt").write_text("no picture")
    return place, pictures


def png(pixels, kind="PNG"):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind)
    return content.getvalue()


def test_a_folder_is_predicted_under_the_names_of_its_files(model, folder, tmp_path):
    place, pictures = folder
    report = predict_file(model, "m", place, tmp_path / "out.csv", PredictOptions())
    assert report.n_rows == 3
    found = pd.read_csv(tmp_path / "out.csv")
    assert found.pop("file").tolist() == ["a.png", "c.png", "more/b.png"]
    expected = model.predict(pictures[[0, 2, 1]])
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_one_picture_is_a_row(model, folder, tmp_path):
    place, pictures = folder
    predict_file(model, "m", place / "c.png", tmp_path / "out.csv", PredictOptions())
    found = pd.read_csv(tmp_path / "out.csv")
    assert found["file"].tolist() == ["c.png"]
    expected = model.predict(pictures[2:])
    pd.testing.assert_frame_equal(found.drop(columns="file"), expected, check_dtype=False)


def test_a_broken_picture_ends_it_or_is_set_aside(model, folder, tmp_path):
    place, _ = folder
    (place / "b.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    out = tmp_path / "out.csv"
    with pytest.raises(DataError, match=r"b\.png: not an image .*: 1\).*--on-bad-rows skip"):
        predict_file(model, "m", place, out, PredictOptions())
    assert not out.exists()
    report = predict_file(model, "m", place, out, PredictOptions(on_bad_rows="skip"))
    assert (report.n_rows, report.n_refused) == (3, 1)
    refused = pd.read_csv(tmp_path / "out.csv.refused.csv")
    assert refused.to_dict("records") == [{"row": 2, "reason": "not an image", "file": "b.png"}]


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(ParamsError, match="holds no picture"):
        find_pictures(tmp_path)


def test_a_model_of_tables_takes_no_pictures(made, folder, tmp_path):
    model = made("classes").bundle(tmp_path / "b")
    assert picture_form(model.about) is None
    with pytest.raises(ParamsError, match="does not read pictures"):
        predict_file(model, "m", folder[0], tmp_path / "out.csv", PredictOptions())
    assert "image/png" not in RequestHandler(model).uploads


def test_other_sizes_and_colours_become_those_of_training(model, folder):
    large = np.kron(folder[1][0], np.ones((4, 4), np.uint8))  # each pixel 4 × 4 times
    coloured = np.repeat(folder[1][0][:, :, None], 3, axis=2)
    form = picture_form(model.about)
    assert form == PictureForm((6, 5), resizes=True)
    images, reasons = decode_pictures([png(large), png(coloured)], form)
    assert (images.shape, reasons) == ((2, 6, 5), {})
    assert np.abs(images[1].astype(int) - folder[1][0]).max() <= 1
    wanted = np.asarray(Image.fromarray(large).resize((5, 6), Image.Resampling.BILINEAR))
    assert np.array_equal(images[0], wanted)


def test_another_size_is_refused_where_training_resized_nothing(folder):
    images, reasons = decode_pictures([png(folder[1][0])], PictureForm((7, 7), resizes=False))
    assert reasons == {0: "6 × 5 pixels, not 7 × 7"}
    assert not images.any()


@pytest.mark.parametrize(("kind", "name"), [("PNG", "image/png"), ("JPEG", "image/jpeg")])
def test_a_server_takes_a_picture_as_its_body(kind, name, model, folder):
    handler = RequestHandler(model)
    assert name in handler.uploads
    body = png(folder[1][0], kind)
    found = handler.handle(name, body).predicted
    images, _ = decode_pictures([body], picture_form(model.about))
    assert found.prediction == model.predict(images)["prediction"].tolist()
    with pytest.raises(Unreadable, match="not a picture this model takes: not an image"):
        handler.handle(name, b"nothing of the kind")
