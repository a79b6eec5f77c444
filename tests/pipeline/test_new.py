"""`layerline new` with an installed wheel and no checkout: in a repository, an empty folder."""

import json
import os
import shutil
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from checkouts import ROOT

from layerline.projects.code_hashes import rooms_of_stages


class Installed:
    """An environment whose layerline is a wheel; other packages are those of the tests' own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        source = folder / "source"
        skipped = shutil.ignore_patterns("__pycache__", "*.egg-info")
        # A copy: the build leaves folders of its own where it runs.
        shutil.copytree(ROOT / "src", source / "src", ignore=skipped)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source / name)
        options = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
        pip = [sys.executable, "-m", "pip"]
        wheels = folder / "wheels"
        building = ["--no-build-isolation", "--wheel-dir", str(wheels), str(source)]
        subprocess.run([*pip, "wheel", *options, *building], check=True)
        venv.create(folder / "venv", with_pip=False)
        python = folder / "venv" / "bin" / "python"
        (self.packages / "others.pth").write_text(site.getsitepackages()[0] + "\n")
        (wheel,) = wheels.iterdir()
        # The editable one of this environment would be found, and the wheel left out.
        options.append("--ignore-installed")
        installing = ["--python", str(python), "install", *options, str(wheel)]
        subprocess.run([*pip, *installing], check=True)
        shutil.rmtree(source)

    @property
    def packages(self) -> Path:
        (found,) = (self.folder / "venv" / "lib").glob("python*/site-packages")
        return found

    def run(self, where: Path, *command: str, code: int = 0) -> str:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_"))}
        clean.pop("PYTHONPATH", None)
        tools = [str(self.folder / "venv" / "bin"), str(Path(sys.executable).parent)]
        done = subprocess.run(
            command,
            cwd=where,
            env=clean | {"PATH": os.pathsep.join([*tools, os.environ["PATH"]])},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == code, done.stdout
        assert "Traceback" not in done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"))


def rows(n: int) -> str:
    lines = (f"{k % 7},{k % 5},{(k % 7) * 2 + (k % 5) + k % 3 / 10}\n" for k in range(n))
    return f"size,age,price\n{''.join(lines)}"


def ran(output: str) -> list[str]:
    lines = output.splitlines()
    return [line.split("'")[1] for line in lines if line.startswith("Running stage")]


def test_a_table_in_a_folder_of_a_repository_and_an_upgrade(
    installed: Installed, tmp_path: Path
) -> None:
    """Four commands: new, init, dvc repro, results; then only what an upgrade changed runs."""
    repository = tmp_path / "monorepo"
    repository.mkdir()
    installed.run(repository, "git", "init", "--quiet")
    (repository / "README.md").write_text("mine\n")
    project = repository / "models" / "prices"
    output = installed.run(repository, "layerline", "new", "models/prices")
    assert "next: cd models/prices && dvc repro" in output
    assert (repository / "README.md").read_text() == "mine\n"
    assert not (project / ".github").exists()  # only the top of a repository has workflows
    where = installed.run(project, "python", "-c", "import layerline; print(layerline.__file__)")
    assert where.startswith(str(installed.packages))

    (project / "houses.csv").write_text(rows(240))
    installed.run(project, "layerline", "init", "houses.csv", "--target", "price")
    params = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(params.replace("epochs: 200", "epochs: 4"))
    stages = ["code", "fetch", "validate", "scale", "train", "evaluate", "register"]
    assert ran(installed.run(project, "dvc", "repro")) == stages
    assert json.loads((project / "reports" / "registration.json").read_text())["promoted"]
    assert "rmse" in installed.run(project, "layerline", "results")
    assert "unchanged" in installed.run(project, "layerline", "retrain").splitlines()[-1]
    # Nothing points at this machine, and git sees nothing that the stages made.
    assert str(tmp_path) not in (project / "dvc.yaml").read_text()
    status = installed.run(repository, "git", "status", "--short", "--untracked-files=all")
    shown = {line[3:].removeprefix("models/prices/") for line in status.splitlines()}
    assert not {path for path in shown if path.startswith(("code", "reports/m", "runs", "mlflow"))}

    assert ran(installed.run(project, "dvc", "repro")) == ["code"]
    room = installed.packages / "layerline" / "registry"
    module = room / "gate.py"
    module.write_text(module.read_text() + "# a later release\n")
    assert ran(installed.run(project, "dvc", "repro")) == ["code", "register"]


def test_an_empty_folder_becomes_a_repository_and_a_project_is_not_overwritten(
    installed: Installed, tmp_path: Path
) -> None:
    (tmp_path / "Makefile").write_text("mine:\n")
    (tmp_path / ".gitignore").write_text("*.secret\n")
    output = installed.run(tmp_path, "layerline", "new", ".")
    assert "Makefile was there already and stays" in output
    assert (tmp_path / "Makefile").read_text() == "mine:\n"
    ignored = (tmp_path / ".gitignore").read_text().splitlines()
    assert {"*.secret", "/data/raw", "mlflow.db*"} <= set(ignored)
    assert (tmp_path / ".git").is_dir()
    assert (tmp_path / ".github" / "workflows" / "layerline.yml").exists()
    assert "register" in installed.run(tmp_path, "dvc", "stage", "list")
    again = installed.run(tmp_path, "layerline", "new", ".", code=2)
    assert "params.yaml: . has one already" in again


def test_a_new_project_starts_as_this_checkout_does_before_anybody_edits_it() -> None:
    """Copies, not links: `layerline init` edits the files of a checkout, whose package this is."""
    template = ROOT / "src" / "layerline" / "projects" / "template"
    for copy, original in (
        ("params.yaml", "params.yaml"),
        ("stages.yaml", "dvc.yaml"),
        ("digits.yaml", "data/schemas/digits.yaml"),
    ):
        assert not (template / copy).is_symlink()
        assert (template / copy).read_bytes() == (ROOT / original).read_bytes(), copy


def test_every_stage_watches_the_rooms_of_this_checkout() -> None:
    found = rooms_of_stages()
    assert list(found) == ["fetch", "validate", "scale", "train", "evaluate", "register"]
    for rooms in found.values():
        assert "artifacts" in rooms
        assert all((ROOT / "src" / "layerline" / room).exists() for room in rooms)
