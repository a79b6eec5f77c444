"""params.yaml as frozen, typed sections; the only reader of that file.

params               the whole file, read and checked
data_sections        fetch, validate, scale
training_sections    train, early stopping, batches
member_sections      train.members and its space
transfer_sections    train.transfer and its parts
evaluation_sections  evaluate, register, gate
retraining_sections  retrain: drift, when, live, alerts
components           what sections are made of
key_meanings         what each key means
rank_place           this process among several
dotted_paths         values at dotted paths
yaml_reader          YAML read within bounds

One class per section, one field per key. `load_params` refuses unknown keys, wrong types and values
out of range all at once, each with its dotted path. Options of components (a network, a source, an
optimizer) are checked against the component's own signature by `layerline.projects.preflight`.
"""

from layerline.config.components import Component, Named
from layerline.config.data_sections import (
    SEVERAL,
    FetchSection,
    ScaleSection,
    Task,
    ValidateSection,
    WindowSection,
)
from layerline.config.evaluation_sections import (
    ConformalSection,
    EvaluateSection,
    GateSection,
    ThresholdSection,
)
from layerline.config.key_meanings import Key, keys, meanings
from layerline.config.member_sections import Axis, MembersSection, RangeSection
from layerline.config.params import (
    Params,
    credential_problems,
    flatten,
    load_params,
    parse_params,
)
from layerline.config.rank_place import RankPlace, read_rank_place
from layerline.config.retraining_sections import (
    AlertsSection,
    DriftSection,
    SmtpSection,
    WhenSection,
)
from layerline.config.training_sections import (
    BatchGrowthSection,
    DistributedSection,
    EarlyStoppingSection,
    TrainSection,
)
from layerline.config.transfer_sections import AdaptersSection, ForgettingSection, TransferSection
from layerline.config.yaml_reader import parse_yaml, read_yaml

__all__ = [
    "SEVERAL",
    "AdaptersSection",
    "AlertsSection",
    "Axis",
    "BatchGrowthSection",
    "Component",
    "ConformalSection",
    "DistributedSection",
    "DriftSection",
    "EarlyStoppingSection",
    "EvaluateSection",
    "FetchSection",
    "ForgettingSection",
    "GateSection",
    "Key",
    "MembersSection",
    "Named",
    "Params",
    "RangeSection",
    "RankPlace",
    "ScaleSection",
    "SmtpSection",
    "Task",
    "ThresholdSection",
    "TrainSection",
    "TransferSection",
    "ValidateSection",
    "WhenSection",
    "WindowSection",
    "credential_problems",
    "flatten",
    "keys",
    "load_params",
    "meanings",
    "parse_params",
    "parse_yaml",
    "read_rank_place",
    "read_yaml",
]
