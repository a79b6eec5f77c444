"""Plots of a search: nothing overlaps, and the page has their titles."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from layerline.studies.search_plots import _dress


@pytest.fixture
def panels() -> Iterator[Figure]:
    """Three panels as Optuna draws them: choices in quotes, titles, a legend of one line."""
    figure, axes = plt.subplots(1, 3)
    figure.suptitle("Slice Plot")
    axes[0].scatter(["'relu'", "'[256, 128]'", "'tanh'"], [1, 2, 3])
    axes[1].plot([0.1, 0.2], [1, 2], label="valid.log_loss")
    axes[1].legend()
    axes[1].set_title("Hyperparameter Importances", loc="left")
    for line in range(20):
        axes[2].plot([1, 2], [line, line], label=f"Trial{line}")
    axes[2].legend()
    figure.canvas.draw()
    _dress(figure)
    yield figure
    plt.close(figure)


def test_choices_are_written_as_people_write_them(panels: Figure) -> None:
    names = [text.get_text() for text in panels.axes[0].get_xticklabels()]
    assert names == ["relu", "[256, 128]", "tanh"]
    assert {text.get_rotation() for text in panels.axes[0].get_xticklabels()} == {40.0}


def test_titles_and_legends_that_say_nothing_are_left_out(panels: Figure) -> None:
    assert panels.get_suptitle() == ""
    assert [axes.get_title(loc="left") for axes in panels.axes] == ["", "", ""]
    assert [axes.get_legend() for axes in panels.axes] == [None, None, None]


def test_panels_get_the_room_that_their_number_needs(panels: Figure) -> None:
    assert tuple(panels.get_size_inches()) == pytest.approx((7.2, 4.8))
    assert {axes.get_facecolor() for axes in panels.axes} == {(1.0, 1.0, 1.0, 1.0)}
