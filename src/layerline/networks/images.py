"""What every network that reads images has in common: it refuses what is no image of its size."""

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


def refuse_small(input_shape: tuple[int, ...], network: str, needed: int | None) -> None:
    """Say that images are too small, and which size would do.

    Raises:
        ParamsError: always.
    """
    _, height, width = input_shape
    remedy = f"it needs at least {needed} × {needed}; " if needed else ""
    message = (
        f"{network!r} cannot read images of {height} × {width} pixels; {remedy}"
        "use cnn, which reads any size"
    )
    raise ParamsError([Problem("train.network", message)])
