"""A name in params.yaml becomes checked files: paths, torchvision's cache, MLflow, DVC."""

import shutil
import subprocess
import sys
import urllib.request

import numpy as np
import pandas as pd
import pytest
import torch

from layerline.artifacts import (
    Workspace,
    read_json,
    read_manifest,
    replace_folder,
    sha256_of,
    write_json,
)
from layerline.errors import ParamsError, SourceError
from layerline.networks import build_network
from layerline.networks.serialization import NetworkSpec, save_network
from layerline.origins import SourceContext, find_source
from layerline.origins.known_rows import find_holdout
from layerline.tracking.flush import flush, run_id_of
from layerline.tracking.journal import Journal
from layerline.training.transfer.source_weights import read_source

SPEC = NetworkSpec("mlp", {"hidden": [4]}, (3,), 2, "binary", ("no", "yes"))


@pytest.fixture
def context(tmp_path):
    return SourceContext(Workspace(tmp_path), "p")


def write_models(folder, seed=0):
    """models/ as the stages leave it."""
    torch.manual_seed(seed)
    for name in ("network", "preprocessor"):
        (folder / name).mkdir(parents=True)
    save_network(folder / "network", SPEC.build(), SPEC)
    state = {"target": "t", "task": "binary", "classes": ["no", "yes"], "target_center": 0.0}
    state |= {"target_scale": 1.0, "numbers": None, "categories": [], "image": None}
    write_json(folder / "preprocessor" / "preprocessor.json", {**state, "image_shape": None})
    for name in ("network", "preprocessor"):
        files = {f.name: {"sha256": sha256_of(f)} for f in (folder / name).iterdir()}
        write_json(folder / name / "manifest.json", {"files": files})


@pytest.mark.parametrize("name", ["models/network", "models", "."])
def test_a_folder_is_found_with_its_preprocessor(tmp_path, context, name):
    write_models(tmp_path / "models")
    files = find_source(context, name)
    source = read_source(files)
    assert source.spec == SPEC
    assert source.preprocessor.classes == ("no", "yes")
    assert source.identity == {"from": name, "sha256": sha256_of(files.weights)}


def test_a_tampered_folder_is_refused(tmp_path, context):
    write_models(tmp_path / "models")
    file = tmp_path / "models" / "network" / "network.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(SourceError, match="the file was changed or damaged"):
        find_source(context, "models")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "'nowhere' is missing; name a folder models/network, a weights file"),
        ("notes.txt", "'notes.txt' is not a weights file"),
        ("empty", "has no network.safetensors"),
    ],
)
def test_what_is_no_source_is_refused(tmp_path, context, name, message):
    (tmp_path / "notes.txt").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=message):
        find_source(context, name)


