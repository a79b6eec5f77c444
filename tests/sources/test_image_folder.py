"""Images in folders and archives: a class a folder or a row of a CSV file, one mode, one size."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from layerline.errors import DataError, LayerlineError, SourceError
from layerline.sources import SOURCES, SourceInfo
from layerline.tables.storage import read_images, read_table


def save(path: Path, shade: int, size: tuple[int, int] = (4, 3), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, shade if mode in ("L", "I;16") else (shade,) * len(mode)).save(path)


def fetch(tmp_path: Path, **options: object) -> tuple[np.ndarray, pd.DataFrame, SourceInfo]:
    folder = tmp_path / "out"
    folder.mkdir(exist_ok=True)
    info = SOURCES["image_folder"].build(folder, "kind", **options)
    assert info.kind == "images"
    return np.asarray(read_images(folder)), read_table(folder), info


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    save(root / "cat" / "b.png", 20)
    save(root / "cat" / "a.png", 10)
    save(root / "dog" / "old" / "c.png", 30)
    (root / "dog" / "notes.md").write_text("#")
    return root


def test_a_class_a_folder(pictures: Path, tmp_path: Path) -> None:
    images, rows, info = fetch(tmp_path, path=str(pictures))
    assert images.shape == (3, 3, 4, 3)
    assert images[:, 0, 0, 0].tolist() == [10, 20, 30]
    assert rows["kind"].tolist() == ["cat", "cat", "dog"]
    assert info.split_column is None
    assert info.origin["n_files"] == 3
    assert "1 files" in info.notes[0]


def test_the_file_is_the_one_that_numpy_writes(pictures: Path, tmp_path: Path) -> None:
    images, _, _ = fetch(tmp_path, path=str(pictures), mode="L")
    assert images.shape == (3, 3, 4)
    np.save(tmp_path / "again.npy", images)
    assert (tmp_path / "again.npy").read_bytes() == (tmp_path / "out" / "images.npy").read_bytes()


def test_split_folders_are_the_official_split(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        save(tmp_path / "p" / split / "cat" / "a.png", 1)
        save(tmp_path / "p" / split / "dog" / "a.png", 2)
    _, rows, info = fetch(tmp_path, path=str(tmp_path / "p"))
    assert info.split_column == "split"
    assert rows["split"].tolist() == ["test", "test", "train", "train", "valid", "valid"]
    assert rows["kind"].tolist() == ["cat", "dog"] * 3


def test_a_table_of_paths_and_labels(pictures: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,kind,weight,split\ndog/old/c.png,x,1,train\ncat/a.png,y,2,test\n")
    images, rows, info = fetch(tmp_path, path=str(pictures), labels=str(table))
    assert images[:, 0, 0, 0].tolist() == [30, 10]
    assert rows.columns.tolist() == ["kind", "weight", "split"]
    assert info.split_column == "split"


def test_an_archive_with_one_folder_around(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    with zipfile.ZipFile("p.zip", "w") as archive:
        for file in pictures.rglob("*.png"):
            archive.write(file, f"top/{file.relative_to(pictures)}")
    images, rows, _ = fetch(tmp_path, path="p.zip")
    assert images[:, 0, 0, 0].tolist() == [10, 20, 30]
    assert rows["kind"].tolist() == ["cat", "cat", "dog"]


def test_other_sizes_are_resized_and_reported(pictures: Path, tmp_path: Path) -> None:
    save(pictures / "dog" / "d.png", 40, (8, 8))
    images, _, info = fetch(tmp_path, path=str(pictures), size=[3, 4])
    assert images[:, 0, 0, 0].tolist() == [10, 20, 40, 30]
    assert "1 images were resized" in info.notes


def test_transparency_is_put_on_black_and_reported(tmp_path: Path) -> None:
    save(tmp_path / "p" / "a" / "1.png", 200, mode="RGBA")
    picture = Image.new("RGBA", (4, 3), (100, 100, 100, 0))
    picture.save(tmp_path / "p" / "a" / "2.png")
    images, _, info = fetch(tmp_path, path=str(tmp_path / "p"))
    assert images[1].max() == 0
    assert any("they are transparent" in note for note in info.notes)


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    picture = Image.new("RGB", (2, 1))
    picture.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees
    (tmp_path / "p" / "a").mkdir(parents=True)
    picture.save(tmp_path / "p" / "a" / "1.png", exif=exif)
    images, _, _ = fetch(tmp_path, path=str(tmp_path / "p"), mode="L")
    assert images[0].tolist() == [[255], [0]]


@pytest.mark.parametrize("inside", [None, "notes.txt", "photo.heic", ".hidden.png"])
def test_a_class_without_an_image_does_not_vanish(
    inside: str | None, pictures: Path, tmp_path: Path
) -> None:
    (pictures / "wolf").mkdir()
    if inside:
        (pictures / "wolf" / inside).write_bytes(b"x")
    with pytest.raises(DataError, match=r"wolf: the folder of this class holds no image"):
        fetch(tmp_path, path=str(pictures))


def test_a_class_may_lack_images_in_one_split(tmp_path: Path) -> None:
    for split in ("train", "test"):
        save(tmp_path / "p" / split / "cat" / "a.png", 1)
    save(tmp_path / "p" / "train" / "dog" / "a.png", 2)
    (tmp_path / "p" / "test" / "dog").mkdir()
    _, rows, _ = fetch(tmp_path, path=str(tmp_path / "p"))
    assert sorted(zip(rows["split"], rows["kind"], strict=True)) == [
        ("test", "cat"),
        ("train", "cat"),
        ("train", "dog"),
    ]


def test_a_folder_that_cannot_be_read_does_not_vanish(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refuse(place: str | os.PathLike[str]) -> object:
        if str(place).endswith("dog"):
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refuse)  # the tests may run as root, whom no mode stops
    with pytest.raises(SourceError, match=r"dog: cannot be read \(Permission denied\)"):
        fetch(tmp_path, path=str(pictures))


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "deep", "many", "larger"])
def test_pictures_that_cannot_be_used_are_named(
    damage: str, pictures: Path, tmp_path: Path
) -> None:
    bad = pictures / "dog" / ("z.gif" if damage == "many" else "z.png")
    if damage == "deep":
        save(bad, 3, mode="I;16")
    elif damage == "larger":
        save(bad, 3, (5, 5))
    elif damage == "many":
        frames = [Image.new("RGB", (4, 3), (i, i, i)) for i in (0, 255)]
        frames[0].save(bad, save_all=True, append_images=frames[1:])
    else:
        whole = (pictures / "cat" / "a.png").read_bytes()
        bad.write_bytes({"cut": whole[:-20], "noise": b"\x89PNG" + whole[9:], "empty": b""}[damage])
    with pytest.raises(LayerlineError) as caught:
        fetch(tmp_path, path=str(pictures))
    assert "1 images cannot be used" in str(caught.value)
    assert f"dog/{bad.name}" in str(caught.value)
    assert caught.value.exit_code == 3
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "options", "code", "message"),
    [
        ("file,kind\na.png,x\n", {}, 3, "1 files are missing"),
        ("file,kind\n../a.png,x\n", {}, 3, "leads out of"),
        ("file,kind\n/etc/passwd,x\n", {}, 3, "leads out of"),
        ("file,kind\n,x\n", {}, 3, "is empty in 1 row"),
        ("file,sort\ncat/a.png,x\n", {}, 3, "no target column 'kind'"),
        ("path,kind\ncat/a.png,x\n", {}, 2, "has no column 'file'"),
        ("file,kind,split\ncat/a.png,x,dev\n", {}, 3, "not 'dev'"),
    ],
)
def test_tables_refused(
    content: str, options: dict[str, str], code: int, message: str, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "labels.csv").write_text(content)
    with pytest.raises(LayerlineError) as caught:
        fetch(tmp_path, path=str(pictures), labels=str(tmp_path / "labels.csv"), **options)
    assert message in str(caught.value)
    assert caught.value.exit_code == code


def test_folders_refused(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(LayerlineError, match="no such folder") as caught:
        fetch(tmp_path, path=str(tmp_path / "absent"))
    assert caught.value.exit_code == 4
    with pytest.raises(LayerlineError, match="no folder in it holds an image"):
        fetch(tmp_path, path=str(pictures / "cat"))
    save(pictures / "train" / "cat" / "a.png", 1)
    with pytest.raises(LayerlineError, match="others beside them: cat, dog"):
        fetch(tmp_path, path=str(pictures))
