"""docs/peers.md: its counts are those of the steps it shows, and ours do what they say."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "peers.md").read_text(encoding="utf-8")
TOOLS = ("Layerline", "AutoGluon", "pytorch-tabular", "Kedro", "lightning-hydra-template")


class Row(NamedTuple):
    """One tool's steps of one job."""

    n_steps: int | None
    shown: str

    @property
    def steps(self) -> list[str]:
        """The steps, where they are shown one by one."""
        return [step.strip("`") for step in self.shown.split(" · ")]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def number(text: str) -> int | None:
    return None if text == "none" else int(text)


def jobs() -> dict[str, dict[str, Row]]:
    """The rows of each job's own table, by job and tool."""
    found = {}
    for section in re.split(r"^## ", TEXT, flags=re.M)[1:]:
        rows = [cells(line) for line in section.splitlines() if line.startswith("| ")][1:]
        name = section.partition("\n")[0].replace(".", "").lower()
        found[name] = {tool: Row(number(n), shown) for tool, n, shown in rows}
    return found


def test_counts_are_those_of_the_steps_and_none_is_below_ours() -> None:
    tables = jobs()
    assert len(tables) == 8
    head = [cells(line) for line in TEXT.splitlines() if re.match(r"\| \d ", line)]
    for (job, *counts), (name, rows) in zip(head, tables.items(), strict=True):
        assert job.lower() == name
        assert tuple(rows) == TOOLS
        assert [number(count) for count in counts] == [row.n_steps for row in rows.values()]
        ours = rows["Layerline"].n_steps
        assert ours is not None
        assert all(row.n_steps is None or row.n_steps >= ours for row in rows.values()), job
    listed = [
        row
        for rows in tables.values()
        for row in rows.values()
        if re.fullmatch(r"`[^`]+`( · `[^`]+`)*", row.shown)
    ]
    assert len(listed) > 20
    assert all(len(row.steps) == row.n_steps for row in listed)


def ours(job: str) -> list[str]:
    (row,) = (rows["Layerline"] for name, rows in jobs().items() if name.startswith(job))
    return row.steps


@pytest.mark.slow
def test_our_steps_do_what_they_say(tmp_path: Path) -> None:
    """In an empty folder and in a repository; with fewer trainings than a user would wait for.

    `make repro` of job 1 and `layerline serve` of job 7 are run by tests of their own.
    """
    rows = "".join(f"{k / 9:.2f},{k % 5},{k / 4 + k % 5 + k % 3 / 10}\n" for k in range(240))
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "HOME": str(tmp_path),
    }

    def run(steps: list[str], folder: Path) -> str:
        command = ["bash", "-ec", "\n".join(steps)]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout + done.stderr

    folder = tmp_path / "prices"
    folder.mkdir()
    (folder / "houses.csv").write_text(f"size,age,price\n{rows}")
    init, repro = ours("2")
    assert "test rmse" in run([f"{init} --fast", repro], folder)
    run([f"{ours('3')[0]} --trials 2"], folder)
    study = json.loads((folder / "reports" / "studies" / "quick" / "study.json").read_text())
    assert "train.optimizer.learning_rate" in study["best"]["params"]
    run(["sed -i 's/epochs: [0-9]*/epochs: 5/' params.yaml", repro], folder)
    assert "rmse" in run(ours("4"), folder)
    with (folder / "houses.csv").open("a") as file:
        file.write("3.03,3,9\n4.04,4,12\n")
    run([f"{ours('8')[0]} || test $? -eq 6"], folder)  # 6: the gate kept the champion
    last = json.loads((folder / "reports" / "retrain.jsonl").read_text().splitlines()[-1])
    assert "train" in last["stages"]

    (folder / "new.csv").write_text("size,age\n3,3\n")
    python = "\n".join(ours("5")).replace("verbose=True", "verbose=True, members=None, epochs=3")
    assert "; test rmse " in run([f"python - <<'EOF'\n{python}\nEOF"], folder)

    own = tmp_path / "mine"
    own.mkdir()
    (own / "houses.csv").write_text(f"size,age,price\n{rows}")
    init, repro = ours("6")
    run(["git init -q", f"{init} --fast", repro], own)
    assert json.loads((own / "reports" / "registration.json").read_text())["promoted"]
