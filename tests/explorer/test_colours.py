"""The page's two colours, light and dark, as people of every colour vision see them."""

import numpy as np
import pytest
from exhibits import table_exhibit
from numpy.typing import NDArray

from layerline.explorer.build_page import build_page

# Linear RGB as it is seen. Source: Machado, Oliveira, Fernandes (2009), table of severity 1.0.
VISIONS = {
    "usual": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "no red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
    "none": [[0.2126, 0.7152, 0.0722]] * 3,
}
XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
WHITE = np.array([0.9505, 1.0, 1.089])
PALETTE = """(({above, below, middle}) => [above, below, middle])
  (explorer.modules.drawing.palette())"""


def lab(rgb: list[int], vision: str) -> NDArray[np.float64]:
    """CIE L*a*b* of an sRGB colour, as somebody with that vision sees it."""
    part = np.array(rgb) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(VISIONS[vision]) @ linear, 0, 1)
    ratio = np.array(XYZ) @ seen / WHITE
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
def test_above_below_and_zero_differ_for_every_vision(is_dark: bool, tab, tmp_path) -> None:
    path = tmp_path / "page.html"
    path.write_text(build_page(table_exhibit(hidden=[4])), encoding="utf-8")
    runner, page = tab

    async def colours() -> list[list[int]]:
        await page.open(path.as_uri(), 800, 600, dark=is_dark)
        await page.wait_for("window.explorer", 120)
        return await page.run(PALETTE)

    above, below, middle = runner.run(colours())
    for vision in VISIONS:
        # Without any colours the signs are told by dashes and strokes; values still stand out.
        pairs = [(above, middle), (below, middle)]
        if vision != "none":
            pairs.append((above, below))
        for one, other in pairs:
            assert np.linalg.norm(lab(one, vision) - lab(other, vision)) > 30, vision
