"""Contract of every optimizer: it learns, decays what it should, and goes on where it stopped."""

import copy
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from layerline.config import AdaptersSection
from layerline.errors import ParamsError
from layerline.networks import build_network
from layerline.training.optimizers import OPTIMIZERS, bare_step
from layerline.training.optimizers.muon import orthogonalise
from layerline.training.optimizers.parameter_groups import groups
from layerline.training.transfer.adapters import add_adapters

DECAYING = [name for name in OPTIMIZERS if name != "lbfgs"]


def mlp(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build_network("mlp", {"hidden": [16, 8], "dropout": 0.0}, input_shape=(4,), d_out=3)


def rows() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(32, 4, generator=generator), torch.arange(32) % 3


def closure(network: nn.Module, optimizer: Optimizer) -> Callable[[], Tensor]:
    x, y = rows()

    def run() -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(network(x), y)
        loss.backward()
        return loss

    return run


def take_steps(network: nn.Module, optimizer: Optimizer, n_steps: int, name: str) -> float:
    """Take steps the way the loop does; return the last loss."""
    evaluate, step = closure(network, optimizer), bare_step(optimizer)
    for _ in range(n_steps):
        if OPTIMIZERS[name].full_batch:
            step(evaluate)
        else:
            evaluate()
            step()
    return float(evaluate().detach())


def flat(network: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_overfits_32_rows(name: str) -> None:
    network = mlp()
    optimizer = OPTIMIZERS[name].build(network, learning_rate=1.0 if name == "lbfgs" else 0.02)
    assert take_steps(network, optimizer, 15 if OPTIMIZERS[name].full_batch else 400, name) < 0.05


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_restored_state_goes_on_with_the_same_bits(name: str) -> None:
    network = mlp()
    optimizer = OPTIMIZERS[name].build(network)
    take_steps(network, optimizer, 3, name)
    weights, state = copy.deepcopy((network.state_dict(), optimizer.state_dict()))
    take_steps(network, optimizer, 3, name)
    again = mlp(seed=1)
    again.load_state_dict(weights)
    other = OPTIMIZERS[name].build(again)
    other.load_state_dict(state)
    take_steps(again, other, 3, name)
    assert torch.equal(flat(again), flat(network))


@pytest.mark.parametrize("name", DECAYING)
def test_the_rate_of_every_group_is_obeyed(name: str) -> None:
    network = mlp()
    optimizer = OPTIMIZERS[name].build(network)
    before = flat(network)
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    take_steps(network, optimizer, 2, name)
    assert torch.equal(flat(network), before)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_frozen_parameters_stay(name: str) -> None:
    network = mlp()
    head = network.get_submodule("head").requires_grad_(False)
    before = flat(head).clone()
    optimizer = OPTIMIZERS[name].build(network, learning_rate=0.1)
    take_steps(network, optimizer, 2, name)
    assert torch.equal(flat(head), before)


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "muon"])
def test_the_bare_step_gives_torchs_own_bits(name: str) -> None:
    networks = mlp(), mlp()
    bare, wrapped = (OPTIMIZERS[name].build(network) for network in networks)
    take_steps(networks[0], bare, 3, name)
    evaluate = closure(networks[1], wrapped)
    for _ in range(3):
        if OPTIMIZERS[name].full_batch:
            wrapped.step(evaluate)
        else:
            evaluate()
            wrapped.step()
    assert torch.equal(flat(networks[0]), flat(networks[1]))


