import json

import pytest
from checkouts import make_checkout
from labs import lineage, md5, predictions
from servers import TrackingServer, free_port


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--why", "a", "--sweep"), "--why, --find and --sweep exclude each other"),
        (("--lost-host", "a"), "--lost-host goes with --sweep"),
        (("--limit", "0"), "0 is not in the range x>=1"),
        (("--find", "abc"), "give at least 6 of the hash"),
        (("--why", "nobody"), "has no run 'nobody'"),
    ],
)
def test_mistakes_end_with_2(full_lab, layerline, arguments, said):
    result = layerline(full_lab, "runs", *arguments, code=2)
    assert said in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("command", [("runs",), ("runs", "--sweep"), ("compare", "v1", "v2")])
def test_a_store_that_is_away_ends_with_8(full_lab, layerline, command):
    uri = f"http://me:secret@127.0.0.1:{free_port()}"
    result = layerline(full_lab, *command, code=8, MLFLOW_TRACKING_URI=uri)
    assert "does not answer" in result.stderr
    assert "secret" not in result.stderr


def test_a_store_that_is_no_store_ends_with_8(own_lab, layerline):
    (own_lab.home / "mlflow.db").write_bytes(b"this is no database " * 100)
    result = layerline(own_lab, "runs", code=8)
    assert "listing the runs: MLflow's store is unavailable or refused" in result.stderr


def test_journals_that_cannot_be_sent_are_noted(own_lab, layerline):
    with own_lab.journal("bad") as journal:
        journal.link("layerline.run.scale", "a key 'with quotes' that no filter takes")
    result = layerline(own_lab, "runs")
    assert "1 journal could not be sent to MLflow, so the newest runs may be" in result.stderr
    assert len(result.stdout.splitlines()) == 6


def test_a_damaged_journal_is_noted_once(own_lab, layerline):
    with own_lab.journal("bad") as journal:
        pass
    # Nobody can send this one: no copy of its start is whole.
    text = journal.path.read_text().replace('"run_name"', '"name_of_the_run"')
    journal.path.write_text(text)
    result = layerline(own_lab, "runs")
    assert "damaged on disk: the start of this journal is damaged" in result.stderr
    assert len(result.stdout.splitlines()) == 5
    assert layerline(own_lab, "runs").stderr == ""


@pytest.mark.parametrize("command", ["runs", "compare"])
def test_help_has_examples(full_lab, layerline, command):
    output = layerline(full_lab, command, "--help").stdout
    assert f"Examples:\n    layerline {command} " in output


@pytest.mark.slow
def test_on_a_real_server(tmp_path, empty_lab, layerline, monkeypatch):
    with TrackingServer(tmp_path / "server") as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        table = tmp_path / "predictions.parquet"
        for key, skill in (("one", 1.0), ("two", 3.0)):
            predictions(table, range(100), skill)
            empty_lab.tell_training(key, {"train.epochs": key}, lineage(network=key))
            empty_lab.tell_evaluation(key, {"test_accuracy": 0.9}, table)
        rows = json.loads(layerline(empty_lab, "runs", "--json").stdout)
        assert [row["changed_params"] for row in rows] == [{"train.epochs": ["one", "two"]}, {}]
        layerline(empty_lab, "compare", "mlp-one", rows[0]["run_id"][:12])
        shorts = [rows[1]["run_id"][:8], rows[0]["run_id"][:8]]
        folder = f"comparison/{'-'.join(shorts)}"
        for row in rows:
            logged = empty_lab.client.list_artifacts(row["run_id"], folder)
            assert len(logged) == 4
        found = layerline(empty_lab, "runs", "--find", md5("two")).stdout
        assert f"made  {rows[0]['run_id'][:8]} mlp-two" in found
        text = layerline(empty_lab, "runs", "--why", "mlp-two").stdout
        assert "param: train.epochs one→two" in text
        server.kill()
        result = layerline(empty_lab, "runs", code=8)
        assert "does not answer" in result.stderr


@pytest.mark.slow
def test_on_the_real_pipeline(tmp_path):
    checkout = make_checkout(tmp_path / "checkout")
    checkout.edit_params(train__epochs=6)
    checkout.run("dvc", "repro")
    network = checkout.root / "models" / "network" / "network.safetensors"
    first = network.read_bytes()
    checkout.edit_params(train__options__dropout=0.5)
    checkout.run("dvc", "exp", "run", "--name", "kind-fox")

    rows = json.loads(checkout.run("layerline", "runs", "--json"))
    assert rows[0]["dvc_experiment"] == "kind-fox"
    assert rows[0]["changed_params"] == {"train.options.dropout": ["0.2", "0.5"]}
    why = checkout.run("layerline", "runs", "--why", "kind-fox")
    assert "scale     did not run again" in why
    assert "param: train.options.dropout 0.2→0.5" in why
    assert "wrote: models/network changed" in why

    found = json.loads(checkout.run("layerline", "runs", "--find", str(network), "--json"))
    assert {(hit["role"], hit["run_id"]) for hit in found} >= {("made", rows[0]["run_id"])}
    kept = tmp_path / "first.safetensors"
    kept.write_bytes(first)
    found = json.loads(checkout.run("layerline", "runs", "--find", str(kept), "--json"))
    assert {hit["run_id"] for hit in found} == {rows[1]["run_id"]}

    checkout.run("layerline", "compare", "v1", "kind-fox")
    comparison = checkout.root / "reports" / "comparison" / "comparison.json"
    shared = json.loads(comparison.read_text())["shared_test_rows"]
    for number, row in enumerate((rows[1], rows[0])):
        for name in ("accuracy", "log_loss", "f1_macro", "roc_auc", "ece"):
            value = shared["figures"][name][number]["value"]
            assert value == pytest.approx(row["metrics"][f"test_{name}"], rel=1e-9)
