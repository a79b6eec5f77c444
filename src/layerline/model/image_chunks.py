"""The images of an array, or of picture files, in chunks."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from layerline.errors import ParamsError, Problem
from layerline.model.pictures import PictureForm, decode_pictures, find_pictures
from layerline.model.row_chunk import Chunk, ReadOptions, kept_columns
from layerline.sources.reading.image_files import PICTURES
from layerline.tables.npy_files import map_array

IMAGES = (".npy",)
FILE = "file"  # the column of a picture's path


def read_images(path: Path, options: ReadOptions) -> Iterator[Chunk]:
    """The images of an .npy file."""
    kept_columns(path, (), options.keep)
    images = map_array(path, "save the images again with numpy.save")
    n_rows = options.rows_of(int(np.prod(images.shape[1:])))
    for start in range(0, max(len(images), 1), n_rows):
        yield _images(images[start : start + n_rows])


def is_pictures(path: Path) -> bool:
    """Whether it is a picture, or a folder."""
    return path.is_dir() or (path.suffix.lower() in PICTURES and path.is_file())


def read_pictures(path: Path, options: ReadOptions) -> Iterator[Chunk]:
    """A picture, or those of a folder; the field `file` has each one's path in the folder."""
    form = options.pictures
    if form is None:
        message = f"{path}: this model does not read pictures, but a file of rows or arrays"
        raise ParamsError([Problem("INPUT", message)], "layerline predict")
    files = find_pictures(path)
    root = path if path.is_dir() else path.parent
    keep = kept_columns(path, (FILE,), options.keep)
    n_rows = options.rows_of(int(np.prod(form.shape)))
    for start in range(0, len(files), n_rows):
        yield _pictures(files[start : start + n_rows], root, form, keep)


def _pictures(files: list[Path], root: Path, form: PictureForm, keep: Sequence[str]) -> Chunk:
    decoded = functools.cache(lambda: decode_pictures(files, form))
    names = {FILE: [file.relative_to(root).as_posix() for file in files]}
    fields = pa.table({name: pa.array(names[name], pa.string()) for name in keep})
    return Chunk(len(files), lambda: decoded()[0], lambda: fields, lambda: decoded()[1])


def _images(images: np.ndarray) -> Chunk:
    return Chunk(len(images), lambda: np.asarray(images), lambda: pa.table({}))
