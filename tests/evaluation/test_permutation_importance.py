import numpy as np

from layerline.evaluation.permutation_importance import group_features, permutation_importance
from layerline.evaluation.predictions import Predictions, classify


def test_features_go_to_the_column_with_the_longest_name_they_start_with():
    features = ["size", "size is missing", "size class=big", "size class=small", "count", "odd"]
    groups = group_features(features, ["size", "size class", "count", "note"])
    assert {name: places.tolist() for name, places in groups.items()} == {
        "size": [0, 1],
        "size class": [2, 3],
        "count": [4],
        "odd": [5],
    }


def rows(n_rows=400):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(n_rows, 4)).astype(np.float32)
    return x, (x[:, 0] + 0.3 * x[:, 1] > 0).astype(int)


GROUPS = group_features(["a", "b", "c=1", "c=2"], ["a", "b", "c"])


def classified(x, y):
    def predicted(x, at):
        score = 4 * (x[:, 0] + 0.3 * x[:, 1])
        return classify(np.stack([-score, score], axis=1), y[at])

    return predicted


def test_the_column_that_decides_comes_first_and_one_without_use_is_worth_nothing():
    x, y = rows()
    figure, found = permutation_importance(x, GROUPS, classified(x, y), n_rows=300, seed=1)
    assert figure == "log_loss"
    assert [item.column for item in found] == ["a", "b", "c"]
    assert found[0].increase > found[1].increase > 0
    assert (found[2].increase, found[2].spread) == (0.0, 0.0)


def test_columns_of_one_group_are_shuffled_together():
    x = np.tile(np.eye(2, dtype=np.float32), (50, 1))
    groups = {"pair": np.array([0, 1])}

    def predicted(x, at):
        assert (x.sum(axis=1) == 1).all()  # torn apart, a row would have two levels or none
        return Predictions(np.eye(2)[at % 2][:, 0], x[:, 0].astype(float))

    figure, (pair,) = permutation_importance(x, groups, predicted, n_rows=100, seed=0)
    assert figure == "rmse"
    assert pair.increase > 0.4


def test_the_same_seed_gives_the_same_and_few_rows_do():
    x, y = rows(20)
    once, again = (
        permutation_importance(x, GROUPS, classified(x, y), n_rows=1000, seed=4) for _ in range(2)
    )
    assert once == again
