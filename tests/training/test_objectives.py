"""Every loss agrees with its formula, and losses fit their tasks and targets."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, mean_pinball_loss, mean_poisson_deviance
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor

from layerline.config import Component
from layerline.errors import ParamsError
from layerline.training.objectives import (
    LOSSES,
    Link,
    MeanOfRows,
    TargetFacts,
    build_link,
    build_loss,
    describe_targets,
    n_outputs,
)

OUTPUTS = np.array([[0.3, -1.0, 2.0], [1.5, 0.0, -0.5]])
NUMBERS, TARGETS = np.array([[0.2], [3.0]]), np.array([0.5, -1.0])
LABELS = torch.tensor([0, 0, 0, 1, 2, 2])
CLASS_FACTS = describe_targets(LABELS, n_classes=3)


def named(name: str, **options: Any) -> Component:
    return Component(name=name, options=options)


def number_loss(name: str, **options: float) -> float:
    loss = build_loss(named(name, **options), "regression")
    return float(loss(torch.tensor(NUMBERS), torch.tensor(TARGETS)))


def logits(n_rows: int, n_classes: int, seed: int = 0) -> Tensor:
    return torch.randn(n_rows, n_classes, generator=torch.Generator().manual_seed(seed))


def test_cross_entropy_is_minus_the_log_of_the_true_probability() -> None:
    loss = build_loss(named("auto"), "multiclass")
    shares = np.exp(OUTPUTS) / np.exp(OUTPUTS).sum(1, keepdims=True)
    expected = -np.log(shares[[0, 1], [2, 0]]).mean()
    assert float(loss(torch.tensor(OUTPUTS), torch.tensor([2, 0]))) == pytest.approx(expected)


def test_label_smoothing_moves_mass_to_all_classes() -> None:
    loss = build_loss(named("cross_entropy", label_smoothing=0.3), "binary")
    logs = np.log(np.exp(OUTPUTS) / np.exp(OUTPUTS).sum(1, keepdims=True))
    expected = -(0.7 * logs[[0, 1], [2, 0]] + 0.1 * logs.sum(1)).mean()
    assert float(loss(torch.tensor(OUTPUTS), torch.tensor([2, 0]))) == pytest.approx(expected)


def test_balanced_weights_are_scikit_learns() -> None:
    weights = compute_class_weight("balanced", classes=np.arange(3), y=LABELS.numpy())
    outputs = logits(6, 3)
    balanced = build_loss(
        named("cross_entropy", class_weights="balanced"), "multiclass", CLASS_FACTS
    )
    listed = build_loss(
        named("cross_entropy", class_weights=weights.tolist()), "multiclass", CLASS_FACTS
    )
    rows = F.cross_entropy(outputs, LABELS, reduction="none").numpy()
    expected = np.average(rows, weights=weights[LABELS.numpy()])
    assert float(balanced(outputs, LABELS)) == pytest.approx(expected, rel=1e-6)
    assert float(listed(outputs, LABELS)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cross_entropy", {}),
        ("cross_entropy", {"label_smoothing": 0.2, "class_weights": [1.0, 2, 3]}),
        ("focal", {}),
        ("focal", {"gamma": 0.5, "class_weights": "balanced"}),
        ("brier", {}),
        ("ordinal", {}),
    ],
)
def test_indices_and_shares_of_one_class_are_the_same_target(
    name: str, options: dict[str, Any]
) -> None:
    loss = build_loss(named(name, **options), "multiclass", CLASS_FACTS)
    outputs, shares = logits(6, 3), F.one_hot(LABELS, 3).float()
    assert float(loss(outputs, shares)) == pytest.approx(float(loss(outputs, LABELS)), rel=1e-6)


@pytest.mark.parametrize("class_weights", [None, "balanced"])
@pytest.mark.parametrize("targets", [LABELS, logits(6, 3, seed=1).softmax(1)])
def test_focal_without_gamma_is_cross_entropy(class_weights: str | None, targets: Tensor) -> None:
    values = [
        float(build_loss(component, "multiclass", CLASS_FACTS)(logits(6, 3), targets))
        for component in (
            named("cross_entropy", class_weights=class_weights),
            named("focal", gamma=0.0, class_weights=class_weights),
        )
    ]
    assert values[1] == pytest.approx(values[0], rel=1e-6)


def test_focal_weighs_each_row_by_what_is_missing() -> None:
    outputs = logits(6, 3)
    true = outputs.softmax(1)[torch.arange(6), LABELS]
    expected = -((1 - true) ** 2 * true.log()).mean()
    loss = build_loss(named("focal"), "multiclass")
    assert float(loss(outputs, LABELS)) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_has_finite_slopes_where_a_class_has_won(gamma: float) -> None:
    outputs = torch.tensor([[200.0, -200.0], [0.0, 0.0]], requires_grad=True)
    loss = build_loss(named("focal", gamma=gamma), "binary")
    loss(outputs, torch.tensor([0, 1])).backward()
    assert outputs.grad is not None
    assert torch.isfinite(outputs.grad).all()


def test_brier_is_the_squared_error_of_the_probabilities() -> None:
    outputs, targets = logits(50, 2), torch.arange(50) % 2
    positive = outputs.softmax(1)[:, 1].numpy()
    expected = 2 * brier_score_loss(targets.numpy(), positive)  # scikit-learn has one class's
    assert float(build_loss(named("brier"), "binary")(outputs, targets)) == pytest.approx(expected)


def test_ordinal_is_the_mean_cross_entropy_of_at_most_each_class() -> None:
    outputs, targets = logits(60, 4), torch.arange(60) % 4
    loss = build_loss(named("ordinal"), "multiclass")
    at_most = outputs.double().softmax(1).cumsum(1)
    expected = [
        F.binary_cross_entropy(at_most[:, k], (targets <= k).double()).item() for k in range(3)
    ]
    assert float(loss(outputs, targets)) == pytest.approx(np.mean(expected), rel=1e-5)
    sure = torch.tensor([[9.0, 0, 0, 0], [0, 9.0, 0, 0], [0, 0, 0, 9.0]])
    near_to_far = [float(loss(one[None], torch.tensor([0]))) for one in sure]
    assert near_to_far == sorted(near_to_far)
    two, both = logits(50, 2), torch.arange(50) % 2
    expected_of_two = float(F.cross_entropy(two, both))
    assert float(build_loss(named("ordinal"), "binary")(two, both)) == pytest.approx(
        expected_of_two
    )
    extreme = torch.tensor([[200.0, -200.0, 0.0]], requires_grad=True)
    build_loss(named("ordinal"), "multiclass")(extreme, torch.tensor([1])).backward()
    assert extreme.grad is not None
    assert torch.isfinite(extreme.grad).all()


def test_binary_cross_entropy_is_the_cross_entropy_of_both_outputs() -> None:
    outputs, targets = logits(50, 2), torch.arange(50) % 2
    loss = build_loss(named("binary_cross_entropy"), "binary")
    expected = float(F.cross_entropy(outputs, targets))
    assert float(loss(outputs, targets)) == pytest.approx(expected, rel=1e-6)
    shares = F.one_hot(targets, 2).float()
    assert float(loss(outputs, shares)) == pytest.approx(expected, rel=1e-6)


def test_balanced_pos_weight_is_the_ratio_of_the_classes() -> None:
    targets = torch.tensor([0] * 9 + [1] * 3)
    outputs = logits(12, 2)
    loss = build_loss(
        named("binary_cross_entropy", pos_weight="balanced"),
        "binary",
        describe_targets(targets, n_classes=2),
    )
    rows = F.cross_entropy(outputs, targets, reduction="none")
    expected = (rows * torch.where(targets == 1, 3.0, 1.0)).mean()
    assert float(loss(outputs, targets)) == pytest.approx(float(expected), rel=1e-6)


def test_number_losses_agree_with_numpy() -> None:
    gaps = np.abs(NUMBERS[:, 0] - TARGETS)
    assert number_loss("auto") == pytest.approx(np.square(gaps).mean())
    assert number_loss("mae") == pytest.approx(gaps.mean())
    expected = np.where(gaps <= 2, gaps**2 / 2, 2 * (gaps - 1)).mean()
    assert number_loss("huber", delta=2.0) == pytest.approx(expected)


def test_quantile_is_scikit_learns_pinball_loss() -> None:
    levels = (0.1, 0.5, 0.8)
    outputs, targets = logits(40, 3), logits(40, 1)[:, 0]
    loss = build_loss(named("quantile", levels=levels), "regression")
    expected = np.mean(
        [
            mean_pinball_loss(targets.numpy(), outputs[:, index].numpy(), alpha=level)
            for index, level in enumerate(levels)
        ]
    )
    assert float(loss(outputs, targets)) == pytest.approx(expected, rel=1e-6)


def test_quantile_finds_the_quantiles_of_noise() -> None:
    component = named("quantile", levels=[0.05, 0.5, 0.95])
    loss, link = build_loss(component, "regression"), build_link(component, "regression")
    targets = torch.randn(4000, generator=torch.Generator().manual_seed(0))
    output = torch.zeros(1, 3, requires_grad=True)
    for _ in range(400):
        (slope,) = torch.autograd.grad(loss(output, targets), output)
        output = (output - 0.5 * slope).detach().requires_grad_()
    expected = targets.quantile(torch.tensor([0.05, 0.5, 0.95]))
    assert torch.allclose(output.detach()[0], expected, atol=0.03)
    assert float(link(output.detach())) == pytest.approx(float(expected[1]), abs=0.03)


@pytest.mark.parametrize("standardised", [True, False])
def test_poisson_ranks_predictions_as_the_deviance_does(standardised: bool) -> None:
    counts = np.array([0.0, 1, 2, 7, 0, 3], dtype=np.float32)
    center, scale = (counts.mean(), counts.std()) if standardised else (0.0, 1.0)
    y = torch.tensor((counts - center) / scale)
    facts = describe_targets(y, n_classes=None, center=float(center), scale=float(scale))
    loss, link = (
        build(named("poisson"), "regression", facts) for build in (build_loss, build_link)
    )
    gaps = []
    for seed in range(3):
        outputs = logits(6, 1, seed)
        predicted = link(outputs)[:, 0].numpy() * scale + center
        unit = center if standardised else 1.0
        half_deviance = mean_poisson_deviance(counts, predicted) / 2
        gaps.append(float(loss(outputs, y)) * unit - half_deviance)
    assert gaps == pytest.approx([gaps[0]] * 3, abs=1e-5)  # the rest depends on the counts alone


def test_poisson_starts_at_the_mean_count() -> None:
    facts = TargetFacts(center=800.0, scale=30.0, smallest=700.0)
    link = build_link(named("poisson"), "regression", facts)
    assert float(link(torch.zeros(1, 1))) * 30 + 800 == pytest.approx(800)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_finite_and_its_gradient_reaches_the_outputs(name: str) -> None:
    task = min(LOSSES[name].tasks - {"multi_regression"})
    component = named(name)
    if task == "regression":
        y, facts = torch.rand(16) * 5, TargetFacts(smallest=0.0)
    elif task == "multilabel":
        y, facts = (torch.arange(32) % 2).float().view(16, 2), TargetFacts()
    else:
        y = torch.arange(16) % 2
        facts = describe_targets(y, n_classes=2)
    n_classes = None if task == "regression" else 2
    outputs = logits(16, n_outputs(component, task, n_classes)).requires_grad_()
    value = build_loss(component, task, facts)(outputs, y)
    value.backward()
    assert value.ndim == 0
    assert torch.isfinite(value)
    assert outputs.grad is not None
    assert (outputs.grad != 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_refuses_the_other_task(name: str) -> None:
    task = "multiclass" if "multiclass" not in LOSSES[name].tasks else "regression"
    for ask in (
        lambda: build_loss(named(name), task),
        lambda: n_outputs(named(name), task, 3),
        lambda: build_link(named(name), task),
    ):
        with pytest.raises(ParamsError, match=f"'{name}' does not fit a {task} task; use `auto`"):
            ask()


def test_outputs_are_counted() -> None:
    assert n_outputs(named("auto"), "multiclass", 7) == 7
    assert n_outputs(named("binary_cross_entropy"), "binary", 2) == 2
    assert n_outputs(named("auto"), "regression", None) == 1
    assert n_outputs(named("quantile", levels=[0.1, 0.5]), "regression", None) == 2


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_predicted_quantiles_never_cross(outputs: list[float]) -> None:
    link = Link("quantile", levels=(0.05, 0.5, 0.95))
    low, middle, high = link.quantiles(torch.tensor([outputs]))[0].tolist()
    assert low <= middle <= high
    assert float(link(torch.tensor([outputs]))) == middle
    numbers = link.numbers(np.array([outputs], dtype=np.float32), 10.0, 4.0)[0]
    np.testing.assert_allclose(numbers, np.sort(np.float32(outputs)) * 4.0 + 10.0)
    assert numbers[link.middle] == pytest.approx(middle * 4 + 10)


def test_one_quantile_is_the_prediction() -> None:
    link = build_link(named("quantile", levels=[0.9]), "regression")
    assert link.numbers(np.array([[1.0]], dtype=np.float32), 1.0, 2.0)[0, link.middle] == 3.0


@given(st.floats(-100, 100), st.floats(0.01, 1e6))
def test_predicted_counts_are_above_zero(output: float, center: float) -> None:
    facts = TargetFacts(center=center, scale=center / 3, smallest=0.0)
    link = build_link(named("poisson"), "regression", facts)
    outputs = torch.tensor([[output]])
    (count,) = link.numbers(outputs.numpy(), facts.center, facts.scale)[0]
    assert count > 0
    assert count == pytest.approx(center * np.exp(np.float64(np.float32(output))))
    if abs(output) < 10:
        standardised = float(link(outputs))
        assert standardised == pytest.approx((count - center) / facts.scale, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("name", ["mse", "poisson", "quantile"])
def test_a_link_comes_back_from_json(name: str) -> None:
    link = build_link(named(name), "regression", TargetFacts(center=3.0, scale=2.0))
    assert Link.from_json(link.to_json()) == link


@pytest.mark.parametrize(
    ("component", "told"),
    [
        (named("huber", delat=1.0), r"delat: unknown key; did you mean 'delta'"),
        (named("quantile", levels=[0.9, 0.1]), r"levels: levels must rise, got \[0\.9, 0\.1\]"),
        (named("quantile", levels=[0.1, 0.9]), r"levels: 0\.5 must be among several levels"),
        (named("poisson"), r"train\.loss: 'poisson' needs counts, and the smallest target .* -3;"),
    ],
)
def test_what_cannot_be_right_for_numbers_is_reported(component: Component, told: str) -> None:
    with pytest.raises(ParamsError, match=told):
        build_loss(component, "regression", TargetFacts(smallest=-3.0))


@pytest.mark.parametrize(
    ("component", "told"),
    [
        (
            named("focal", class_weights=[1, 2]),
            r"class_weights: one weight for each of the 3 classes is needed, got 2",
        ),
        (
            named("focal", class_weights=[1, 0, 1]),
            r"class_weights: must be null, balanced, or a list of one number above 0 .*\[1, 0, 1\]",
        ),
        (
            named("cross_entropy", class_weights="balance"),
            r"class_weights: must be null, balanced, or a list .*, got 'balance'$",
        ),
    ],
)
def test_wrong_weights_are_reported_in_one_line(component: Component, told: str) -> None:
    with pytest.raises(ParamsError, match=told) as caught:
        build_loss(component, "multiclass", CLASS_FACTS)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("value", [0, -1.0, True, "half", [2]])
def test_a_wrong_pos_weight_is_reported_in_one_line(value: Any) -> None:
    with pytest.raises(ParamsError, match="must be balanced, or a number above 0") as caught:
        build_loss(named("binary_cross_entropy", pos_weight=value), "binary")
    assert len(caught.value.problems) == 1


def test_balancing_without_counts_is_a_defect_of_the_caller() -> None:
    with pytest.raises(ValueError, match="describe_targets"):
        build_loss(named("focal", class_weights="balanced"), "binary")


@pytest.mark.parametrize("reduction", ["mean", "rows"])
@pytest.mark.parametrize("shape", [(300, 10), (20, 10), (300, 100), (1, 3)])
def test_cross_entropy_is_torchs_whatever_the_order_it_is_computed_in(shape, reduction) -> None:
    loss = build_loss(named("cross_entropy", label_smoothing=0.1), "multiclass")
    outputs, targets = 3 * torch.randn(shape), torch.randint(shape[1], shape[:1])
    options = {"label_smoothing": 0.1, "reduction": "none" if reduction == "rows" else "mean"}
    found, gradients = [], []
    for function in (getattr(loss, reduction), partial(F.cross_entropy, **options)):
        leaf = outputs.clone().requires_grad_()
        found.append(function(leaf, targets))
        found[-1].sum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(*found)
    torch.testing.assert_close(*gradients)


SEVERAL = torch.tensor([[0.5, -1.0], [2.0, 0.0], [-1.5, 3.0]])
TRUE = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])


@pytest.mark.parametrize(
    ("name", "function"), [("mse", F.mse_loss), ("mae", F.l1_loss), ("huber", F.huber_loss)]
)
def test_the_loss_of_several_numbers_is_the_mean_over_them(name: str, function: Any) -> None:
    loss = build_loss(named(name), "multi_regression")
    assert float(loss(SEVERAL, TRUE)) == pytest.approx(float(function(SEVERAL, TRUE)))
    each = [float(function(SEVERAL[:, k], TRUE[:, k])) for k in (0, 1)]
    assert float(loss(SEVERAL, TRUE)) == pytest.approx(np.mean(each))
    assert isinstance(loss, MeanOfRows)
    assert loss.rows(SEVERAL, TRUE).shape == (3,)
    assert float(loss.rows(SEVERAL, TRUE).mean()) == pytest.approx(float(loss(SEVERAL, TRUE)))


def test_the_loss_of_several_labels_is_the_mean_of_their_log_losses() -> None:
    loss = build_loss(named("auto"), "multilabel")
    p = SEVERAL.double().sigmoid().numpy()
    logs = np.where(TRUE.numpy() == 1, -np.log(p), -np.log(1 - p))
    assert float(loss(SEVERAL, TRUE)) == pytest.approx(logs.mean())
    assert isinstance(loss, MeanOfRows)
    assert loss.rows(SEVERAL, TRUE).numpy() == pytest.approx(logs.mean(1), rel=1e-6)
    link = build_link(named("auto"), "multilabel")
    assert link(SEVERAL).numpy() == pytest.approx(p, rel=1e-6)
    assert link.numbers(SEVERAL.numpy(), 0.0, 1.0) == pytest.approx(p)
    assert n_outputs(named("auto"), "multilabel", None, 2) == 2
