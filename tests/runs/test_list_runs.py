import json

import pytest

from layerline.runs.run import duration


def listed(lab, layerline, *arguments):
    return json.loads(layerline(lab, "runs", "--json", *arguments).stdout)


def test_trainings_newest_first_with_what_they_changed(full_lab, layerline):
    rows = listed(full_lab, layerline)
    assert [row["name"] for row in rows] == ["mlp-four", "mlp-three", "mlp-two", "mlp-one"]
    assert [row["before"] for row in rows] == [*(row["run_id"] for row in rows[1:]), None]
    assert [row["changed_params"] for row in rows] == [
        {"train.epochs": ["4", "400"]},
        {"scale.split.test": ["0.2", "0.1"]},
        {"train.options.dropout": ["0.2", "0.4"]},
        {},
    ]
    assert [row["changed_others"] for row in rows] == [[], ["data"], ["code"], []]
    assert [row["status"] for row in rows] == ["KILLED", "FINISHED", "FINISHED", "FINISHED"]
    assert rows[0]["message"] == "interrupted"
    assert rows[1]["status_in_words"] == "FINISHED, evaluate FAILED"
    assert [row["dvc_experiment"] for row in rows] == [None, None, "kind-fox", None]
    assert [row["model"] for row in rows] == [
        None,
        None,
        "v2 not promoted @challenger",
        "v1 promoted @champion",
    ]
    assert rows[2]["metrics"]["test_accuracy"] == 0.97
    assert rows[2]["registration"]["reason"] == "so it is"


def test_piped_it_is_plain_and_whole(full_lab, layerline):
    output = layerline(full_lab, "runs").stdout
    assert "\x1b" not in output
    header, *rows = output.splitlines()
    titles = ["run", "name", "project", "DVC experiment", "started", "took", "status"]
    titles += ["accuracy", "log_loss", "model", "changed"]
    assert header.split("  ")[0] == "run"
    assert [title.strip() for title in header.split("  ") if title] == titles
    assert len(rows) == 4
    two = [cell.strip() for cell in rows[2].split("  ") if cell]
    assert two[0] == full_lab.run("two").short
    assert two[1:4] == ["mlp-two", "digits", "kind-fox"]
    assert two[6:] == ["FINISHED", "0.9700", "0.1000", "v2 not promoted @challenger",
                       "dropout 0.2→0.4, code"]  # fmt: skip


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 150, 220])
def test_a_terminal_of_any_width_shows_all_of_it(full_lab, layerline, width):
    environment = {"FORCE_COLOR": "1", "NO_COLOR": "", "COLUMNS": str(width), "TERM": "xterm"}
    output = layerline(full_lab, "runs", **environment).stdout
    lines = "".join(_without_colours(output)).splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    for key in ("one", "two", "three", "four"):
        assert full_lab.run(key).short in text
    for cell in ("mlp-two", "FINISHED", "evaluate", "0.9700", "@challenger", "4→400"):
        assert cell in text
    assert ("accuracy 0.9700" in text) == (width <= 120)  # stacked; else a column


def _without_colours(text):
    is_code = False
    for sign in text:
        is_code = is_code or sign == "\x1b"
        if not is_code:
            yield sign
        is_code = is_code and sign != "m"


def test_the_last_one_shown_is_still_compared(full_lab, layerline):
    result = layerline(full_lab, "runs", "--limit", "2")
    assert result.stdout.splitlines()[-1].endswith("split.test 0.2→0.1, data")
    assert "these are the 2 newest; for more: --limit 10" in result.stderr
    assert "there are more" not in layerline(full_lab, "runs", "--limit", "4").stderr


def test_journals_that_wait_are_sent_first(own_lab, layerline):
    with own_lab.journal("late", run_name="latecomer") as journal:
        journal.tags({"layerline.stage": "train"})
    assert layerline(own_lab, "runs").stdout.splitlines()[1].split()[1] == "latecomer"


def test_a_param_that_a_later_stage_changed_counts(own_lab, layerline):
    with own_lab.journal("four", stage="evaluate", continues=True) as journal:
        journal.params({"evaluate.bootstrap": "50"})
    newest = listed(own_lab, layerline)[0]
    assert newest["changed_params"]["evaluate.bootstrap"] == ["1000", "50"]


def test_all_projects(own_lab, layerline):
    with own_lab.journal("house", experiment="houses", run_name="mlp-house") as journal:
        journal.tags({"layerline.stage": "train"})
        journal.metrics({"test_rmse": 12_345.678})
    assert len(listed(own_lab, layerline)) == 4
    rows = listed(own_lab, layerline, "--all-projects")
    assert [row["project"] for row in rows] == ["houses", *["digits"] * 4]
    assert rows[0]["before"] is None
    text = layerline(own_lab, "runs", "--all-projects").stdout
    assert "12345.7" in text.splitlines()[1]


def test_runs_of_other_tools_are_not_listed(own_lab, layerline):
    client = own_lab.client
    experiment = client.get_experiment_by_name("digits").experiment_id
    client.create_run(experiment, run_name="notebook")
    assert "notebook" not in layerline(own_lab, "runs").stdout


def test_no_runs_yet(empty_lab, layerline):
    assert "digits has no training runs yet" in layerline(empty_lab, "runs").stdout
    assert listed(empty_lab, layerline) == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 0 s"),
     (3599, "59 min 59 s"), (3600, "1 h 0 min"), (172_799, "47 h 59 min"), (3e5, "3 days")],
)  # fmt: skip
def test_durations(seconds, words):
    assert duration(seconds) == words
