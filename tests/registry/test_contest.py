import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from layerline.artifacts import read_json, replace_folder, write_json
from layerline.config import Component, GateSection
from layerline.errors import LayerlineError, SourceError, TrackingError
from layerline.registry.administration import promote_version, rollback_champion
from layerline.registry.client import open_registry
from layerline.registry.gate import judge
from layerline.registry.promotion import CHALLENGER, PREVIOUS, champion_of, promote, rollback
from layerline.registry.registration import FILES_TAG, files_of
from layerline.registry.version_files import files_sha256
from layerline.tables.storage import read_table, write_table
from layerline.tracking.mlflow_names import plain_tags, stored_tag


@pytest.fixture
def aliases(store):
    def read(project):
        with open_registry(store.home, "testing") as client:
            found = client.get_registered_model(project).aliases
        return {alias: int(version) for alias, version in found.items()}

    return read


def test_from_the_first_champion_to_the_rollback(store, fresh, tmp_path, aliases):
    checkout = fresh()
    checkout.train(epochs=3)
    first = store.register(checkout, "story", tmp_path / "w")
    assert (first["version"], first["promoted"], first["champion_version"]) == (1, True, 1)
    assert first["reason"] == "there was no champion"

    again = store.register(checkout, "story", tmp_path / "w")
    assert (again["version"], again["promoted"], again["champion_version"]) == (1, False, 1)
    assert again["reason"].startswith("unchanged")
    with open_registry(store.home, "testing") as client:
        tags = client.get_model_version("story", "1").tags
    assert tags["layerline.verdict"] == "promoted"  # how it became champion is not forgotten
    assert again["run_id"] == first["run_id"]
    assert aliases("story") == {"champion": 1}

    checkout.train(epochs=40, seed=1)
    better = store.register(checkout, "story", tmp_path / "w")
    assert (better["version"], better["promoted"], better["previous_version"]) == (2, True, 1)
    assert better["gain_lower"] > 0
    assert better["champion_value"] > better["challenger_value"]
    assert aliases("story") == {"champion": 2}

    checkout.train(epochs=2, seed=2)
    worse = store.register(checkout, "story", tmp_path / "w")
    assert (worse["version"], worse["promoted"], worse["champion_version"]) == (3, False, 2)
    assert aliases("story") == {"champion": 2, CHALLENGER: 3}

    with open_registry(store.home, "testing") as client:
        tags = client.get_model_version("story", "3").tags
        assert tags["layerline.verdict"] == "kept"
        assert tags["layerline.verdict_reason"] == worse["reason"]
        assert client.get_model_version("story", "2").tags[PREVIOUS] == "1"
        assert promote(client, "story", "champion", "3") == "2"
        assert promote(client, "story", "champion", "3") == "3"
        assert aliases("story") == {"champion": 3}
        assert rollback(client, "story", "champion") == "2"
        assert rollback(client, "story", "champion") == "1"
        with pytest.raises(TrackingError, match="version 1 is the first champion"):
            rollback(client, "story", "champion")
        promote(client, "story", "champion", "2")
        client.delete_model_version("story", "1")
        with pytest.raises(TrackingError, match="version 1, the champion before 2, was deleted"):
            rollback(client, "story", "champion")
    assert aliases("story") == {"champion": 2}


def test_a_champion_that_another_machine_made_meanwhile_is_compared_with(
    store, fresh, tmp_path, aliases, monkeypatch
):
    checkout = fresh()
    checkout.train(epochs=2)
    store.register(checkout, "machines", tmp_path / "w")
    checkout.train(epochs=40, seed=1)
    with open_registry(store.home, "testing") as client:
        client.delete_registered_model_alias("machines", "champion")

        def judge_slowly(*arguments, **options):
            """The other machine, whose lock is another one, promotes while this one judges."""
            verdict = judge(*arguments, **options)
            if not aliases("machines"):
                promote(client, "machines", "champion", "1")
            return verdict

        monkeypatch.setattr("layerline.registry.contest.judge", judge_slowly)
        second = store.register(checkout, "machines", tmp_path / "w")
    assert (second["promoted"], second["previous_version"]) == (True, 1)
    assert second["gain_lower"] > 0
    assert aliases("machines") == {"champion": 2}


def test_without_a_champion_there_is_nothing_to_roll_back(store):
    with open_registry(store.home, "testing") as client:
        assert champion_of(client, "nobody", "champion") is None
        with pytest.raises(TrackingError, match="no version holds the alias 'champion'"):
            rollback(client, "nobody", "champion")


