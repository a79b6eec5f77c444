"""Stages in forks of the warm process: as a user sees them, no different from cold ones."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from checkouts import ROOT

from layerline.stage.warm_client import OFF, PLACE
from layerline.stage.warm_start import warm_process

SCRIPT = '''"""A stage that does what ORDER says."""

import os
import subprocess
import sys
import time

from layerline.errors import DataError
from layerline.stage import Stage, leave, run_stage


def main(stage: Stage) -> None:
    from layerline.stage import warm_client

    stage.report(f"fork {warm_client._is_fork}")
    exec(os.environ["DVC_ORDER"], globals())


if __name__ == "__main__":
    leave(run_stage("scale", main))
'''
SECONDS = 300


class Project:
    """A folder with one stage, and the environment that it is run in."""

    def __init__(self, root: Path, environment: dict[str, str]) -> None:
        self.root, self.environment = root, environment

    def start(self, order: str, *before: str, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*before, sys.executable, "pipeline/scale.py"],
            cwd=self.root,
            env=self.environment | {"DVC_ORDER": order} | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, order: str, *before: str, **environment: str) -> tuple[int, str, str]:
        """The exit code, stdout and stderr of a stage."""
        process = self.start(order, *before, **environment)
        out, err = process.communicate("a line\n", timeout=SECONDS)
        return process.returncode, out, err

    def is_fork(self, order: str = "pass", *before: str, **environment: str) -> bool:
        code, out, err = self.run(order, *before, **environment)
        assert code == 0, err
        assert out.startswith("scale: fork ")
        return out.startswith("scale: fork True")


def make_project(folder: Path) -> Project:
    root = folder / "project"
    (root / "pipeline").mkdir(parents=True)
    (root / "pipeline" / "scale.py").write_text(SCRIPT)
    (root / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (folder / "lib").mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_", PLACE))}
    paths = os.pathsep.join([str(ROOT / "src"), str(folder / "lib")])
    return Project(root, kept | {"PYTHONPATH": paths, "LAYERLINE_TRACKING": "off"})


@contextlib.contextmanager
def warmed(cold: Project) -> Iterator[Project]:
    with warm_process(cold.root, cold.environment, ["layerline.stage.stage_run"]) as variable:
        assert variable
        yield Project(cold.root, cold.environment | variable)


@pytest.fixture
def cold(tmp_path: Path) -> Project:
    return make_project(tmp_path)


@pytest.fixture
def warm(cold: Project) -> Iterator[Project]:
    with warmed(cold) as project:
        yield project


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """For stages that change nothing."""
    with warmed(make_project(tmp_path_factory.mktemp("shared"))) as project:
        yield project


def server_of(work: psutil.Process) -> psutil.Process:
    """The warm process that a stage's work was forked from."""
    server = work.parent()
    assert server is not None
    assert "layerline.stage.warm_server" in " ".join(server.cmdline())
    return server


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def answers(project: Project) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(project.environment[PLACE]) == 0


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ("print(sys.stdin.read(), sys.argv, __name__, __file__, sys.path)", 0),
        ("print('out'); print('err', file=sys.stderr)", 0),
        ("raise DataError('no rows')", 3),
        ("raise ZeroDivisionError", 1),
        ("raise KeyboardInterrupt", 130),
        ("sys.exit(9)", 9),
        ("sys.exit('a message')", 1),
        ("os.kill(os.getpid(), 9)", -9),
        ("os.abort()", -signal.SIGABRT),
        ("print(os.getcwd(), os.umask(0o022), os.nice(0), sys.flags, sorted(os.environ))", 0),
        ("print(sys.orig_argv, __builtins__, __spec__, __doc__, sys.modules['__main__'])", 0),
        ("print(sys.stdin, sys.__stdout__, sys.__stderr__, sys.__stdout__.line_buffering)", 0),
    ],
)
def test_a_fork_prints_and_ends_as_a_cold_stage(shared: Project, order: str, code: int) -> None:
    expected = shared.run(order, **{PLACE: "a socket that is not there"})
    assert expected[1].startswith("scale: fork False\n")
    found = shared.run(order)
    assert found[1].startswith("scale: fork True\n")
    assert found[0] == code
    out = found[1].replace("fork True", "fork False")
    assert (found[0], out.splitlines(), found[2]) == (code, expected[1].splitlines(), expected[2])


