"""Painting in a real browser: the mouse and the keys change pixels, and the answer is Python's."""

import numpy as np
import pandas as pd
import pytest
from exhibits import image_exhibit, table_exhibit

from layerline.explorer.build_page import build_page

SIDE = 8
PIXELS = tuple(f"pixel_{row}_{column}" for row in range(SIDE) for column in range(SIDE))
EXHIBITS = {
    "mlp": lambda: image_exhibit("mlp", (SIDE, SIDE), hidden=[12]),
    "cnn of colours": lambda: image_exhibit("cnn", (SIDE, SIDE, 3), channels=[4, 5]),
    "conv1x1_mlp": lambda: image_exhibit("conv1x1_mlp", (SIDE, SIDE), channels=[3], hidden=[6]),
    "rnn": lambda: image_exhibit("rnn", (SIDE, SIDE), hidden=6),
    "columns of pixels": lambda: table_exhibit(names=PIXELS, hidden=[6]),
}
STATE = """(() => {
  const {session} = explorer, {values} = session;
  return {pixels: values.pixels ? Array.from(values.pixels) : Object.values(values),
    probabilities: Array.from(session.decision.probabilities), headline:
    document.querySelector('#prediction .big').innerText, isChanged: session.isChanged};
})()"""
CORNER = "(({left, top, width}) => [left, top, width])\
(document.querySelector('.paint').getBoundingClientRect())"
KEYS = {"ArrowRight": 39, "ArrowDown": 40, " ": 32, "Delete": 46}


class Hand:
    """A mouse and a keyboard on the page."""

    def __init__(self, page) -> None:
        self.page = page

    async def mouse(self, kind: str, place: tuple[int, int]) -> None:
        left, top, width = await self.page.run(CORNER)
        row, column = place
        x, y = (first + (at + 0.5) * width / SIDE for first, at in ((left, column), (top, row)))
        button = {"button": "left", "buttons": int(kind != "mouseReleased"), "clickCount": 1}
        await self.page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    async def stroke(self, *places: tuple[int, int]) -> None:
        await self.mouse("mousePressed", places[0])
        for place in places[1:]:
            await self.mouse("mouseMoved", place)
        await self.mouse("mouseReleased", places[-1])

    async def press(self, *keys: str) -> None:
        await self.page.run("document.querySelector('.paint').focus()")
        for key in keys:
            code = {"key": key, "windowsVirtualKeyCode": KEYS[key]}
            for kind in ("keyDown", "keyUp"):
                await self.page.call("Input.dispatchKeyEvent", type=kind, **code)

    async def choose(self, brush: str) -> None:
        await self.page.run(
            "(() => { const list = document.querySelector('.painting select');"
            f"list.value = [...list.options].find((one) => one.text === '{brush}').value;"
            "list.dispatchEvent(new Event('change')); })()"
        )


async def painted(page, address: str) -> list[dict]:
    """The page's state at first, and after a stroke, a grey dot, keys, and an empty picture."""
    hand, states = Hand(page), []
    page.events.clear()
    await page.open(address, 1200, 900)
    await page.wait_for("window.explorer", 120)
    states.append(await page.run(STATE))
    await hand.stroke((1, 2), (2, 2), (3, 2))
    states.append(await page.run(STATE))
    await hand.choose("grey")
    await hand.stroke((6, 6))
    states.append(await page.run(STATE))
    await hand.press("ArrowRight", "ArrowDown", " ", "ArrowRight", "Delete")
    states.append(await page.run(STATE))
    await page.run("document.querySelector('.painting button').click()")
    states.append(await page.run(STATE))
    assert page.problems() == []
    return states


def answers(model, pixels: np.ndarray) -> pd.DataFrame:
    if model.about.image_shape:
        rows = pixels.reshape(-1, *model.about.image_shape).astype(np.uint8)
        return model.predict(rows)
    return model.predict(pd.DataFrame(pixels, columns=list(PIXELS)))


@pytest.mark.parametrize("name", EXHIBITS)
def test_what_is_painted_is_answered_as_python_answers_it(name, tab, tmp_path) -> None:
    exhibit = EXHIBITS[name]()
    path = tmp_path / "page.html"
    path.write_text(build_page(exhibit), encoding="utf-8")
    runner, page = tab
    states = runner.run(painted(page, path.as_uri()))
    pixels = np.array([state["pixels"] for state in states], dtype=float)
    pictures = pixels.reshape(len(states), SIDE, SIDE, -1)

    bright = 255 if exhibit.model.about.image_shape else np.asarray(exhibit.sample.rows).max()
    expected = pictures[0].copy()
    expected[1:4, 2] = bright
    np.testing.assert_allclose(pictures[1], expected)
    expected[6, 6] = bright // 2 if exhibit.model.about.image_shape else bright / 2
    np.testing.assert_allclose(pictures[2], expected)
    expected[1, 1], expected[1, 2] = expected[6, 6], 0
    np.testing.assert_allclose(pictures[3], expected)
    assert not pictures[4].any()

    predicted = answers(exhibit.model, pixels)
    shown = np.array([state["probabilities"] for state in states])
    np.testing.assert_allclose(shown, predicted.iloc[:, 1:], rtol=1e-4, atol=1e-6)
    assert [state["headline"] for state in states] == [str(x) for x in predicted["prediction"]]
    assert [state["isChanged"] for state in states] == [False, True, True, True, True]
    assert np.abs(np.diff(shown, axis=0)).max(axis=1).min() > 1e-6  # each change is answered