def test_images_are_registered_and_compared(store, fresh, tmp_path, aliases):
    checkout = fresh("images")
    checkout.train(epochs=1)
    store.register(checkout, "pictures", tmp_path / "w")
    checkout.train(epochs=15)
    facts = store.register(checkout, "pictures", tmp_path / "w")
    assert facts["gain_mean"] > 0
    assert aliases("pictures")["champion"] == facts["champion_version"]


def change(checkout, edit):
    """New data under the same project: other columns, or other classes."""
    about = read_json(checkout.workspace.validated / "manifest.json")
    frame = read_table(checkout.workspace.validated)
    frame = edit(about, frame)
    del about["files"]
    with replace_folder(checkout.workspace.validated, about) as folder:
        write_table(folder / "table.parquet", frame)


def test_a_champion_that_lacks_a_column_stays(store, fresh, tmp_path, aliases):
    from layerline.config import ScaleSection
    from layerline.scaling.scale import scale

    def drop_size(about, frame):
        about["columns"] = [c for c in about["columns"] if c["name"] != "size"]
        return frame.drop(columns="size")

    checkout = fresh()
    checkout.train()
    store.register(checkout, "narrow", tmp_path / "w")
    change(checkout, drop_size)
    scale(checkout.workspace, ScaleSection(), seed=0)
    checkout.train()
    facts = store.register(checkout, "narrow", tmp_path / "w")
    assert not facts["promoted"]
    assert "cannot predict today's rows" in facts["reason"]
    assert "column 'size' is not in the data" in facts["reason"]
    assert "layerline promote" in facts["reason"]
    assert aliases("narrow") == {"champion": 1, "challenger": 2}


def test_a_champion_of_another_target_stays(store, made, tmp_path):
    store.register(made("numbers"), "turned", tmp_path / "w")
    facts = store.register(made("classes"), "turned", tmp_path / "w")
    assert not facts["promoted"]
    assert "it knows none of the target's current classes" in facts["reason"]
    promote_version(store.home, "turned", "champion", "2")
    again = store.register(made("numbers"), "turned", tmp_path / "w")
    assert again["version"] == 1
    assert "it predicts classes, the target is now a number" in again["reason"]
    assert rollback_champion(store.home, "turned", "champion").after == "1"
    with pytest.raises(TrackingError, match="unknown version 7; registered: 1, 2"):
        promote_version(store.home, "turned", "champion", "7")


def test_a_champion_of_another_kind_stays(store, made, tmp_path):
    reasons = {
        "images": "it reads images of shape (6, 5), the data have",
        "classes": "column 'size' is not in the data",
    }
    for champion, challenger in (("images", "classes"), ("classes", "images")):
        store.register(made(champion), f"was-{champion}", tmp_path / "w")
        facts = store.register(made(challenger), f"was-{champion}", tmp_path / "w")
        assert not facts["promoted"]
        assert reasons[champion] in facts["reason"]


def test_a_class_that_the_champion_does_not_know_counts_against_it(store, fresh, tmp_path):
    from layerline.config import ScaleSection
    from layerline.scaling.scale import scale

    def without_tulips(about, frame):
        about["classes"] = ["daisy", "rose"]
        return frame[frame["kind"] != "tulip"]

    checkout = fresh()
    whole = read_table(checkout.workspace.validated)
    change(checkout, without_tulips)
    scale(checkout.workspace, ScaleSection(), seed=0)
    checkout.train()
    store.register(checkout, "grown", tmp_path / "w")

    def with_tulips(about, frame):
        about["classes"] = ["daisy", "rose", "tulip"]
        return whole

    change(checkout, with_tulips)
    scale(checkout.workspace, ScaleSection(), seed=0)
    checkout.train()
    facts = store.register(checkout, "grown", tmp_path / "w")
    assert facts["promoted"]
    assert facts["champion_value"] > 100  # no probability at all for a class that is there
    assert facts["reason"].startswith("better on")


def test_a_damaged_champion_is_reported_and_a_damaged_challenger_is_refused(
    store, fresh, tmp_path, aliases
):
    def damage(place):
        weights = next(place.rglob("network.safetensors"))
        data = weights.read_bytes()
        weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))

    checkout = fresh()
    checkout.train(epochs=2)
    store.register(checkout, "damaged-2", tmp_path / "w")
    models = store.home / "mlartifacts" / "damaged-2" / "models"
    damage(models)
    with pytest.raises(SourceError, match="was changed after it was registered"):
        store.register(checkout, "damaged-2", tmp_path / "w")
    assert aliases("damaged-2") == {"champion": 1}
    checkout.train(epochs=3)
    facts = store.register(checkout, "damaged-2", tmp_path / "w")
    assert not facts["promoted"]
    assert "was changed after it was registered" in facts["reason"]
    assert aliases("damaged-2") == {"champion": 1, "challenger": 2}


