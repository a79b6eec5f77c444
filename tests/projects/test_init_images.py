from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from layerline.cli.init import init
from layerline.config import parse_params
from layerline.errors import DataError
from layerline.projects.init_images import is_image_folder, start_images
from layerline.projects.preflight import load_checked


def draw(path, size=(12, 10), mode="RGB", seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (*size, 3) if mode == "RGB" else size
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def pictures(tmp_path):
    for name in ("cat", "dog"):
        for number in range(6):
            draw(tmp_path / "pictures" / name / f"{number}.png", seed=number)
    return tmp_path / "pictures"


def start(folder, **options):
    return start_images(folder, "label", "pets", root=folder.parent, **options)


def test_classes_size_and_colours_are_found(pictures):
    found = start(pictures)
    options = found.params["fetch"]["options"]
    assert options == {"path": "pictures", "mode": "RGB", "size": [12, 10]}
    assert found.params["fetch"]["task"] == "binary"
    assert found.schema.image_shape == (12, 10, 3)
    assert found.schema.classes == ("cat", "dog")
    assert found.params["scale"] == {"split": {"method": "hash"}}
    params, problems = parse_params(found.params)
    assert (params is not None, problems) == (True, [])


def test_grey_pictures_stay_grey(tmp_path):
    for name in ("0", "1"):
        draw(tmp_path / "digits" / name / "a.png", (8, 8), "L")
    found = start(tmp_path / "digits")
    assert found.params["fetch"]["options"]["mode"] == "L"
    assert found.schema.image_shape == (8, 8)


def test_large_ones_are_shrunk_in_their_proportions_and_it_is_said(tmp_path):
    for name in ("a", "b"):
        draw(tmp_path / "p" / name / "1.png", (100, 200))
    found = start(tmp_path / "p")
    assert found.params["fetch"]["options"]["size"] == [32, 64]
    assert any("100 × 200 pixels are resized to 32 × 64" in note for note in found.notes)
    asked = start(tmp_path / "p", size=(50, 100))
    assert asked.params["fetch"]["options"]["size"] == [50, 100]


def test_folders_of_splits_are_the_official_split(tmp_path):
    for split in ("train", "test"):
        for name in ("a", "b"):
            draw(tmp_path / "p" / split / name / "1.png")
    found = start(tmp_path / "p")
    assert found.params["scale"] == {"split": {"method": "official"}}
    assert found.schema.classes == ("a", "b")


def test_a_class_without_a_picture_is_refused(pictures):
    (pictures / "bird").mkdir()
    with pytest.raises(DataError, match="bird: the folder of this class holds no image"):
        start(pictures)


def test_a_folder_of_tables_is_none(tmp_path, pictures):
    (tmp_path / "tables" / "2024").mkdir(parents=True)
    (tmp_path / "tables" / "2024" / "a.csv").write_text("x,y\n1,2\n")
    assert not is_image_folder(tmp_path / "tables")
    assert is_image_folder(pictures)


def test_what_it_writes_passes_the_check_of_the_whole_file(pictures, monkeypatch):
    monkeypatch.chdir(pictures.parent)
    done = CliRunner().invoke(init, ["pictures", "--size", "16"])
    assert done.exit_code == 0, done.output
    assert "wrote params.yaml and data/schemas/pictures.yaml" in done.output
    params = load_checked(Path("params.yaml"))
    assert params.fetch.options["size"] == [16, 16]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pictures", "--size", "big"], "--size: 'big' is no size"),
        (["pictures", "--size", "0x3"], "--size: '0x3' is no size"),
        (["pictures", "--fast"], "--fast: is for tables"),
        (["pictures", "--decimal", ","], "--decimal: is for tables"),
        (["t.csv"], "--target: is missing"),
        (["t.csv", "--target", "y", "--size", "8"], "--size: is for folders of pictures"),
    ],
)
def test_options_of_the_other_kind_are_refused(arguments, message, pictures, monkeypatch):
    monkeypatch.chdir(pictures.parent)
    (pictures.parent / "t.csv").write_text("x,y\n1,2\n3,4\n")
    done = CliRunner().invoke(init, arguments)
    assert done.exit_code == 2
    assert message in done.output
