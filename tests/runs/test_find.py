import json

import pytest
from labs import md5, sha256

from layerline.runs.digests import wanted
from layerline.runs.open_store import RequestError
from layerline.tracking.dvc_lock import dvc_md5


def hits(lab, layerline, text):
    found = json.loads(layerline(lab, "runs", "--find", text, "--json").stdout)
    return [(hit["role"], hit["name"], hit["path"], tuple(hit["stages"])) for hit in found]


def test_who_made_and_who_used_a_folder(full_lab, layerline):
    assert hits(full_lab, layerline, md5("scaled1")) == [
        ("made", "scale-scale-d1", "data/scaled", ("scale",)),
        ("used", "mlp-one", "data/scaled", ("train",)),
        ("used", "mlp-two", "data/scaled", ("train",)),
    ]


def test_a_users_own_file_has_no_maker(full_lab, layerline):
    assert hits(full_lab, layerline, md5("table2")) == [
        ("used", "mlp-three", "houses.csv", ("fetch",)),
        ("used", "mlp-four", "houses.csv", ("fetch",)),
    ]


@pytest.mark.parametrize("n_signs", [6, 20, 64])
def test_a_network_by_sha256_or_its_beginning(full_lab, layerline, n_signs):
    assert hits(full_lab, layerline, sha256("2")[:n_signs].upper()) == [
        ("made", "mlp-two", "models/network/network.safetensors", ("train",)),
        ("holds", "models:/digits/2", "network", ()),
    ]


def test_data_by_sha256_and_by_the_digest_of_its_data_set(full_lab, layerline):
    whole, short = (hits(full_lab, layerline, sha256("test-d2")[:n]) for n in (64, 32))
    assert whole == short
    assert whole == [
        ("made", "scale-scale-d2", "data/scaled/test_x.npy", ("scale",)),
        ("used", "mlp-three", "data set digits-test (test)", ()),
        ("used", "mlp-three", "data/scaled/test_x.npy", ()),
    ]


def test_a_file_within_a_folder_that_dvc_cached(own_lab, layerline):
    file = own_lab.home / "train_y.npy"
    file.write_bytes(b"labels")
    listing = [{"md5": md5("labels"), "relpath": "train_y.npy"}]
    folder = md5("scaled1") + ".dir"
    cached = own_lab.home / ".dvc" / "cache" / "files" / "md5" / folder[:2] / folder[2:]
    cached.parent.mkdir(parents=True)
    cached.write_text(json.dumps(listing))
    assert hits(own_lab, layerline, "train_y.npy") == [
        ("made", "scale-scale-d1", "data/scaled/train_y.npy", ("scale",)),
        ("used", "mlp-one", "data/scaled/train_y.npy", ("train",)),
        ("used", "mlp-two", "data/scaled/train_y.npy", ("train",)),
    ]
    elsewhere = own_lab.home / "shared"
    (own_lab.home / ".dvc" / "cache").rename(elsewhere)
    assert hits(own_lab, layerline, "train_y.npy") == []
    (own_lab.home / ".dvc" / "config").write_text("[cache]\n    dir = ../shared\n")
    assert len(hits(own_lab, layerline, "train_y.npy")) == 3


def test_folders_that_cannot_be_looked_into_are_reported(full_lab, layerline):
    result = layerline(full_lab, "runs", "--find", md5("nowhere"))
    assert "no run in this store made or used it" in result.stdout
    assert "folders that stages wrote could not be looked into" in result.stderr


def test_a_folder_is_known_by_dvcs_own_hash(own_lab, layerline, monkeypatch):
    folder = own_lab.home / "houses"
    folder.mkdir()
    (folder / "a.csv").write_text("1")
    digest = dvc_md5(folder)
    with own_lab.journal("folder") as journal:
        journal.tags({"layerline.stage": "train", "dvc.fetch.deps": f"houses={digest}"})
    assert hits(own_lab, layerline, "houses") == [("used", "mlp-folder", "houses", ("fetch",))]


def test_data_sets_of_other_tools(own_lab, layerline):
    from mlflow.entities import Dataset, DatasetInput

    client = own_lab.client
    run = client.create_run(client.get_experiment_by_name("digits").experiment_id, run_name="nb")
    data = Dataset(name="frame", digest="abcdef12", source_type="local", source="x")
    client.log_inputs(run.info.run_id, [DatasetInput(data, [])])
    assert hits(own_lab, layerline, "abcdef") == [("used", "nb", "data set frame", ())]


def test_a_beginning_that_fits_several_is_reported(own_lab, layerline):
    with own_lab.journal("several") as journal:
        hashes = "\n".join(f"{name}=abcdef{number:026}" for number, name in enumerate("xyz"))
        journal.tags({"layerline.stage": "train", "dvc.fetch.deps": hashes})
    result = layerline(own_lab, "runs", "--find", "abcdef")
    assert len(result.stdout.splitlines()) == 5
    assert "3 different hashes begin like this: give more of it" in result.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("abc", "3 characters match too many files; give at least 6 of the hash"),
        ("houses.csv", "there is no such file, and it is not a hexadecimal md5 or sha256"),
        ("a" * 65, "not a hexadecimal md5 or sha256"),
    ],
)
def test_what_is_neither_file_nor_hash(tmp_path, monkeypatch, text, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError, match=said):
        wanted(text)