def test_a_version_that_predicts_other_values_than_the_pipeline_is_not_promoted(
    store, fresh, tmp_path
):
    checkout = fresh()
    checkout.train(epochs=2)
    scaled = checkout.workspace.scaled
    about = read_json(scaled / "manifest.json")
    arrays = {path.name: np.load(path) for path in scaled.glob("*.npy")}
    arrays["test_x.npy"][3] += 1
    del about["files"]
    with replace_folder(scaled, about) as folder:
        for name, array in arrays.items():
            np.save(folder / name, array)
    checkout.record()
    with pytest.raises(LayerlineError, match=r"for row 4, recorded is .*nothing was promoted"):
        store.register(checkout, "otherwise", tmp_path / "w")
    with open_registry(store.home, "testing") as client:
        assert champion_of(client, "otherwise", "champion") is None


def gated(checkout, **gate):
    section = dataclasses.replace(checkout.params.register, gate=GateSection(**gate))
    checkout.params = dataclasses.replace(checkout.params, register=section)


def test_rows_that_the_champion_was_trained_on_are_left_out(store, fresh, tmp_path):
    from layerline.config import ScaleSection
    from layerline.scaling.scale import scale

    checkout = fresh()
    checkout.train(epochs=3)
    store.register(checkout, "moved", tmp_path / "w")
    known = np.load(checkout.workspace.scaled / "test_id.npy")
    random = Component(name="random", options={"test": 0.3})
    scale(checkout.workspace, ScaleSection(split=random), seed=5)
    checkout.train(epochs=30)
    test = np.load(checkout.workspace.scaled / "test_id.npy")
    facts = store.register(checkout, "moved", tmp_path / "w")
    n_fresh = int(np.isin(test, known).sum())
    assert (facts["n_test_rows"], facts["n_left_out"]) == (n_fresh, len(test) - n_fresh)
    assert 0 < n_fresh < len(test)
    with open_registry(store.home, "testing") as client:
        tags = plain_tags(client.get_model_version("moved", "2").tags)
    numbers = json.loads(tags["layerline.verdict_numbers"])
    assert numbers["n_left_out"] == facts["n_left_out"]
    assert numbers["checks"] == list(facts["checks"])


def test_a_champion_without_a_record_of_its_rows_is_compared_by_all(store, fresh, tmp_path):
    checkout = fresh()
    checkout.train(epochs=1)
    store.register(checkout, "older", tmp_path / "w")
    bundle = next((store.home / "mlartifacts" / "older").rglob("seen_rows.safetensors"))
    bundle.unlink()
    manifest = bundle.with_name("MANIFEST.json")
    files = read_json(manifest)["files"]
    del files["seen_rows.safetensors"]
    write_json(manifest, {"files": files})
    with open_registry(store.home, "testing") as client:
        whole = files_sha256(Path(files_of(client, "older", "1")))
        client.set_model_version_tag("older", "1", stored_tag(FILES_TAG), whole)
    checkout.train(epochs=30)
    facts = store.register(checkout, "older", tmp_path / "w")
    assert facts["promoted"]
    assert facts["n_left_out"] is None


def test_floors_slices_and_budgets_are_those_of_the_params(store, fresh, tmp_path, aliases):
    checkout = fresh()
    checkout.train(epochs=2)
    gated(checkout, floors={"accuracy": 1.0}, max_latency_ms=1000.0, max_size_mb=5.0)
    facts = store.register(checkout, "strict", tmp_path / "w")
    assert not facts["promoted"]
    assert facts["champion_version"] is None
    assert "must be at least 1.0" in facts["reason"]
    assert aliases("strict") == {"challenger": 1}
    found = {check["rule"]: check for check in facts["checks"]}
    assert 0 < found["latency"]["value"] < 1000
    assert 0.001 < found["size"]["value"] < 1
    gated(checkout)
    assert store.register(checkout, "strict", tmp_path / "w")["promoted"]
    checkout.train(epochs=30)
    gated(checkout, slices=("soil", "kind"), min_slice_rows=5)
    facts = store.register(checkout, "strict", tmp_path / "w")
    assert facts["promoted"]
    names = [part["name"] for part in facts["slices"]]
    assert set(names[-3:]) == {"kind = daisy", "kind = rose", "kind = tulip"}
    assert "soil = (missing)" in names
    assert sum(p["n_rows"] for p in facts["slices"]) == 2 * facts["n_test_rows"]