@pytest.mark.parametrize("name", DECAYING)
def test_only_weights_of_matrices_decay(name: str) -> None:
    network = mlp()
    optimizer = OPTIMIZERS[name].build(network, learning_rate=0.01, weight_decay=1.0)
    decays = {
        id(parameter): group["weight_decay"]
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert {id(parameter) for parameter in network.parameters()} == decays.keys()
    for parameter in network.parameters():
        assert decays[id(parameter)] == (1.0 if parameter.ndim == 2 else 0.0)


class Mixed(nn.Module):
    """One parameter of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.levels = nn.Embedding(5, 3)
        self.kernel = nn.Conv2d(1, 2, 3)
        self.norm = nn.LayerNorm((2, 4, 4))
        self.frequencies = nn.Parameter(torch.ones(4, 2))
        self.stack_weight = nn.Parameter(torch.ones(2, 4, 3))
        self.stack_bias = nn.Parameter(torch.ones(2, 4))


def test_embeddings_norms_and_what_is_no_weight_do_not_decay() -> None:
    network = Mixed()
    decayed, spared = groups(network, 0.1)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert {names[id(p)] for p in decayed["params"]} == {"kernel.weight", "stack_weight"}
    assert len(spared["params"]) == len(names) - 2


def test_muon_makes_singular_values_equal() -> None:
    gradient = torch.randn(3, 20, 50, generator=torch.Generator().manual_seed(0))
    for shape in (gradient, gradient.mT):
        values = torch.linalg.svdvals(orthogonalise(shape))
        assert 0.6 < float(values.min()) <= float(values.max()) < 1.3
    left, _, right = torch.linalg.svd(gradient, full_matrices=False)
    cosine = nn.functional.cosine_similarity(
        orthogonalise(gradient).flatten(), (left @ right).flatten(), dim=0
    )
    assert float(cosine) > 0.97


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")
def test_muon_steps_as_torchs_does() -> None:
    network, theirs = mlp(), mlp()
    start = flat(network)
    ours = OPTIMIZERS["muon"].build(network, learning_rate=0.01, weight_decay=0.1)
    hidden = [m.weight for m in theirs.get_submodule("blocks") if isinstance(m, nn.Linear)]
    muon = torch.optim.Muon(hidden, lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    rest = groups(theirs, 0.1, without=hidden)
    adamw = torch.optim.AdamW(rest, lr=0.01, fused=True)
    for _ in range(2):
        closure(network, ours)()
        bare_step(ours)()
        closure(theirs, muon)()
        muon.step()
        adamw.step()
        adamw.zero_grad()
    moved, difference = flat(network) - start, flat(network) - flat(theirs)
    assert float(difference.norm() / moved.norm()) < 0.05  # theirs multiplies in bfloat16


def test_muon_says_where_it_has_nothing_to_turn() -> None:
    with pytest.raises(ParamsError, match=r"train\.optimizer: muon turns matrices .* use adamw"):
        OPTIMIZERS["muon"].build(build_network("mlp", {"hidden": []}, input_shape=(4,), d_out=3))


FIRST_STEP = """
import sys, torch
from layerline.networks import build_network
from layerline.training.optimizers import OPTIMIZERS, bare_step, start_without_compiler
start_without_compiler()
for name, line in OPTIMIZERS.items():
    network = build_network("mlp", {}, input_shape=(4,), d_out=3)
    optimizer = line.build(network)
    def closure():
        optimizer.zero_grad(set_to_none=True)
        loss = network(torch.randn(8, 4)).square().mean()
        loss.backward()
        return loss
    closure()
    bare_step(optimizer)(*[closure] * line.full_batch)
    optimizer.load_state_dict(optimizer.state_dict())
    if "torch._dynamo" in sys.modules:
        sys.exit(f"{name} imports the compiler")
"""


def test_no_first_step_imports_the_compiler() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_STEP], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "options"),
    [("sgd", {"momentum": 0.0}), ("rmsprop", {"momentum": 0.9}), ("adam", {"epsilon": 1e-4})],
)
def test_options_reach_torch(name: str, options: dict[str, Any]) -> None:
    ((key, value),) = options.items()
    group = OPTIMIZERS[name].build(mlp(), **options).param_groups[0]
    assert group["eps" if key == "epsilon" else key] == value


SHAPES = {"mlp": (4,), "seven_layer": (4,), "conv1x1_mlp": (1, 8, 8), "cnn": (1, 8, 8)}
SHAPES |= {"rnn": (1, 8, 8)}


@pytest.mark.parametrize("network", SHAPES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_lowers_the_loss_of_every_network_or_says_why(name, network) -> None:
    torch.manual_seed(0)
    built = build_network(network, {}, input_shape=SHAPES[network], d_out=3)
    x, y = torch.randn(24, *SHAPES[network]), torch.arange(24) % 3
    if name == "muon" and network in ("cnn", "rnn", "conv1x1_mlp"):
        with pytest.raises(ParamsError, match="muon turns matrices of hidden linear layers"):
            OPTIMIZERS[name].build(built)
        return
    optimizer = OPTIMIZERS[name].build(
        built, learning_rate=0.1 if OPTIMIZERS[name].full_batch else 1e-4
    )
    step, losses = bare_step(optimizer), []
    built.eval()  # no dropout, whose loss differs each time

    def evaluate() -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(built(x), y)
        loss.backward()
        losses.append(float(loss.detach()))
        return loss

    for _ in range(3):
        if OPTIMIZERS[name].full_batch:
            step(evaluate)
        else:
            evaluate()
            step()
    assert losses[-1] < losses[0]


def test_muon_leaves_layers_with_adapters_to_adamw() -> None:
    network = mlp()
    add_adapters(network, AdaptersSection(rank=2, on=("blocks.0",)))
    optimizer = OPTIMIZERS["muon"].build(network)
    turned = {id(p) for p in optimizer.parts[0].param_groups[0]["params"]}
    learning = {id(p): name for name, p in network.named_parameters() if p.requires_grad}
    assert [learning[one] for one in turned] == ["blocks.3.weight"]
