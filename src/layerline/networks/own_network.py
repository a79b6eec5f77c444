"""A network of the user's own, named by its import path: `train.network: mine.networks:Wide`.

The class is `Wide` of the project's file mine/networks.py. The file is copied next to the weights
and travels with them into the bundle, so that a registered version needs nothing of the project: it
is one file, which imports packages, and nothing else of the project's own.
"""

import contextlib
import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextvars import ContextVar
from pathlib import Path

from torch import nn

from layerline import own_code
from layerline.artifacts import NETWORK_CODE, replace_file
from layerline.errors import ParamsError
from layerline.lookup import is_import_path
from layerline.networks.torchvision import PREFIX

_WHERE = "train.network"
_folder: ContextVar[Path | None] = ContextVar("folder of a network with its code", default=None)


def is_own(name: str) -> bool:
    """Whether a network's name is an import path."""
    return is_import_path(name) and not name.startswith(PREFIX)


@contextlib.contextmanager
def using_code_of(folder: Path) -> Iterator[None]:
    """Within the block an import path means the code that lies in `folder`, if there is some."""
    token = _folder.set(folder if (folder / NETWORK_CODE).is_file() else None)
    try:
        yield
    finally:
        _folder.reset(token)


def _copy() -> Path | None:
    folder = _folder.get()
    return None if folder is None else folder / NETWORK_CODE


def find_class(name: str) -> type[nn.Module]:
    """The class behind an import path.

    Raises:
        ParamsError: there is no such file or class, it cannot be run, or it is no network.
    """
    _, found = own_code.find_own(name, _WHERE, _copy())
    attribute = name.partition(":")[2]
    if not isinstance(found, type) or not issubclass(found, nn.Module):
        what = "has no class" if found is None else "has no torch.nn.Module"
        raise _problem(name, f"{own_code.own_file(name)} {what} {attribute}")
    known = inspect.signature(found).parameters
    absent = [key for key in ("input_shape", "d_out") if key not in known]
    if absent:
        raise _problem(name, f"{attribute} does not take {absent[0]}: {_SIGNATURE}")
    return found


_SIGNATURE = (
    "write `def __init__(self, *, input_shape, d_out, ...)`; input_shape is (features,) or "
    "(channels, height, width), d_out the number of outputs, and the others are train.options"
)


def save_code(folder: Path, network: nn.Module) -> None:
    """Copy the code that a network's own classes were run from next to its weights.

    By the class, not by the name: other code may have been loaded under that name since.
    """
    for module in network.modules():
        if (own := own_code.module_of(type(module))) is not None:
            with replace_file(folder / NETWORK_CODE) as temporary:
                temporary.write_bytes(own_code.content_of(own))
            return


def code_sha256(name: str) -> str:
    """Of the code that an import path means now.

    Raises:
        ParamsError: as `find_class`.
    """
    return own_code.code_sha256(name, _WHERE, _copy())


def building(name: str) -> AbstractContextManager[None]:
    """What the user's own code raises becomes a message.

    Raises:
        ParamsError: names the network and what it raised.
    """
    return own_code.calling(name, _WHERE, "cannot be built or run on two rows")


def require_outputs(name: str, found: tuple[int, ...], d_out: int) -> None:
    """Refuse outputs of another shape than (2, d_out) for two rows."""
    if found != (2, d_out):
        raise _problem(name, f"gives outputs of shape {found} for two rows, not {(2, d_out)}")


def _problem(name: str, message: str) -> ParamsError:
    return own_code.problem(name, _WHERE, message)
