"""What every network that reads images has in common: it refuses what is no image of its size."""

from typing import NoReturn

from layerline.errors import ParamsError, Problem


def image_size(input_shape: tuple[int, ...], network: str) -> tuple[int, int, int]:
    """The channels, height and width of an image.

    Raises:
        ParamsError: the rows are a table's.
    """
    if len(input_shape) != 3:
        columns = " × ".join(map(str, input_shape))
        message = (
            f"{network!r} reads images (channels, height, width), and the rows here are a table's "
            f"of {columns} columns; use mlp or seven_layer"
        )
        raise ParamsError([Problem("train.network", message)])
    channels, height, width = input_shape
    return channels, height, width


def refuse_size(
    input_shape: tuple[int, ...], network: str, side: int | None, reason: str
) -> NoReturn:
    """Say that the network cannot read images of this size, why, and which would do.

    Raises:
        ParamsError: always.
    """
    _, height, width = input_shape
    larger = f"images of {side} × {side} would do, and " if side else ""
    message = (
        f"{network!r} cannot read images of {height} × {width} pixels ({reason}); "
        f"{larger}cnn reads any size"
    )
    raise ParamsError([Problem("train.network", message)])
