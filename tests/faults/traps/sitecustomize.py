"""Started with every Python process of a test: writes down what could run code from data.

Audit events of unpickling, of marshalled code outside the import system, of eval and exec called by
the project itself, and every process that is started, go to the file that LAYERLINE_TRAPS names.
"""

import json
import os
import sys

_FILE = os.environ.get("LAYERLINE_TRAPS")
_OURS = ("/src/layerline/", "/pipeline/")


def _callers() -> list[str]:
    frame, names = sys._getframe(1), []
    while frame is not None and len(names) < 12:
        if frame.f_code.co_filename != __file__:
            names.append(frame.f_code.co_filename)
        frame = frame.f_back
    return names


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if event not in ("pickle.find_class", "marshal.loads", "exec", "compile", "subprocess.Popen"):
        return
    callers = _callers()
    # importlib loads modules; the libraries' own uses (dataclasses, namedtuple) read no data.
    is_own = bool(callers) and any(part in callers[0] for part in _OURS)
    if event in ("exec", "compile", "marshal.loads") and not is_own:
        return
    what = arguments[0] if event == "subprocess.Popen" else arguments[:2]
    line = json.dumps([event, repr(what)[:200], sys.argv[:2], callers])
    with open(str(_FILE), "a") as file:  # noqa: PTH123 - pathlib would be imported first
        file.write(line + "\n")


if _FILE:
    sys.addaudithook(_hook)
