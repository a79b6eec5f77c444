"""What a search leaves: trials.csv, study.json, and a page with plots, in reports/studies/NAME."""

import csv
import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerline.artifacts import replace_folder, write_json, write_text
from layerline.rendering.report_blocks import Block, Heading, Paragraph, Picture, Table
from layerline.rendering.templates import render_html, render_markdown
from layerline.studies.search_plots import draw_plots
from layerline.studies.study_setup import Search
from layerline.studies.trial_slots import EPOCHS_TRAINED, ERROR, SLOT, done_trials, n_abandoned
from layerline.text import plural, readable

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

N_SHOWN = 20
STATES = {"COMPLETE": "done", "PRUNED": "pruned", "FAIL": "failed"}


@dataclasses.dataclass(frozen=True)
class TrialRow:
    """One planned trial and its outcome."""

    number: int
    state: str  # done, pruned or failed
    values: Sequence[float]
    params: Mapping[str, Any]
    facts: Mapping[str, Any]

    @property
    def outcome(self) -> str:
        """The state, and where or why it ended.

        >>> TrialRow(3, "pruned", (), {}, {"pruned_at": 5}).outcome
        'pruned at 5'
        """
        if self.state == "pruned":
            return f"pruned at {self.facts.get('pruned_at', '?')}"
        return f"failed: {self.facts.get(ERROR, '')}" if self.state == "failed" else self.state

    def to_json(self) -> dict[str, Any]:
        facts = {k: v for k, v in self.facts.items() if k in _FACTS}
        return {"trial": self.number, "state": self.state, "params": self.params, **facts}


_FACTS = (
    "network_sha256",
    "kept_epoch",
    "seconds",
    "metrics",
    "pruned_at",
    EPOCHS_TRAINED,
    ERROR,
)


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """The trials of a search, by number, and the best of them.

    `front` are the trials that none is better than in every objective; `best` is the one among
    them whose first objective is best, None before any trial is done. `first` is params.yaml as it
    was, where the search began with it.
    """

    search: Search
    rows: Sequence[TrialRow]
    front: Sequence[TrialRow]
    n_abandoned: int

    @property
    def best(self) -> TrialRow | None:
        return self.front[0] if self.front else None

    @property
    def only_failure(self) -> str | None:
        """What ended the first trial, where all that have ended failed."""
        if not self.rows or any(row.state != "failed" for row in self.rows):
            return None
        return str(self.rows[0].facts.get(ERROR, ""))

    @property
    def first(self) -> TrialRow | None:
        defaults = self.search.space.defaults()
        if defaults is None:
            return None
        values = self.search.space.decode(defaults)
        done = (row for row in self.rows if row.state == "done")
        return next((row for row in done if row.params == values), None)

    def to_json(self) -> dict[str, Any]:
        """The content of study.json."""
        search, best = self.search, self.best
        counts = Counter(row.state for row in self.rows)
        found: dict[str, Any] = {
            "name": search.name,
            "objective": [objective.name for objective in search.objectives],
            "direction": [objective.direction for objective in search.objectives],
            "seeds": search.section.seeds,
            "folds": search.section.folds,
            "planned": search.n_trials,
            **{state: counts[state] for state in STATES.values()},
            "abandoned": self.n_abandoned,
            EPOCHS_TRAINED: sum(row.facts.get(EPOCHS_TRAINED, 0) for row in self.rows),
            "best": None if best is None else self._valued(best),
            "params_yaml": None if self.first is None else self._valued(self.first),
        }
        if len(search.objectives) > 1:
            found["front"] = [self._valued(row) for row in self.front]
        return found

    def _valued(self, row: TrialRow) -> dict[str, Any]:
        value = row.values[0] if len(row.values) == 1 else list(row.values)
        return {"value": value, **row.to_json()}

    def table(self, limit: int = N_SHOWN) -> tuple[list[str], list[list[str]]]:
        """Header, and a row for each of the best trials."""
        names = [objective.name for objective in self.search.objectives]
        paths = list(self.search.space.dimensions)
        header = ["trial", *names, *(path.rpartition(".")[2] for path in paths), "seconds"]
        return header, [self._cells(row, paths) for row in self.ranked()[:limit]]

    def table_of_ended(self) -> tuple[list[str], list[list[str]]]:
        """Header, and a row for each trial without a value, with what ended it; by number."""
        paths = list(self.search.space.dimensions)
        header = ["trial", "outcome", *(path.rpartition(".")[2] for path in paths)]
        ended = [row for row in self.rows if row.state != "done"]
        return header, [[str(row.number), row.outcome, *_shown_params(row, paths)] for row in ended]

    def ranked(self) -> list[TrialRow]:
        """The trials that are done, the best by the first objective first."""
        sign = 1 if self.search.objectives[0].is_lower_better else -1
        done = [row for row in self.rows if row.state == "done"]
        return sorted(done, key=lambda row: (sign * row.values[0], row.number))

    def _cells(self, row: TrialRow, paths: Sequence[str]) -> list[str]:
        values = [readable(value) for value in row.values]
        seconds = f"{row.facts.get('seconds', 0):.1f}"
        return [str(row.number), *values, *_shown_params(row, paths), seconds]


