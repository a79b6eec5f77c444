"""`layerline.run`: `dvc repro` of a project from Python."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layerline.artifacts import Workspace, read_json
from layerline.errors import SourceError
from layerline.retraining.dvc_process import Dvc


@dataclass(frozen=True)
class ProjectRun:
    """What a run of a project left.

    Attributes:
        metrics: by split (train, valid, test), as reports/metrics.json.
        version: of the registered model.
        is_champion: whether that version is the champion.
        verdict: why, in a sentence.
        registration: all of reports/registration.json.
        stages: those that ran; DVC restores or keeps the others.
    """

    metrics: dict[str, dict[str, float | None]]
    version: int
    is_champion: bool
    verdict: str
    registration: dict[str, Any]
    stages: tuple[str, ...]


def run(folder: str | Path = ".", *, report: Callable[[str], None] | None = print) -> ProjectRun:
    """Run `dvc repro` in a project and return its figures and the registry's verdict.

    It is another process, which an interrupt stops in order; started again, it resumes.

    Args:
        folder: the project, which has params.yaml and dvc.yaml.
        report: receives each line that DVC and the stages print; None for silence.

    Raises:
        SourceError: the folder is no project.
        RetrainError: a stage failed; with its message and its exit code.
        BusyError: another DVC is at work in this project.
    """
    workspace = Workspace(Path(folder))
    for file in (workspace.params, workspace.root / "dvc.yaml"):
        if not file.is_file():
            raise SourceError(
                f"{file}: missing; give the folder of a project, or make one: `layerline new`"
            )
    with Dvc(workspace.root, report or (lambda line: None)) as dvc:
        dvc.repro()
        stages = dvc.stages
    facts = read_json(workspace.reports / "registration.json")
    return ProjectRun(
        metrics=read_json(workspace.reports / "metrics.json"),
        version=facts["version"],
        is_champion=facts["version"] == facts["champion_version"],
        verdict=facts["reason"],
        registration=facts,
        stages=stages,
    )
