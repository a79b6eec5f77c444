"""A study as its file describes it: what varies, what is optimised, how trials are chosen."""

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from layerline.artifacts import Workspace
from layerline.config import read_yaml
from layerline.config.components import SECTION, Component, Named
from layerline.errors import ParamsError, Problem
from layerline.wrong_values import problems_of

FOLDER = Path("recipes") / "studies"
SHIPPED = Path(str(files("layerline.projects"))) / "template" / "studies"  # for other projects
EPOCHS = "train.epochs"
Scalar = bool | int | float | str | None


@dataclass(frozen=True, kw_only=True, config=SECTION)
class Dimension:
    """One varied param: `choices`, or numbers from `low` to `high`, both included.

    Numbers are whole if both ends are. With `when` it is varied only where another param has that
    value: `{train.optimizer.name: sgd}`.
    """

    choices: Annotated[tuple[Any, ...], Field(min_length=1)] | None = None
    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    step: Annotated[int | float, Field(gt=0)] | None = None
    when: dict[str, Scalar] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_kind(self) -> "Dimension":
        if self.choices is not None:
            if self.low is not None or self.high is not None or self.log or self.step is not None:
                raise ValueError("has choices and a range; keep one")
            return self
        if self.low is None or self.high is None:
            raise ValueError("needs a list of choices, or `low` and `high`")
        if self.low > self.high:
            raise ValueError("has a low that is above its high")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("with `log` needs a low above 0 and no step")
        if self.is_whole and self.step is not None and self.step != int(self.step):
            raise ValueError(
                f"has a step of {self.step:g} between whole numbers; write {self.low}.0 and "
                f"{self.high}.0 where the param may have decimals"
            )
        return self

    @property
    def bounds(self) -> tuple[int | float, int | float]:
        """The ends of a range."""
        assert self.low is not None
        assert self.high is not None
        return self.low, self.high

    @property
    def is_whole(self) -> bool:
        """Whether its numbers are whole."""
        return isinstance(self.low, int) and isinstance(self.high, int)


@dataclass(frozen=True, kw_only=True, config=SECTION)
class StudySection:
    """The file of a study, or params.yaml's section `study`.

    `objective` is `valid.METRIC`, or a cost: seconds, parameters, latency_ms; several in a list.
    `trials` is the planned number, `minutes` a limit for one call of the command. With `seeds` each
    trial is the mean of that many trainings, with `folds` of one for each fold of the train and
    validation rows. With `rungs` a trial first trains whole, shorter trainings of so many epochs
    each, and the pruner compares what they come to.
    """

    space: Annotated[dict[str, Dimension], Field(min_length=1)]
    objective: str | tuple[str, ...] = "auto"
    trials: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    minutes: Annotated[float, Field(gt=0)] | None = None
    sampler: Named = Component(name="tpe")
    pruner: Named = Component(name="none")
    seeds: Annotated[int, Field(ge=1, le=100)] = 1
    folds: Annotated[int, Field(ge=2, le=100)] | None = None
    rungs: tuple[Annotated[int, Field(ge=1)], ...] = ()

    @model_validator(mode="after")
    def _rungs_rise(self) -> "StudySection":
        if list(self.rungs) != sorted(set(self.rungs)):
            raise ValueError(f"has rungs that do not rise: {list(self.rungs)}; a trial climbs them")
        return self

    @property
    def n_trainings(self) -> int:
        """Of all epochs, in a trial."""
        return self.folds or self.seeds


def find_study(workspace: Workspace, name: str | None) -> tuple[str, Any]:
    """The name of a study and the content of its file.

    Args:
        workspace: the project.
        name: of a file in recipes/studies or of one that we ship, or a path; None: params.yaml's
            section `study`.

    Raises:
        ParamsError: there is no such file, or no section.
    """
    if name is None:
        content = read_yaml(workspace.params)
        section = content.get("study") if isinstance(content, Mapping) else None
        if not section:
            raise ParamsError([Problem("study", f"is not set; {_ways(workspace)}")])
        return "study", section
    given = Path(name)
    for path in (workspace.root / FOLDER / f"{name}.yaml", given, SHIPPED / f"{name}.yaml"):
        if path.is_file():
            return path.stem, read_yaml(path)
    raise ParamsError([Problem(name, f"no such study; {_ways(workspace)}")], "layerline study")


def _ways(workspace: Workspace) -> str:
    folders = (workspace.root / FOLDER, SHIPPED)
    known = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
    listed = f" ({', '.join(known)})"
    return f"name a file of recipes/studies{listed}, or a YAML file with `space` and `objective`"


def parse_study(content: Any, name: str) -> StudySection:
    """Check the content of a study's file.

    Raises:
        ParamsError: with every problem found.
    """
    if not isinstance(content, Mapping):
        raise ParamsError([Problem("(root)", "must be a mapping with `space`")], name)
    if "variants" in content:
        message = f"are of a comparison; run it by `layerline study compare {name}`"
        raise ParamsError([Problem("variants", message)], name)
    space = content.get("space")
    if isinstance(space, Mapping):
        problems = [
            Problem(f"space.{path}", f"must be a list of choices, or {{low, high}}; got {value!r}")
            for path, value in space.items()
            if not isinstance(value, list | Mapping)
        ]
        if problems:
            raise ParamsError(problems, name)
        named = {str(k): {"choices": v} if isinstance(v, list) else v for k, v in space.items()}
        content = {**content, "space": named}
    try:
        # JSON mode: strict about scalars, yet a YAML list may fill a tuple.
        return TypeAdapter(StudySection).validate_json(json.dumps(content, default=str))
    except ValidationError as error:
        raise ParamsError(problems_of(error, StudySection, content), name) from None