def test_kill_9_of_the_stage_ends_its_work_and_what_that_started(warm: Project) -> None:
    order = (
        "child = subprocess.Popen(['sleep', '600']); print(os.getpid(), child.pid, flush=True); "
        "time.sleep(600)"
    )
    process = warm.start(order)
    assert process.stdout is not None
    assert process.stdout.readline() == "scale: fork True\n"
    work, child = map(psutil.Process, map(int, process.stdout.readline().split()))
    assert work.pid != process.pid
    process.kill()
    process.communicate()
    wait_until(lambda: is_gone(work) and is_gone(child))
    assert warm.is_fork()


def test_signals_reach_the_work(warm: Project) -> None:
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, -1)):
        process = warm.start("print(os.getpid(), flush=True); time.sleep(600)")
        assert process.stdout is not None
        assert process.stdout.readline() == "scale: fork True\n"
        work = psutil.Process(int(process.stdout.readline()))
        process.send_signal(number)
        _, err = process.communicate(timeout=SECONDS)
        assert process.returncode == code
        assert err == ("scale: interrupted; earlier results are unchanged\n" if code > 0 else "")
        wait_until(lambda work=work: is_gone(work))


def test_a_stage_that_is_stopped_stops_its_work_until_it_continues(warm: Project) -> None:
    process = warm.start("print(os.getpid(), flush=True); input(); print('on', flush=True)")
    assert process.stdout is not None
    assert process.stdout.readline() == "scale: fork True\n"
    work = psutil.Process(int(process.stdout.readline()))
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: work.status() == psutil.STATUS_STOPPED)
    process.send_signal(signal.SIGCONT)
    wait_until(lambda: work.status() != psutil.STATUS_STOPPED)
    out, _ = process.communicate("\n", timeout=SECONDS)
    assert (process.returncode, out) == (0, "on\n")


def test_a_stage_whose_warm_process_is_killed_is_started_again(warm: Project) -> None:
    order = (
        "from layerline.stage import warm_client\n"
        "if warm_client._is_fork: print(os.getpid(), flush=True); time.sleep(600)"
    )
    process = warm.start(order)
    assert process.stdout is not None
    assert process.stdout.readline() == "scale: fork True\n"
    work = psutil.Process(int(process.stdout.readline()))
    server_of(work).kill()
    out, err = process.communicate(timeout=SECONDS)
    assert is_gone(work)
    assert (process.returncode, out) == (0, "scale: fork False\n")
    assert err == "scale: the warm process has ended; this stage is started again\n"
    assert not warm.is_fork()


def test_a_client_that_is_killed_at_any_moment_leaves_no_fork_behind(warm: Project) -> None:
    server = psutil.Process(int(warm.run("print(os.getppid())")[1].splitlines()[1]))
    for moment in (0.0, 0.05, 0.1, 0.15, 0.2, 0.3):
        process = warm.start("time.sleep(600)")
        time.sleep(moment)
        process.kill()
        process.communicate()
    assert warm.is_fork()
    wait_until(lambda: not server.children())


def test_nothing_of_a_stage_is_left_for_the_next_one(warm: Project) -> None:
    order = (
        "os.environ['LEFT'] = 'behind'; sys.path.append('left'); os.umask(0); os.chdir('/'); "
        "sys.modules['left'] = sys; import random; random.seed(0); os.nice(1)"
    )
    look = (
        "print('LEFT' in os.environ, 'left' in sys.path, 'left' in sys.modules, os.getcwd(), "
        "os.umask(0), os.nice(0)); import random; print(random.random(), file=sys.stderr)"
    )
    before = warm.run(look)
    assert warm.is_fork(order)
    after = warm.run(look)
    assert after[1] == before[1]
    assert after[1].splitlines()[1].startswith("False False False")
    assert after[2] != before[2]  # each has random numbers of its own


def test_the_seeds_of_numpy_are_not_shared(warm: Project) -> None:
    first, second = (warm.run("import numpy as np; print(np.random.rand())")[1] for _ in "ab")
    assert first != second


