"""The warm process of a command that runs the whole pipeline: how it is started and ended."""

import contextlib
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from layerline.artifacts.temporary import temporary_folder
from layerline.stage.warm_client import PLACE

_END_SECONDS = 10.0
_BACKLOG = 8
# Not `-m`: the flags of the interpreter must be those of a stage.
_CODE = "import sys; del sys.path[0]; from layerline.stage.warm_server import main; main()"


@contextlib.contextmanager
def warm_process(
    root: Path, environment: Mapping[str, str], modules: Sequence[str]
) -> Iterator[dict[str, str]]:
    """Start a process that imports the modules while the block begins; it ends with the block.

    Yields the variable by which stages find it, to be added to the environment; none where there
    can be no such process: stages then run by themselves.

    Args:
        root: the folder that stages run in.
        environment: that of the stages, but for the variable.
        modules: what stages import; one that cannot be imported is left to them.
    """
    with contextlib.ExitStack() as stack:
        try:
            variable = _start(root, environment, modules, stack) if _is_possible() else {}
        except OSError:  # no more processes; a temporary folder with a name too long for a socket
            variable = {}
        yield variable


def _is_possible() -> bool:
    if PLACE in os.environ or not sys.platform.startswith("linux"):
        return False
    # It maps more memory than any one stage.
    memory = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    return all(resource.getrlimit(limit)[0] == resource.RLIM_INFINITY for limit in memory)


def _start(
    root: Path, environment: Mapping[str, str], modules: Sequence[str], stack: contextlib.ExitStack
) -> dict[str, str]:
    place = stack.enter_context(temporary_folder()) / "stages.sock"  # of mode 0700
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen(_BACKLOG)  # from now on a stage waits for it
        process = subprocess.Popen(
            [sys.executable, "-c", _CODE, str(listener.fileno()), *modules],
            stdin=subprocess.PIPE,  # its end is this process's end, in whatever way
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=root,
            env=environment,
            pass_fds=(listener.fileno(),),
            start_new_session=True,
        )
    stack.callback(_end, process)
    return {PLACE: str(place)}


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    assert process.stdin is not None
    process.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_SECONDS)
    process.kill()
    process.wait()
