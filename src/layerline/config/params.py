"""The whole of params.yaml, and its reader."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from layerline.config.components import SECTION, Component, Method
from layerline.config.data_sections import FetchSection, ScaleSection, ValidateSection
from layerline.config.evaluation_sections import EvaluateSection, RegisterSection
from layerline.config.retraining_sections import RetrainSection
from layerline.config.training_sections import TrainSection
from layerline.config.yaml_reader import read_yaml
from layerline.errors import ParamsError, Problem
from layerline.masking import credentials_in
from layerline.wrong_values import problems_of


@dataclass(frozen=True, kw_only=True, config=SECTION)
class Params:
    """The whole of params.yaml."""

    project: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
    """The name of the experiment, the registered model and the schema."""
    fetch: FetchSection
    """Where the data come from and what to predict."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """What every random number follows from."""
    threads: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = "auto"
    """Threads of training; auto: one for small networks, else one per core. Another number
    changes the last digits."""
    validate: ValidateSection = ValidateSection()
    """How strictly the frozen schema is enforced."""
    scale: ScaleSection = ScaleSection()
    """How rows are split and how columns become numbers."""
    train: TrainSection = TrainSection()
    """The network and how it is trained."""
    evaluate: EvaluateSection = EvaluateSection()
    """How outputs become decisions, and which metrics are computed."""
    register: RegisterSection = RegisterSection()
    """Which alias the registered model gets, and by which gate."""
    retrain: RetrainSection = RetrainSection()
    """How `layerline retrain` runs; no stage reads it."""
    study: dict[str, Any] = Field(default_factory=dict)
    """A study of `layerline study run`; no stage reads it."""

    @property
    def schema_path(self) -> Path:
        """Where the project's frozen schema lives, relative to the repository root."""
        return Path(self.validate.schema or f"data/schemas/{self.project}.yaml")


RENAMED = {
    "train.time_minutes": "is early_stopping.time_minutes, the budget of the whole training",
    "train.restarts": (
        "is now members; for {seeds: 4, keep: ensemble} write members: {count: 4, keep: all, "
        "space: {}}, for keep: best the same with keep: best"
    ),
}


def parse_params(raw: Any) -> tuple[Params | None, list[Problem]]:
    """Turn the mapping of a params file into Params, or into the list of all its problems."""
    if not isinstance(raw, Mapping):
        return None, [Problem("(root)", "must be a mapping with `project` and `fetch`")]
    problems = credential_problems(raw)
    try:
        # JSON mode: strict about scalars, yet a YAML list may fill a tuple.
        params = TypeAdapter(Params).validate_json(json.dumps(raw, default=str))
    except ValidationError as error:
        found = problems_of(error, Params, raw)
        found = [Problem(p.where, RENAMED.get(p.where, p.message)) for p in found]
        return None, [*problems, *found]
    return None if problems else params, problems


# Sections that no stage reads, so DVC does not copy them.
_NOT_IN_DVC = ("retrain", "study")


def credential_problems(raw: Mapping[str, Any], *, thorough: bool = False) -> list[Problem]:
    """Refuse what DVC would copy into dvc.lock, which is committed, and into its cache.

    With `thorough`, detect-secrets is asked as well: half a second to import.
    """
    copied = {key: value for key, value in raw.items() if key not in _NOT_IN_DVC}
    message = (
        "holds a credential, and DVC copies params to dvc.lock, which is committed, and to its "
        "cache; take it out of params.yaml (and change it where it was committed already)"
    )
    return [Problem(name, message) for name in credentials_in(flatten(copied), thorough=thorough)]


def load_params(path: Path) -> Params:
    """Read and check params.yaml.

    Raises:
        ParamsError: with every problem found, each with its dotted path.
    """
    params, problems = parse_params(read_yaml(path))
    if params is None:
        raise ParamsError(problems, path.name)
    return params


def flatten(section: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted key -> leaf value, by the names of params.yaml and of `-S`, for logging.

    `{"scale.split.method": "hash", "train.optimizer.learning_rate": 0.002, ...}`
    """
    flat: dict[str, Any] = {}
    for key, value in _items(section):
        name = f"{prefix}{key}"
        if (isinstance(value, Mapping) and value) or dataclasses.is_dataclass(value):
            flat.update(flatten(value, f"{name}."))
        else:
            flat[name] = value
    return flat


def _items(section: Any) -> Iterator[tuple[str, Any]]:
    """The keys of a section as params.yaml has them, where a component's options are its own."""
    if isinstance(section, Mapping):
        yield from section.items()
        return
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if isinstance(value, Component):
            value = {"method" if field.type == Method else "name": value.name, **value.options}
        elif isinstance(value, tuple) and any(isinstance(item, Component) for item in value):
            value = tuple({"name": item.name, **item.options} for item in value)
        yield section.__pydantic_fields__[field.name].alias or field.name, value
