"""A network of the user's own, named by its import path: `train.network: mine.networks:Wide`.

The class is `Wide` of the project's file mine/networks.py. The file is copied next to the weights
and travels with them into the bundle, so that a registered version needs nothing of the project: it
is one file, which imports packages, and nothing else of the project's own.
"""

import contextlib
import hashlib
import inspect
import re
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType

from torch import nn

from layerline.artifacts import NETWORK_CODE, find_workspace, replace_file
from layerline.errors import LayerlineError, ParamsError, Problem
from layerline.networks.torchvision import PREFIX
from layerline.text import first_line

_FORM = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_WHERE = "train.network"
_folder: ContextVar[Path | None] = ContextVar("folder of a network with its code", default=None)
_modules: dict[str, ModuleType] = {}  # by their names, which have the sha256 of the code
_PREFIX, _CONTENT = "layerline_own_network_", "__content__"


def is_own(name: str) -> bool:
    """Whether a network's name is an import path."""
    return _FORM.fullmatch(name) is not None and not name.startswith(PREFIX)


def source_file(name: str) -> Path:
    """The file that an import path leads to, in the project of the current folder."""
    return find_workspace().root / _relative(name)


def _relative(name: str) -> Path:
    return Path(*name.partition(":")[0].split(".")).with_suffix(".py")


@contextlib.contextmanager
def using_code_of(folder: Path) -> Iterator[None]:
    """Within the block an import path means the code that lies in `folder`, if there is some."""
    token = _folder.set(folder if (folder / NETWORK_CODE).is_file() else None)
    try:
        yield
    finally:
        _folder.reset(token)


def find_class(name: str) -> type[nn.Module]:
    """The class behind an import path.

    Raises:
        ParamsError: there is no such file or class, it cannot be run, or it is no network.
    """
    module = _module(name)
    attribute = name.partition(":")[2]
    found = getattr(module, attribute, None)
    if not isinstance(found, type) or not issubclass(found, nn.Module):
        what = "has no class" if found is None else "has no torch.nn.Module"
        raise _problem(name, f"{_relative(name)} {what} {attribute}")
    known = inspect.signature(found).parameters
    absent = [key for key in ("input_shape", "d_out") if key not in known]
    if absent:
        raise _problem(name, f"{attribute} does not take {absent[0]}: {_SIGNATURE}")
    return found


_SIGNATURE = (
    "write `def __init__(self, *, input_shape, d_out, ...)`; input_shape is (features,) or "
    "(channels, height, width), d_out the number of outputs, and the others are train.options"
)


def _module(name: str) -> ModuleType:
    folder = _folder.get()
    path = source_file(name) if folder is None else folder / NETWORK_CODE
    try:
        content = path.read_bytes()
    except OSError:
        message = f"there is no file {_relative(name)} in the project"
        raise _problem(name, message) from None
    known = f"{_PREFIX}{hashlib.sha256(content).hexdigest()}"
    if known not in _modules:
        module = ModuleType(known)
        module.__file__, module.__dict__[_CONTENT] = str(path), content
        try:
            # Not imported: that would leave compiled code next to a version's files.
            exec(compile(content, str(path), "exec"), module.__dict__)  # noqa: S102
        except Exception as error:
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise _problem(name, f"{_relative(name)} cannot be run: {reason}") from None
        _modules[known] = module
    return _modules[known]


def save_code(folder: Path, network: nn.Module) -> None:
    """Copy the code that a network's own classes were run from next to its weights.

    By the class, not by the name: other code may have been loaded under that name since.
    """
    for module in network.modules():
        if (own := _modules.get(type(module).__module__)) is not None:
            with replace_file(folder / NETWORK_CODE) as temporary:
                temporary.write_bytes(own.__dict__[_CONTENT])
            return


def code_sha256(name: str) -> str:
    """Of the code that an import path means now.

    Raises:
        ParamsError: as `find_class`.
    """
    return _module(name).__name__.removeprefix(_PREFIX)


@contextlib.contextmanager
def building(name: str) -> Iterator[None]:
    """What the user's own code raises becomes a message.

    Raises:
        ParamsError: names the network and what it raised.
    """
    try:
        yield
    except LayerlineError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise _problem(name, f"cannot be built or run on two rows: {reason}") from error


def require_outputs(name: str, found: tuple[int, ...], d_out: int) -> None:
    """Refuse outputs of another shape than (2, d_out) for two rows."""
    if found != (2, d_out):
        raise _problem(name, f"gives outputs of shape {found} for two rows, not {(2, d_out)}")


def _problem(name: str, message: str) -> ParamsError:
    return ParamsError([Problem(_WHERE, f"{name}: {message}")])
