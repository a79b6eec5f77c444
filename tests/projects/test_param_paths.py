"""Params changed at dotted paths, in memory and in the file."""

from layerline.config import read_yaml
from layerline.config.dotted_paths import value_at, with_values
from layerline.projects.param_paths import remove_paths, write_values

TEXT = """\
# Mine.
train:
  network: mlp     # small
  options: {hidden: [8, 4], dropout: 0.2}
  loss: mse
  clip_norm: null  # none
"""


def test_values_are_set_without_changing_the_original():
    raw = {"train": {"options": {"hidden": [8]}, "loss": "mse"}}
    changed = with_values(
        raw, {"train.options.hidden": [4], "train.loss.delta": 2.0, "train.early.metric": "loss"}
    )
    assert raw == {"train": {"options": {"hidden": [8]}, "loss": "mse"}}
    assert changed["train"] == {
        "options": {"hidden": [4]},
        "loss": {"name": "mse", "delta": 2.0},
        "early": {"metric": "loss"},
    }
    assert value_at(changed, "train.loss.delta") == 2.0
    assert value_at(changed, "train.loss.delta.more") is None


def test_the_file_keeps_its_comments_and_what_is_not_named(tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text(TEXT)
    values = {"train.options.hidden": [16], "train.options.dropout": 0.125, "train.epochs": 3}
    write_values(file, values)
    assert file.read_text() == TEXT.replace("[8, 4]", "[16]").replace("0.2", "0.125") + (
        "  epochs: 3\n"
    )
    assert read_yaml(file) == with_values(read_yaml(file), values)


def test_removed_paths_take_empty_sections_with_them(tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text("train:\n  loss: {name: huber, delta: 2.0}  # robust\n  epochs: 3\nseed: 1\n")
    remove_paths(file, ["train.loss.delta", "train.nothing.here", "train.loss.name"])
    assert read_yaml(file) == {"train": {"epochs": 3}, "seed": 1}
