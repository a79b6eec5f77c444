"""Coverage-guided inputs for the tests that `damage.fuzz` marks: atheris draws, hypothesis reads.

libFuzzer keeps the inputs that reach new branches of the library, and changes those. It ends the
process when it is done, so each test fuzzes in a process of its own.
"""

import inspect
import os
import random
import re
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given

SEEDS, SEED_BYTES, LONGEST = 64, 1024, 4096  # of the first inputs, and of any
COUNT = re.compile(r"number_of_executed_units: (\d+)")
COVERED = re.compile(r"cov: (\d+)")


def guided(test: Any, n_inputs: int) -> Callable[..., None]:
    """The hypothesis test `test`, with its fixtures, for `n_inputs` inputs chosen by coverage."""
    inner, strategies = test.hypothesis.inner_test, test.hypothesis._given_kwargs

    def run(*arguments: Any, **fixtures: Any) -> None:
        def one(**drawn: Any) -> None:
            inner(*arguments, **fixtures, **drawn)

        target = _settled(test, given(**strategies)(one))
        with tempfile.TemporaryDirectory(prefix="layerline-fuzz-") as folder:
            status, log = _in_child(target.hypothesis.fuzz_one_input, n_inputs, Path(folder))
        done, covered = COUNT.search(log), COVERED.findall(log)
        assert status == 0, log[-4000:]
        assert done, log[-4000:]
        assert covered, "no code of the library is instrumented"
        reached = f"{covered[0]} to {covered[-1]} branches reached"
        sys.stdout.write(f"{test.__name__}: {done[1]} inputs, {reached}\n")

    run.__name__, run.__module__, run.__doc__ = test.__name__, test.__module__, test.__doc__
    run.__signature__ = inspect.signature(test)  # type: ignore[attr-defined]
    run.pytestmark = list(getattr(test, "pytestmark", []))  # type: ignore[attr-defined]
    return run


def _settled(test: Any, target: Any) -> Any:
    target._hypothesis_internal_use_settings = test._hypothesis_internal_use_settings
    return target


def _in_child(target: Callable[[bytes], object], n_inputs: int, folder: Path) -> tuple[int, str]:
    """The exit status of a fork that fuzzes `target`, and what it printed."""
    log, corpus = folder / "log", folder / "corpus"
    corpus.mkdir()
    draw = random.Random(0)
    for number in range(SEEDS):
        (corpus / f"{number}").write_bytes(draw.randbytes(draw.randrange(SEED_BYTES)))
    pid = os.fork()
    if pid == 0:
        try:
            _fuzz(target, n_inputs, log, corpus)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(70)  # libFuzzer ends the process itself
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), log.read_text(errors="replace")


def _fuzz(target: Callable[[bytes], object], n_inputs: int, log: Path, corpus: Path) -> None:
    import atheris  # type: ignore[import-not-found]

    with log.open("wb") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    limits = [f"-runs={n_inputs}", f"-max_len={LONGEST}", "-timeout=60", "-rss_limit_mb=4096"]
    output = ["-len_control=0", "-print_final_stats=1", f"-artifact_prefix={corpus.parent}/"]
    atheris.Setup(["fuzz", "-seed=1", *limits, *output, str(corpus)], target)
    atheris.Fuzz()
