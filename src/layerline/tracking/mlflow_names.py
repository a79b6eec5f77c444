"""What MLflow calls metrics and tags, so that its pages are readable; all else uses our names.

Its charts stand together by what is before a slash: `test/accuracy` is `test_accuracy` everywhere
else. Its pages hide tags that begin with `mlflow.`: so do hashes and ids of runs and versions,
which commands read, and which are for people in the artifact lineage.json. What earlier releases
wrote has the plain names there, too.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PLAIN = re.compile(r"^(train|valid|test)_")
_GROUPED = re.compile(r"^(train|valid|test)/")
_REFUSED = re.compile(r"[^\w.\- :/]")
_HIDDEN = "mlflow."
_LINEAGE = re.compile(
    r"dvc\.\w+\.(deps|outs)|dvc\.exp\.baseline|layerline\.project|layerline\.\w+\.status"
    r"|layerline\.(run|restored)\.\w+|layerline\.why\.(evaluate|register)|layerline\.sha256\.(?!network$).+"
    r"|layerline\.registration\.(?!(version|promoted|reason)$).+"
    r"|layerline\.(preprocessor|spec|decision|code|files|mlmodel)_sha256"
    r"|layerline\.(verdict_numbers|test_metrics|reigns|looks)"
)


def grouped(name: str) -> str:
    """A metric's name in MLflow.

    >>> grouped("valid_log_loss"), grouped("learning_rate")
    ('valid/log_loss', 'learning_rate')
    >>> grouped("test_rmse.price (€)")  # of several targets; MLflow refuses such letters
    'test/rmse.price ___'
    """
    return _REFUSED.sub("_", _PLAIN.sub(r"\1/", name))


def plain(name: str) -> str:
    """A metric's name everywhere else.

    >>> plain("valid/log_loss"), plain("valid_log_loss"), plain("system/cpu")
    ('valid_log_loss', 'valid_log_loss', 'system/cpu')
    """
    return _GROUPED.sub(r"\1_", name)


def stored_tag(name: str) -> str:
    """A tag's name in MLflow.

    >>> stored_tag("dvc.train.deps"), stored_tag("layerline.why.train")
    ('mlflow.dvc.train.deps', 'layerline.why.train')
    """
    return f"{_HIDDEN}{name}" if _LINEAGE.fullmatch(name) else name


def plain_tag(name: str) -> str:
    """A tag's name everywhere else.

    >>> plain_tag("mlflow.dvc.train.deps"), plain_tag("mlflow.user")
    ('dvc.train.deps', 'mlflow.user')
    """
    known = name.removeprefix(_HIDDEN)
    return known if _LINEAGE.fullmatch(known) else name


def plain_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """All tags by their plain names; where both names are there, the hidden one is the newer.

    >>> plain_tags({"mlflow.layerline.reigns": "new", "layerline.reigns": "old"})
    {'layerline.reigns': 'new'}
    """
    in_order = sorted(tags, key=lambda name: name.startswith(_HIDDEN))
    return {plain_tag(name): tags[name] for name in in_order}


def metric_history(client: "MlflowClient", run_id: str, name: str) -> list[Any]:
    """MLflow's points of a metric, whichever name the run has it under."""
    names = dict.fromkeys([grouped(name), name])
    return [point for one in names for point in client.get_metric_history(run_id, one)]
