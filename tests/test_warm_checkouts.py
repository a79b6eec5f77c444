"""The forks that tests of pipelines run in: tests/checkouts.py and tests/warm_commands.py."""

import os
import sys
from pathlib import Path

import warm_commands
from checkouts import make_checkout

LOOK = "import os, sys; print(os.getppid(), 'torch' in sys.modules, os.getcwd())"


def test_commands_are_forks_until_the_checkouts_code_is_another(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "checkout", is_warm=True)
    folder = str(checkout.root)
    found = checkout.python(LOOK).split()
    ((server, _),) = warm_commands._running
    assert found == [str(server.pid), "True", folder]
    assert "run the earlier stages first" in checkout.run("layerline", "results", code=4)
    with (checkout.root / "src" / "layerline" / "text.py").open("a") as file:
        file.write("# another line\n")
    assert checkout.python(LOOK).split() == [str(os.getpid()), "False", folder]


def test_stages_that_dvc_starts_are_forks_too(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "checkout", is_warm=True)
    script = checkout.root / "pipeline" / "fetch.py"
    text, begin = script.read_text(), "def main(stage: Stage) -> None:\n"
    assert text.count(begin) == 1
    look = "    import sys; stage.report(str('mlflow' in sys.modules))\n"
    script.write_text(text.replace(begin, begin + look))
    assert "fetch: True\n" in checkout.run("dvc", "repro", "fetch")
    assert "fetch: False\n" in checkout.cold.run(sys.executable, "pipeline/fetch.py")


def test_a_fork_that_a_fork_asks_for_runs_in_its_folder(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "checkout", is_warm=True)
    call = (
        "import os; from layerline.stage.warm_fork import call_warm; "
        "print(call_warm(os.environ, 'os:getcwd'))"
    )
    assert checkout.python(call).strip() == str(checkout.root)