@pytest.fixture
def torch_home(tmp_path, monkeypatch):
    """A filled cache of torch's, with a seeded network under the right name."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    network = build_network("torchvision:resnet18", {}, input_shape=(3, 32, 32), d_out=1000)
    torch.save(network.state_dict(), folder / "resnet18-f37072fd.pth")
    return folder


def test_torchvision_weights_come_from_the_filled_cache(context, torch_home):
    files = find_source(context, "torchvision:resnet18/IMAGENET1K_V1")
    assert files.weights == torch_home / "resnet18-f37072fd.pth"
    assert files.identity["weights"] == "ResNet18_Weights.IMAGENET1K_V1"
    sha256 = sha256_of(files.weights)
    assert "conv1.weight" in read_source(files, sha256).weights
    # The published file begins with f37072fd, and this one is not it.
    with pytest.raises(SourceError, match="its name has f37072fd…"):
        read_source(files)
    assert find_source(context, "torchvision:resnet18").weights == files.weights


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet81/X", "no classification network 'resnet81'; near names: resnet1"),
        ("resnet18/V9", "resnet18 has no weights 'V9'; it has: IMAGENET1K_V1"),
    ],
)
def test_torchvision_names_are_checked(context, name, message):
    with pytest.raises(ParamsError, match=message):
        find_source(context, f"torchvision:{name}")


def test_weights_that_cannot_be_fetched_are_reported_with_a_folder(context, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    # urllib keeps the proxies of its first call: neither its own nor ours may outlive this test.
    monkeypatch.setattr(urllib.request, "_opener", None)
    with pytest.raises(
        SourceError, match=r"cannot be downloaded .* put the file there, or set TORCH_HOME"
    ):
        find_source(context, "torchvision:resnet18/IMAGENET1K_V1")


def test_an_earlier_revision_comes_out_of_dvcs_cache(tmp_path, context):
    def run(*command):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    dvc = [sys.executable, "-m", "dvc"]
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t"]
    run(*git, "init", "-q")
    run(*dvc, "init", "-q")
    run(*dvc, "config", "core.analytics", "false")
    write_models(tmp_path / "models")
    for part in ("validated", "scaled"):
        with replace_folder(tmp_path / "data" / part, {"kind": "table"}) as folder:
            (folder / "rows").write_text(part)
    outs = "models/network, models/preprocessor, data/validated, data/scaled"
    (tmp_path / "dvc.yaml").write_text(f"stages: {{train: {{cmd: python -V, outs: [{outs}]}}}}\n")
    run(*dvc, "commit", "-f", "-q")
    run(*git, "add", "-A")
    run(*git, "commit", "-qm", "first")
    first = sha256_of(tmp_path / "models" / "network" / "network.safetensors")
    shutil.rmtree(tmp_path / "models")
    write_models(tmp_path / "models", seed=1)
    run(*dvc, "commit", "-f", "-q")
    run(*git, "add", "-A")
    run(*git, "commit", "-qm", "second")

    files = find_source(context, "dvc:HEAD~1")
    assert read_source(files).identity["sha256"] == first
    assert read_source(files).preprocessor is not None
    assert len(files.identity["revision"]) == 40
    again = find_source(context, "dvc:HEAD~1")
    assert again.weights == files.weights
    with pytest.raises(SourceError, match=r"dvc:nothing: .*name a revision"):
        find_source(context, "dvc:nothing")
    held = find_holdout(context.workspace, "dvc:HEAD~1")
    assert read_manifest(held / "validated")["kind"] == "table"
    assert (held / "scaled" / "rows").read_text() == "scaled"
    assert held == find_holdout(context.workspace, "dvc:HEAD~1")


def test_names_of_models_are_checked(context):
    with pytest.raises(SourceError, match="write models:/NAME@ALIAS or models:/NAME/VERSION"):
        find_source(context, "models:/p")


def test_a_missing_champion_and_run_are_reported(context):
    with pytest.raises(SourceError, match="models:/p@champion: not in the registry"):
        find_source(context, "champion")
    with pytest.raises(SourceError, match="p has no run 'abc'"):
        find_source(context, "run:abc")


def registered(context):
    """A version of `p`, made by a run that a journal told of; the run's id."""
    from layerline.columns.spec import ColumnSpec
    from layerline.model.bundle import BundleContents, write_bundle
    from layerline.registry.client import open_registry
    from layerline.registry.registration import log_version
    from layerline.scaling.preprocessing.preprocessor import Preprocessor

    root = context.workspace.root
    write_models(root / "models")
    with Journal.create(
        context.workspace.journals, key="k" * 32, stage="train", experiment="p", run_name="mlp-k"
    ) as journal:
        journal.params({"train.epochs": 1})
    flush(root)
    affine = {"center": [0.0] * 3, "scale": [1.0] * 3, "clip": False}
    numbers = {"names": list("abc"), "fill": [0.0] * 3, "affine": affine, "indicators": []}
    state = read_json(root / "models" / "preprocessor" / "preprocessor.json")
    preprocessor = Preprocessor.from_json({**state, "numbers": numbers})
    rows = pd.DataFrame(np.zeros((5, 3)), columns=list("abc"))
    contents = BundleContents(
        project="p",
        network_folder=root / "models" / "network",
        preprocessor=preprocessor,
        columns=[ColumnSpec(name=name, kind="number", dtype="float64") for name in "abc"],
    )
    about = write_bundle(root / "bundle", contents)
    run_id = run_id_of(root, "k" * 32)
    with open_registry(root, "testing") as client:
        log_version(client, run_id=run_id, bundle=root / "bundle", about=about, examples=rows)
        client.set_registered_model_alias("p", "champion", "1")
    return run_id


@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")  # MLflow's own
def test_a_registered_model_is_found_by_alias_version_and_run(tmp_path, context, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run_id = registered(context)
    sha256 = sha256_of(tmp_path / "bundle" / "network.safetensors")
    names = ("champion", "models:/p@champion", "models:/p/1", f"run:{run_id[:9]}", "run:mlp-k")
    for name in names:
        source = read_source(find_source(context, name))
        assert source.identity == {
            "from": name,
            "model": "p",
            "version": "1",
            "run": run_id,
            "sha256": sha256,
        }
        assert source.preprocessor.input_columns == list("abc")
    # What was fetched is checked each time, and fetched anew where it is damaged.
    (fetched,) = (tmp_path / ".layerline" / "sources").glob("p-1-*/**/network.safetensors")
    fetched.write_bytes(fetched.read_bytes()[:-1] + b"\1")
    assert read_source(find_source(context, "champion")).identity["sha256"] == sha256
    with pytest.raises(SourceError, match="models:/p/7: not in the registry"):
        find_source(context, "models:/p/7")
    # Other files that agree with their own manifest are not this version.
    shutil.rmtree(tmp_path / ".layerline" / "sources")
    (stored,) = (tmp_path / "mlartifacts").glob("**/artifacts/bundle")
    torch.manual_seed(1)
    save_network(stored, SPEC.build(), SPEC)
    manifest = read_json(stored / "MANIFEST.json")
    manifest["files"]["network.safetensors"]["sha256"] = sha256_of(stored / "network.safetensors")
    write_json(stored / "MANIFEST.json", manifest)
    with pytest.raises(
        SourceError, match=r"models:/p/1: network\.safetensors .* replaced by others"
    ):
        find_source(context, "champion")


def test_rows_for_the_forgetting_check_are_found(tmp_path, context):
    from layerline.config import ForgettingSection, TransferSection
    from layerline.origins import find_start

    write_models(tmp_path / "models")
    with replace_folder(tmp_path / "old" / "validated", {}) as folder:
        (folder / "table.parquet").write_bytes(b"")
    for name in ("old", "old/validated", "old/validated/table.parquet"):
        section = TransferSection(source="models", forgetting=ForgettingSection(data=name))
        assert find_start(context, section).holdout == tmp_path / name
    assert find_start(context, TransferSection(source="models")).holdout is None
    for name, message in (("gone", "is missing"), ("models", "holds no rows written by validate")):
        section = TransferSection(source="models", forgetting=ForgettingSection(data=name))
        with pytest.raises(SourceError, match=f"forgetting.data: '{name}' {message}"):
            find_start(context, section)
