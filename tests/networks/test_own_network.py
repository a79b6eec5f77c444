"""A network of the user's own: built from the project, and loaded from what lies by its weights."""

import shutil

import pytest
import torch

from layerline.artifacts import NETWORK_CODE, sha256_of
from layerline.errors import ParamsError
from layerline.networks import build_network, foreign_options, network_problems
from layerline.networks.own_network import is_own
from layerline.networks.serialization import NetworkSpec, load_network, save_network

WIDE = """
from torch import nn

class Wide(nn.Module):
    reads_images = False

    def __init__(self, *, input_shape, d_out, width: int = 4):
        super().__init__()
        if width == 13:
            raise RuntimeError("not thirteen")
        first, last = nn.Linear(input_shape[0], width), nn.Linear(width, d_out)
        self.layers = nn.Sequential(first, nn.GELU(), last)

    def forward(self, x):
        return self.layers(x)

class Narrow(Wide):
    def forward(self, x):
        return super().forward(x)[:, 0]

class Other(nn.Module):
    pass

plain = 3
"""
NAME = "mine.networks:Wide"


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "networks.py").write_text(WIDE)
    (tmp_path / "params.yaml").write_text("project: own\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def build(name=NAME, options=None, shape=(3,)):
    return build_network(name, options or {}, input_shape=shape, d_out=2)


def test_an_import_path_names_a_class_of_the_project(project):
    network = build(options={"width": 7})
    assert network.training
    assert network(torch.zeros(5, 3)).shape == (5, 2)
    assert network.layers[0].out_features == 7


def test_names_of_ours_are_no_import_paths():
    assert is_own(NAME)
    assert is_own("a:B")
    assert not any(map(is_own, ("mlp", "torchvision:resnet18", "a.b:", ":B", "a/b:C")))


def test_saved_it_is_loaded_without_the_project(project, tmp_path_factory, monkeypatch):
    network, folder = build().eval(), tmp_path_factory.mktemp("saved")
    spec = NetworkSpec(NAME, {}, (3,), 2, "binary", ("a", "b"))
    save_network(folder, network, spec)
    assert (folder / NETWORK_CODE).read_text() == WIDE
    shutil.rmtree(project / "mine")
    monkeypatch.chdir(folder)
    loaded, again = load_network(folder)
    assert again == spec
    x = torch.randn(4, 3)
    assert torch.equal(loaded(x), network(x))
    assert sorted(path.name for path in folder.iterdir()) == [
        *("network.safetensors", NETWORK_CODE, "spec.json")
    ]


def test_each_saved_network_has_its_own_code(project, tmp_path_factory):
    old, new = (tmp_path_factory.mktemp(name) for name in ("old", "new"))
    spec = NetworkSpec(NAME, {}, (3,), 2, "binary", ("a", "b"))
    save_network(old, build(), spec)
    (project / "mine" / "networks.py").write_text(WIDE.replace("nn.GELU()", "nn.ReLU()"))
    save_network(new, build(), spec)
    assert sha256_of(old / NETWORK_CODE) != sha256_of(new / NETWORK_CODE)
    kinds = [type(load_network(folder)[0].layers[1]).__name__ for folder in (old, new)]
    assert kinds == ["GELU", "ReLU"]


def test_code_that_was_loaded_meanwhile_is_not_taken_for_a_networks_own(project, tmp_path_factory):
    """As with train.transfer: the champion's code is another under the same name."""
    champion, trained = (tmp_path_factory.mktemp(name) for name in ("champion", "trained"))
    spec = NetworkSpec(NAME, {}, (3,), 2, "binary", ("a", "b"))
    save_network(champion, build(), spec)
    changed = WIDE.replace("nn.GELU()", "nn.ReLU()")
    (project / "mine" / "networks.py").write_text(changed)
    network = build()
    load_network(champion)
    save_network(trained, network, spec)
    assert (trained / NETWORK_CODE).read_text() == changed


def test_members_of_an_ensemble_carry_it_too(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    options = {"member": NAME, "members": 2, "mean": "probabilities"}
    network = build_network("ensemble", options, input_shape=(3,), d_out=2)
    save_network(folder, network, NetworkSpec("ensemble", options, (3,), 2, "binary", (0, 1)))
    shutil.rmtree(project / "mine")
    assert load_network(folder)[0](torch.zeros(2, 3)).shape == (2, 2)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mine.absent:Wide", {}, r"there is no file mine/absent\.py in the project"),
        ("mine.networks:Deep", {}, r"mine/networks\.py has no class Deep"),
        ("mine.networks:plain", {}, r"has no torch\.nn\.Module plain"),
        ("mine.networks:Other", {}, r"Other does not take input_shape: write `def __init__"),
        ("mine.networks:Narrow", {}, r"gives outputs of shape \(2,\) for two rows, not \(2, 2\)"),
        (NAME, {"width": "4"}, r"train\.options\.width"),
        (NAME, {"depth": 4}, r"train\.options\.depth"),
        (NAME, {"width": 13}, r"cannot be built or run on two rows: RuntimeError: not thirteen"),
    ],
)
def test_what_is_wrong_with_it_is_one_message(name, options, message, project):
    with pytest.raises(ParamsError, match=message):
        build(name, options)


def test_code_that_raises_is_named_with_what_it_raised(project):
    (project / "mine" / "networks.py").write_text("1 / 0\n")
    with pytest.raises(ParamsError, match=r"mine/networks\.py cannot be run: ZeroDivisionError"):
        build()
    (project / "mine" / "networks.py").write_text("def (\n")
    with pytest.raises(ParamsError, match=r"mine/networks\.py cannot be run: SyntaxError"):
        build()


def test_a_network_of_tables_refuses_images(project):
    with pytest.raises(ParamsError, match="reads tables, and the rows here are images"):
        build(shape=(1, 8, 8))


def test_its_options_are_checked_before_there_is_data(project):
    assert network_problems(NAME, {"width": 4}) == []
    (problem,) = network_problems(NAME, {"wide": 4})
    assert problem.where == "train.options.wide"


def test_options_of_our_networks_are_not_used_and_need_not_be_removed(project):
    options = {"hidden": [8], "dropout": 0.1, "width": 6}
    assert foreign_options(NAME, options) == ["hidden", "dropout"]
    assert network_problems(NAME, options) == []
    assert repr(build(options=options)) == repr(build(options={"width": 6}))
