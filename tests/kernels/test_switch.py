"""One switch turns all kernels off, or single ones in a block."""

import os
import subprocess
import sys

import pytest

from layerline.kernels import switch

CODE = """
import sys
from layerline.errors import ParamsError
from layerline.kernels.switch import KERNELS, is_on
try:
    print(sum(map(is_on, KERNELS)))
except ParamsError as error:
    print(error)
"""


def output_with(value: str) -> str:
    environment = {**os.environ, switch.VARIABLE: value}
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize(("value", "n_on"), [("own", len(switch.KERNELS)), ("torch", 0)])
def test_the_environment_decides(value: str, n_on: int) -> None:
    assert output_with(value).split() == [str(n_on)]


def test_an_unknown_value_is_refused() -> None:
    assert "LAYERLINE_KERNELS: must be own (the default) or torch" in output_with("of")


def test_single_kernels_are_off_in_a_block_and_blocks_nest() -> None:
    with switch.without("chain"):
        assert not switch.is_on("chain")
        assert switch.is_on("dropout")
        with switch.without("chain", "dropout"):
            assert not switch.is_on("dropout")
        assert not switch.is_on("chain")
        assert switch.is_on("dropout")
        with switch.without():
            assert not any(map(switch.is_on, switch.KERNELS))
    assert all(map(switch.is_on, switch.KERNELS))


def test_an_unknown_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kernels: chian"), switch.without("chian"):
        pass
