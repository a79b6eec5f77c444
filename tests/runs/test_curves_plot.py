import dataclasses

import numpy as np
import pytest
from matplotlib.image import imread

from layerline.rendering.plot_colours import COLOURS
from layerline.runs.compare import Comparison
from layerline.runs.curves_plot import draw_curves
from layerline.runs.run import Run
from layerline.runs.shared_rows import Resampling

RUN = Run("a" * 32, "mlp", "digits", "FINISHED", 0, 1, {}, {"test_accuracy": 0.9}, {})


def falling(start, n_epochs=20):
    epochs = range(1, n_epochs + 1)
    curve = [(epoch, start / epoch) for epoch in epochs]
    return {"train_loss": curve, "valid_loss": curve[:], "valid_error": curve[:]}


def comparison(*curves, name="mlp", params=None):
    runs = tuple(
        dataclasses.replace(RUN, run_id=f"{n:x}" * 32, name=f"{name}-{n}", params={"a.b": str(n)})
        for n in range(len(curves))
    )
    values = {"a.b": [str(n) for n in range(len(curves))]} if params is None else params
    return Comparison(runs, values, {}, {}, curves, Resampling(10, 0.9, 0))


def n_pixels(path, colour):
    """How many pixels have about this colour."""
    wanted = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return int((np.abs(imread(path)[:, :, :3] - wanted).max(axis=2) < 0.05).sum())


def test_each_run_has_its_colour(tmp_path):
    path = tmp_path / "curves.png"
    draw_curves(path, comparison(falling(1.0), falling(2.0)))
    legend_only = 400
    assert min(n_pixels(path, colour) for colour in COLOURS[:2]) > legend_only
    assert n_pixels(path, COLOURS[2]) == 0


def test_a_run_without_epochs_is_in_the_legend_alone(tmp_path):
    path = tmp_path / "curves.png"
    draw_curves(path, comparison(falling(1.0), {}))
    assert n_pixels(path, COLOURS[0]) > n_pixels(path, COLOURS[1]) > 0


def test_equal_runs_give_equal_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        draw_curves(tmp_path / name, comparison(falling(1.0), falling(2.0)))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(
    "curves",
    [
        pytest.param([{}, {}], id="nobody trained"),
        pytest.param([falling(1.0, n_epochs=1), falling(2.0, n_epochs=1)], id="one epoch"),
        pytest.param([falling(1e-3), falling(1e6)], id="far apart"),
        pytest.param([falling(-1.0), falling(1.0)], id="below zero"),
        pytest.param([falling(float(n + 1)) for n in range(9)], id="more runs than colours"),
    ],
)
def test_odd_curves_are_drawn(tmp_path, curves):
    path = tmp_path / "curves.png"
    draw_curves(path, comparison(*curves))
    height, width = imread(path).shape[:2]
    assert width == 1320
    assert height > 550


def test_names_with_signs_of_mathematics(tmp_path):
    path = tmp_path / "curves.png"
    draw_curves(path, comparison(falling(1.0), falling(2.0), name=r"cost $x^{ in $"))
    assert path.stat().st_size > 10_000
