"""CV+: regions around the answers of each fold's networks, as the papers have them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import layerline
from layerline.config import parse_params
from layerline.errors import ParamsError
from layerline.estimators.frame_training import train_table
from layerline.evaluation.conformal import Conformal, interval_scores, set_scores
from layerline.evaluation.conformal_folds import MOST_ROWS, FoldScores, fit_folds
from layerline.evaluation.decision import Decision
from layerline.model.exporting.export import described
from layerline.networks.ensemble import Ensemble
from layerline.projects.combinations import combination_problems
from layerline.scaling.preprocessing.target_transforms import NO_CURVE
from layerline.serving.compiled_model import agree
from layerline.serving.request_handler import COMPILED, RequestHandler

MEMBERS = [{"drawn": {"fold": k}, "weight": 0.25} for k in (0, 1, 2, 0)]


def answers(n_new: int, width: int, n_rows: int = 60) -> tuple[Any, ...]:
    """Answers out of fold, the folds of their rows, and each fold's answers for new rows."""
    random = np.random.default_rng(0)
    folds = np.arange(n_rows) % 3
    by_fold = [random.normal(size=(n_new, width)) for _ in range(3)]
    return random.normal(size=(n_rows, width)), folds, by_fold, random


@pytest.mark.parametrize("width", [1, 3], ids=["numbers", "quantiles"])
def test_intervals_are_those_of_the_definition(width: int) -> None:
    held, folds, by_fold, random = answers(7, width)
    held, by_fold = np.sort(held, axis=1), [np.sort(own, axis=1) for own in by_fold]
    scores = interval_scores(held, random.normal(size=60))
    fitted = Conformal(0.9, 1.0).folded(scores, folds, MEMBERS)
    found = fitted.intervals(np.zeros((7, 1)), NO_CURVE, by_fold=by_fold)
    for row in range(7):
        low = np.sort([by_fold[k][row, 0] - r for k, r in zip(folds, scores, strict=True)])
        high = np.sort([by_fold[k][row, -1] + r for k, r in zip(folds, scores, strict=True)])
        # 61 * 0.1 = 6.1 and 61 * 0.9 = 54.9: the sixth from below, the 55th.
        assert found[row] == pytest.approx(sorted([low[5], high[54]]))
    assert fitted.folds is not None
    assert fitted.folds.members == ((0, 3), (1,), (2,))
    assert [len(own) for own in fitted.folds.scores] == [6, 6, 6]  # others cannot matter
    assert Conformal.from_json(fitted.to_json()) == fitted


def test_sets_are_those_of_the_definition() -> None:
    _, folds, by_fold, random = answers(9, 4)
    chances = [np.exp(own) / np.exp(own).sum(1, keepdims=True) for own in by_fold]
    shares = random.dirichlet([0.6] * 4, 60)
    actual = np.array([random.choice(4, p=own) for own in shares])
    scores = set_scores(shares, actual)
    fitted = Conformal(0.8, 0.5).folded(scores, folds, MEMBERS)
    found = Decision(conformal=fitted).classify(np.zeros((9, 4)), by_fold=by_fold).regions
    for row in range(9):
        for label in range(4):
            smaller = sum(
                score < 1 - chances[fold][row, label]
                for score, fold in zip(scores, folds, strict=True)
            )
            assert found[row, label] == (smaller < 0.8 * 61 or label == 0)
    assert not found.all()
    assert found.any(axis=0).all()


def test_without_answers_of_folds_the_margin_is_one_for_all() -> None:
    fitted = Conformal(0.9, 2.0, folds=FoldScores(((0,), (1,)), ((1.0,), (1.0,)), 1))
    assert fitted.intervals(np.zeros((1, 1)), NO_CURVE).tolist() == [[-2.0, 2.0]]


def test_coverage_where_networks_differ_is_that_asked_for() -> None:
    """Least squares with nearly as many columns as rows, where errors of fitted rows are small."""
    random, covered, n = np.random.default_rng(0), [], 48
    folds = np.arange(n) % 4
    for _ in range(60):
        truth = random.normal(size=20)
        x, new = random.normal(size=(n, 20)), random.normal(size=(50, 20))
        y, wanted = x @ truth + random.normal(size=n), new @ truth + random.normal(size=50)
        fits = [np.linalg.lstsq(x[folds != k], y[folds != k])[0] for k in range(4)]
        held = np.array([row @ fits[k] for row, k in zip(x, folds, strict=True)])
        scores = interval_scores(held[:, None], y)
        fitted = Conformal(0.9, 0.0).folded(scores, folds, [*MEMBERS[:3], MEMBERS[0]])
        assert fitted.folds is not None
        low, high = fitted.folds.intervals([(new @ fit)[:, None] for fit in fits]).T
        covered.append(np.mean((low <= wanted) & (wanted <= high)))
    assert 0.88 < np.mean(covered) < 0.96


