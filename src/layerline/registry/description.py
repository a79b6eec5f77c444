"""What people read first of a run and of a version: figures, verdict, how to load it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from layerline.artifacts import Workspace, read_json
from layerline.registry.candidate import Candidate
from layerline.registry.lineage_file import LINEAGE, log_lineage
from layerline.text import readable
from layerline.tracking.run_list import TRAINING_PAGES

if TYPE_CHECKING:
    from mlflow import MlflowClient

NOTE = "mlflow.note.content"  # the description of a run
MARK = "*Written by Layerline. It leaves a description of yours as it is.*"
HEADLINES = ("accuracy", "log_loss", "rmse", "mae", "r2")


def describe(
    client: "MlflowClient", workspace: Workspace, candidate: Candidate, facts: Mapping[str, Any]
) -> None:
    """Describe the training's run, the version and, of a new champion, the registered model.

    What somebody has written there stays. A champion that is registered again keeps the verdict
    that made it the champion.
    """
    run = client.get_run(candidate.run_id)
    log_lineage(client, facts)
    page = f"#/experiments/{run.info.experiment_id}/runs/{candidate.run_id}/artifacts"
    details = workspace.reports / "evaluation.json"
    intervals = read_json(details).get("intervals") or {} if details.exists() else {}
    text = _text(facts, candidate.test_metrics or {}, intervals, page)
    if _is_free(run.data.tags.get(NOTE)):
        client.set_tag(candidate.run_id, NOTE, text)
    name, number = facts["project"], str(facts["version"])
    version = client.get_model_version(name, number)
    if facts["version"] != facts["previous_version"] and _is_free(version.description):
        client.update_model_version(name, number, text)
    if facts["promoted"] and _is_free(client.get_registered_model(name).description):
        client.update_registered_model(name, _text_of_model(facts, text.partition("\n")[0]))


def _is_free(description: str | None) -> bool:
    return not description or MARK in description


def _text(
    facts: Mapping[str, Any],
    metrics: Mapping[str, float | None],
    intervals: Mapping[str, Mapping[str, float]],
    page: str,
) -> str:
    uri = facts["model_uri"]
    became = "became" if facts["promoted"] else "did not become"
    # The list of runs shows the beginning, as it is written.
    verdict = "Promoted" if facts["promoted"] else "Not promoted"
    lineage = f"[{LINEAGE}]({page}/{LINEAGE}{TRAINING_PAGES})"
    return f"""\
{verdict}: {_headline(metrics, intervals)} on {facts["n_test_rows"]:,} test rows.

Version {facts["version"]} {became} `{facts["alias"]}`: {facts["reason"]}

The [model card]({page}/model_card.html{TRAINING_PAGES}) has all figures, plots and limits.

{lineage} has what it was made of: every hash, DVC's files, the gate's numbers.

```python
import layerline

model = layerline.load("{uri}")
model.predict(rows)  # a DataFrame, columns as in the data
```

Over HTTP: `layerline serve {uri}`

{MARK}
"""


def _text_of_model(facts: Mapping[str, Any], headline: str) -> str:
    # What later promotions by hand and rollbacks leave true.
    uri = f"models:/{facts['project']}@{facts['alias']}"
    return f"""\
`{uri}` is what predicts and is served. Each version has its figures and its verdict below.

Last promoted by register: version {facts["version"]}. {headline}

{MARK}
"""


def _headline(
    metrics: Mapping[str, float | None], intervals: Mapping[str, Mapping[str, float]]
) -> str:
    """`accuracy 0.98 (0.966 to 0.992), log_loss 0.07`: what is there of the headlines."""
    parts = []
    for name in HEADLINES:
        value, ends = metrics.get(name), intervals.get(name) or {}
        if value is not None:
            known = [readable(ends[end]) for end in ("lower", "upper") if end in ends]
            parts.append(
                f"{name} {readable(value)}" + (f" ({' to '.join(known)})" if known else "")
            )
    return ", ".join(parts)