def _shown_params(row: TrialRow, paths: Sequence[str]) -> list[str]:
    return [_shown(row.params.get(path, "–")) for path in paths]


def _shown(value: Any) -> str:
    return readable(value) if isinstance(value, float) else str(value)


def read_result(search: Search, study: "Study") -> SearchResult:
    """The trials that are done so far."""
    done = done_trials(study)
    rows = {trial.number: _row(search, trial) for trial in done}
    front = [rows[trial.number] for trial in study.best_trials if trial.number in rows]
    sign = 1 if search.objectives[0].is_lower_better else -1
    front.sort(key=lambda row: (sign * row.values[0], row.number))
    return SearchResult(search, list(rows.values()), front, n_abandoned(study, search.n_trials))


def _row(search: Search, trial: "FrozenTrial") -> TrialRow:
    values = tuple(trial.values or ()) if trial.state.name == "COMPLETE" else ()
    return TrialRow(
        trial.user_attrs[SLOT],
        STATES[trial.state.name],
        values,
        search.space.decode(trial.params),
        trial.user_attrs,
    )


def write_result(folder: Path, result: SearchResult, study: "Study") -> None:
    """Write trials.csv, study.json, study.md, study.html and plots/ into `folder`, all or none."""
    with replace_folder(folder, {}) as temporary:
        _write_trials(temporary / "trials.csv", result)
        write_json(temporary / "study.json", result.to_json())
        (temporary / "plots").mkdir()
        pictures = draw_plots(study, result.search.objectives, temporary / "plots")
        title = f"{result.search.bench.params.project}: study {result.search.name}"
        blocks = _blocks(title, result, pictures)
        write_text(temporary / "study.md", render_markdown(blocks))
        write_text(temporary / "study.html", render_html(title, blocks))


def _write_trials(path: Path, result: SearchResult) -> None:
    names = [objective.name for objective in result.search.objectives]
    paths = list(result.search.space.dimensions)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        costs, ends = ("seconds", EPOCHS_TRAINED), ("network_sha256", ERROR)
        writer.writerow(["trial", "state", *names, *costs, *paths, *ends])
        for row in result.rows:
            values = [repr(value) for value in row.values] or [""] * len(names)
            params = [row.params.get(path, "") for path in paths]
            first, final = ([row.facts.get(name, "") for name in each] for each in (costs, ends))
            writer.writerow([row.number, row.state, *values, *first, *params, *final])


def _blocks(title: str, result: SearchResult, pictures: Sequence[tuple[Path, str]]) -> list[Block]:
    header, rows = result.table()
    best = result.best
    blocks: list[Block] = [
        Heading(title, 1),
        Paragraph(summary(result)),
        Heading("The best trials"),
        Table(header, rows, marked=() if best is None else (0,)),
        Paragraph(
            "Values are those of the validation rows, which chose among the trials: the best of "
            "many is a little too good. The test rows have not been looked at."
        ),
    ]
    blocks += _ended_blocks(result)
    for path, caption in pictures:
        blocks += [Heading(caption), Picture(path, f"plots/{path.name}", caption)]
    return blocks


def _ended_blocks(result: SearchResult) -> list[Block]:
    header, rows = result.table_of_ended()
    if not rows:
        return []
    blocks: list[Block] = [Heading("Pruned and failed trials"), Table(header, rows[:N_SHOWN])]
    if len(rows) > N_SHOWN:
        blocks.append(Paragraph(f"trials.csv has {len(rows) - N_SHOWN:,} more."))
    return blocks


def summary(result: SearchResult) -> str:
    """One sentence: how many trials, the best one, and params.yaml as it was."""
    counts = Counter(row.state for row in result.rows)
    parts = [f"{plural(len(result.rows), 'trial')} of {result.search.n_trials:,}"]
    parts += [f"{counts[state]} {state}" for state in ("pruned", "failed") if counts[state]]
    text = ", ".join(parts)
    best, first = result.best, result.first
    if best is None:
        return f"{text}; none has a value yet."
    names = [objective.name for objective in result.search.objectives]
    shown = ", ".join(f"{n} {readable(v)}" for n, v in zip(names, best.values, strict=True))
    text += f"; the best, trial {best.number}, has {shown}"
    if first is not None and first.number != best.number:
        values = ", ".join(readable(value) for value in first.values)
        text += f"; params.yaml as it is has {values}"
    return f"{text}."