def test_what_cannot_be_fitted_is_refused() -> None:
    many = MOST_ROWS + 1
    with pytest.raises(ParamsError, match=r"conformal\.method: cv_plus keeps .* 20,001; set"):
        fit_folds(np.zeros(many), np.zeros(many, np.int64), MEMBERS, 9)
    alone = [{**one, "weight": 0.0} for one in MEMBERS[1:]]
    with pytest.raises(ParamsError, match="two folds, the others diverged"):
        fit_folds(np.zeros(9), np.zeros(9, np.int64), [MEMBERS[0], *alone], 9)


def problems_of(**sections: Any) -> str:
    fetch = {"source": "files", **sections.pop("fetch", {})}
    params, problems = parse_params({"project": "p", "fetch": fetch, **sections})
    return " ".join(map(str, problems if params is None else combination_problems(params)))


def test_what_does_not_go_with_it_is_refused_before_any_work() -> None:
    asked = {"conformal": {"method": "cv_plus"}}
    assert problems_of(evaluate=asked, train={"folds": 3}) == ""
    told = problems_of(evaluate=asked, fetch={"weights": "w"})
    assert "evaluate.conformal.method: cv_plus needs networks of folds; set train.folds" in told
    assert "cv_plus knows no row weights" in told
    told = problems_of(evaluate={"conformal": {"method": "cv_plus", "by": "city"}})
    assert "cv_plus has no margins by group" in told


def flowers(n: int = 160) -> pd.DataFrame:
    random = np.random.default_rng(0)
    size, soil = random.normal(5, 2, n), random.choice(["clay", "sand"], n)
    height = 3 * size + 5 * (soil == "sand") + random.normal(0, 2, n)
    kind = np.where(height > 20, "tall", np.where(height > 14, "middle", "low"))
    return pd.DataFrame({"size": size, "soil": soil, "height": height, "kind": kind})


@pytest.fixture(scope="module", params=["height", "kind"])
def fitted(request: pytest.FixtureRequest) -> layerline.FittedModel:
    """Four networks on two folds, of numbers and of classes."""
    table = flowers().drop(columns={"height", "kind"} - {request.param})
    train = {"folds": 2, "epochs": 4, "members": {"count": 4}, "options": {"hidden": [8]}}
    conformal = {"level": 0.8, "method": "cv_plus"}
    return train_table(table, request.param, {"train": train, "evaluate": {"conformal": conformal}})


def test_a_model_has_regions_of_its_folds(fitted: layerline.FittedModel) -> None:
    model, rows = fitted.model, flowers(60)
    conformal = model.decision.conformal
    assert conformal is not None
    assert conformal.folds is not None
    assert conformal.folds.members == ((0, 2), (1, 3))
    assert isinstance(model.network, Ensemble)
    found = model.predict(rows, any_value=True)
    x = model.inputs(model._read(rows, None, True))
    by_fold = [model._run(x, model.network.part(places)) for places in ((0, 2), (1, 3))]
    if model.about.classes is None:
        on_curve = [model._on_curve(own) for own in by_fold]
        expected = model.preprocessor.target_curve.restore(conformal.folds.intervals(on_curve))
        assert found[["interval_low", "interval_high"]].to_numpy() == pytest.approx(expected)
        one_margin = found["prediction"] - conformal.score
        assert not np.allclose(found["interval_low"], one_margin)
    else:
        sets = conformal.folds.sets([model.decision.probabilities(own) for own in by_fold])
        given = found.filter(like="in_set_").to_numpy()
        chosen = found["prediction"].to_numpy()[:, None] == np.array(model.about.classes)
        assert (given == (sets | chosen)).all()
    assert fitted.metrics["test"]["conformal_coverage"] > 0.5
    assert "folds" not in described(model)["conformal"]


def test_a_server_answers_with_them(fitted: layerline.FittedModel) -> None:
    handler = RequestHandler(fitted.model)
    assert handler.way == COMPILED
    rows = flowers(9)[["size", "soil"]]
    expected = fitted.model.predict(rows, any_value=True)
    assert agree(handler.predict_rows(rows.to_dict("records")), expected)
    double = fitted.model.in_float64().predict(rows, any_value=True)
    assert double.filter(like="interval").to_numpy() == pytest.approx(
        expected.filter(like="interval").to_numpy(), rel=1e-4
    )