def test_a_stage_that_was_started_otherwise_runs_by_itself(warm: Project, tmp_path: Path) -> None:
    assert warm.is_fork()
    assert not warm.is_fork("pass", "nice", "-n", "3")
    assert not warm.is_fork("pass", "sh", "-c", 'ulimit -n 200; exec "$@"', "sh")
    assert not warm.is_fork("pass", "sh", "-c", 'umask 077; exec "$@"', "sh")
    assert not warm.is_fork("pass", "sh", "-c", 'trap "" HUP; exec "$@"', "sh")
    assert not warm.is_fork(OMP_NUM_THREADS="7")
    assert not warm.is_fork(PYTHONHASHSEED="3")
    assert not warm.is_fork(**{PLACE: OFF})
    other = tmp_path / "other"
    (warm.root).rename(other)
    warm.root.mkdir()
    assert not Project(other, warm.environment).is_fork()


def test_why_a_stage_runs_by_itself_is_said_where_it_is_asked_for(cold: Project) -> None:
    environment = cold.environment | {"LAYERLINE_DEBUG": "1"}
    with warm_process(cold.root, environment, []) as variable:
        project = Project(cold.root, environment | variable)
        _, _, err = project.run("pass", OMP_NUM_THREADS="7")
    assert err == "scale: runs by itself: variables: not as in the warm process\n"


def test_code_that_has_changed_is_run_cold(warm: Project, tmp_path: Path) -> None:
    assert warm.is_fork()
    (tmp_path / "lib" / "installed_meanwhile.py").write_text("")
    assert not warm.is_fork()


def test_the_stages_script_is_read_anew(warm: Project) -> None:
    assert warm.is_fork()
    script = warm.root / "pipeline" / "scale.py"
    script.write_text(SCRIPT.replace("fork {", "now {"))
    assert warm.run("pass")[1] == "scale: now True\n"


@pytest.mark.parametrize(
    "changed",
    [
        SCRIPT.replace('if __name__ == "__main__":', 'print("once")\nif True:'),
        SCRIPT.replace('    leave(run_stage("scale", main))', '    print("once")\n' + SCRIPT[-36:]),
        SCRIPT.replace("leave(run_stage(", 'leave(run_stage(print("once") or '),
        SCRIPT.replace('if __name__ == "__main__":', 'if print("once") is None:'),
    ],
)
def test_a_script_that_does_more_than_its_stage_does_it_once(warm: Project, changed: str) -> None:
    (warm.root / "pipeline" / "scale.py").write_text(changed)
    code, out, err = warm.run("pass")
    assert (code, out.splitlines()) == (0, ["once", "scale: fork False"]), err


def test_the_warm_process_ends_with_its_owner_and_lets_a_stage_end(cold: Project) -> None:
    code = (
        "import json, os, sys, time\nfrom pathlib import Path\n"
        "from layerline.stage.warm_start import warm_process\n"
        "with warm_process(Path(), dict(os.environ), []) as variable:\n"
        "    print(json.dumps(variable), flush=True)\n    time.sleep(600)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=cold.root,
        env=cold.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    warm = Project(cold.root, cold.environment | json.loads(owner.stdout.readline()))
    process = warm.start("print(os.getpid(), flush=True); input()")
    assert process.stdout is not None
    assert process.stdout.readline() == "scale: fork True\n"
    (server,) = psutil.Process(owner.pid).children()
    owner.kill()
    owner.communicate()
    wait_until(lambda: not answers(warm))
    assert server.is_running()
    process.communicate("\n", timeout=SECONDS)
    assert process.returncode == 0
    wait_until(lambda: is_gone(server))


def test_a_limit_on_memory_leaves_no_room_for_a_warm_process(cold: Project) -> None:
    code = (
        "import os\nfrom pathlib import Path\nfrom layerline.stage.warm_start import warm_process\n"
        "with warm_process(Path(), dict(os.environ), []) as variable:\n    print(variable)"
    )
    command = ["sh", "-c", 'ulimit -v 8000000; exec "$@"', "sh", sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=cold.root, env=cold.environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "{}\n"
