"""params.yaml and a schema for a folder of pictures, one folder a class."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import NamedTuple

import pandas as pd
from ruamel.yaml import YAML

from layerline.config import parse_params
from layerline.errors import ParamsError
from layerline.projects.init import SPLIT_NAME, Start, written_path
from layerline.projects.params_text import scalar
from layerline.sources.image_folder import images_by_class
from layerline.sources.reading.image_files import Mode, describe_picture, pictures_below
from layerline.tables.task import resolve_task
from layerline.validation.schema.infer import infer_schema

TARGET = "label"
MOST_PIXELS = 64  # the longer side; a network on larger ones takes long without a GPU
_SAMPLED = 200
_BY_CONTENT = "{method: hash}  # of the pictures' pixels; or stratified, random"

_TEMPLATE = Template("""\
# Every choice that changes a result, one section per stage; YAML 1.2. Unknown keys are refused.
project: $project  # names the MLflow experiment and the registered model
seed: 0
threads: auto

fetch:
  source: image_folder
  options:
    path: $path  # one folder a class; train, valid and test above them are the official split
    mode: $mode  # L is grey
    size: $size  # height, width: every picture is resized to it, here and in predict and serve
  target: $target
  # $reason
  task: $task

validate:  # the schema is yours to edit: data/schemas/$project.yaml
  schema: data/schemas/$project.yaml
  on_bad_rows: fail
  max_bad_fraction: 0.05
  min_class_rows: 3

scale:
  split: $split

train:
  network: cnn  # or mlp, conv1x1_mlp, rnn, torchvision:resnet18: docs/transfer.md
  options: {channels: [32, 64, 128], convs_per_block: 2, dropout: 0.3}
  loss: {name: cross_entropy, label_smoothing: 0.05}
  optimizer: {name: adamw, learning_rate: 0.002, weight_decay: 0.05}
  schedule: {name: one_cycle}
  batch_size: $batch_size
  epochs: 30
  early_stopping: {patience_epochs: 10}
  average: 0.995
  augment: [{name: shift, pixels: 2}]  # flip, rotate, erase, mixup, ...: docs/training.md

evaluate:
  bootstrap: 1000
  confidence: 0.95

register:
  gate: {metric: auto, confidence: 0.95}  # when a new model becomes the champion
  alias: champion
""")


class _Look(NamedTuple):
    """What the pictures are brought to."""

    size: tuple[int, int]
    mode: Mode
    notes: tuple[str, ...]


def is_image_folder(path: Path) -> bool:
    """Whether a folder has folders with pictures in them."""
    return path.is_dir() and any(
        pictures_below(place)[0]
        for place in sorted(path.iterdir())
        if place.is_dir() and place.name[0] not in "._"
    )


def start_images(
    folder: Path, target: str, project: str, *, root: Path, size: tuple[int, int] | None = None
) -> Start:
    """Find the classes, infer the schema and compose the params; pictures are sampled, not read.

    Args:
        folder: the pictures.
        target: names the label.
        project: names the experiment, the registered model and the schema file.
        root: the repository; a path inside it is written relative to it.
        size: (height, width) that the user chose.

    Raises:
        DataError, SourceError, ParamsError: as the source `image_folder` does.
    """
    _, problems = parse_params({"project": project, "fetch": {"source": "image_folder"}})
    if problems:
        raise ParamsError(problems, "--project")
    found = images_by_class(folder, target)
    labels = pd.DataFrame(found.labels)
    task, reason = resolve_task(labels[target])
    look = _look(found.files, size)
    is_split = SPLIT_NAME in labels
    shape = (*look.size, 3) if look.mode == "RGB" else look.size
    schema = infer_schema(labels, target, task, SPLIT_NAME if is_split else None, shape)
    text = _TEMPLATE.substitute(
        project=project,
        path=scalar(written_path(folder, root.resolve())),
        mode=look.mode,
        size=list(look.size),
        target=scalar(target),
        reason=" ".join(reason.split()),
        task=task,
        split="{method: official}" if is_split else _BY_CONTENT,
        batch_size=128 if len(labels) > 10_000 else 32,
    )
    notes = (*found.notes, reason, *look.notes)
    return Start(text, YAML(typ="safe", pure=True).load(text), schema, notes)


def _look(files: Sequence[Path], size: tuple[int, int] | None) -> _Look:
    """The size and the mode of a sample of the pictures, where they are not given."""
    step = max(1, len(files) // _SAMPLED)
    seen = [describe_picture(file) for file in files[::step]]
    mode: Mode = "L" if all(one.is_grey for one in seen) else "RGB"
    sizes = {(one.height, one.width) for one in seen}
    height, width = (
        round(statistics.median(side)) for side in zip(*(one[:2] for one in seen), strict=True)
    )
    if size is None:
        if len(sizes) > 1 and max(height, width) <= 1.1 * min(height, width):
            height = width = max(height, width)
        shrunk = min(1.0, MOST_PIXELS / max(height, width))
        size = max(1, round(height * shrunk)), max(1, round(width * shrunk))
    if sizes == {size}:
        return _Look(size, mode, ())
    what = f"{height} × {width} pixels" + (" in the middle" if len(sizes) > 1 else "")
    note = (
        f"pictures of {what} are resized to {size[0]} × {size[1]}: fetch.options.size, or --size; "
        "larger ones show more and take longer"
    )
    return _Look(size, mode, (note,))
