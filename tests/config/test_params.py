"""params.yaml: everything wrong with it is told at once, each with its dotted path."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerline.config import Params, flatten, load_params, parse_params, read_yaml
from layerline.errors import ParamsError
from layerline.projects.preflight import load_checked

SMALLEST = {"project": "digits", "fetch": {"source": "sklearn"}}
ROOT = Path(__file__).resolve().parents[2]


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    return path


def test_every_problem_is_reported_at_once_with_its_path(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        project: digits
        sed: 1
        threads: 1
        validate: {}
        evaluate: {}
        fetch: {source: sklaern, options: {dataset: digits}}
        scale: {split: {method: hash, tset: 0.2}, numeric: standart}
        train:
          network: mpl
          epochs: "10"
          optimizer: {name: adamw, learning_rate: -1.0}
          schedule: {name: cosine, warmup: 2}
        """,
    )
    with pytest.raises(ParamsError) as caught:
        load_checked(path)
    text = str(caught.value)
    for line in (
        "sed: unknown key; did you mean 'seed'?",
        "fetch.source: 'sklaern' is not known; did you mean 'sklearn'?",
        "scale.split.tset: unknown key; did you mean 'test'?",
        "scale.numeric: 'standart' is not known; did you mean 'standard'?",
        "train.network: 'mpl' is not known; did you mean 'mlp'?",
        "train.epochs: input should be a valid integer, got '10'",
        "train.optimizer.learning_rate: input should be greater than 0, got -1.0",
        "train.schedule.warmup: input should be less than 1, got 2",
    ):
        assert f"params.yaml: {line}" in text
    assert [p.where for p in caught.value.problems if "is missing" in p.message] == [
        "seed",
        "register",
    ]
    assert len(caught.value.problems) == 10
    assert caught.value.exit_code == 2


def test_options_of_a_network_are_checked_by_its_signature(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "project: a\nfetch: {source: sklearn, options: {dataset: iris}}\n"
        "seed: 0\nthreads: 1\nvalidate: {}\nscale: {}\nevaluate: {}\nregister: {}\n"
        "train: {network: mlp, options: {hidden: [64, 0], activation: rleu, d_out: 3}}\n",
    )
    with pytest.raises(ParamsError) as caught:
        load_checked(path)
    told = [problem.where for problem in caught.value.problems]
    assert told == ["train.options.hidden.1", "train.options.activation", "train.options.d_out"]


def test_every_entry_of_a_list_of_components_is_checked(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "project: a\nfetch: {source: sklearn, options: {dataset: iris}}\n"
        "seed: 0\nthreads: auto\nvalidate: {}\nscale: {}\nevaluate: {}\nregister: {}\n"
        "train: {augment: [{name: shift, pixls: 2}, flop, flip]}\n",
    )
    with pytest.raises(ParamsError) as caught:
        load_checked(path)
    told = [problem.where for problem in caught.value.problems]
    assert told == ["train.augment.0.pixls", "train.augment.1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("project: [a", "not valid YAML"),
        ("project: a\nproject: b\nfetch: {source: x}", "duplicate key"),
        ("- a\n- b", "must be a mapping"),
        ("", "must be a mapping"),
        ("project: a", "fetch: field required"),
        ("project: '../evil'\nfetch: {source: x}", "project: string should match"),
        ("project: a\nfetch: {source: x}\nseed: true", "seed: input should be a valid integer"),
        ("project: a\nfetch: {source: x}\nvalidate: {max_bad_fraction: .nan}", "finite"),
    ],
)
def test_a_file_that_is_no_params_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        load_params(write(tmp_path, text))


def test_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="run in a project's folder"):
        load_params(tmp_path / "params.yaml")


def test_numbers_are_read_as_yaml_1_2(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "project: no\nfetch: {source: x}\ntrain: {optimizer: {name: adam, learning_rate: 3e-4}}\n",
    )
    params = load_params(path)
    assert params.project == "no"
    assert params.train.optimizer.options == {"learning_rate": 3e-4}


def test_params_are_frozen() -> None:
    params, _ = parse_params(SMALLEST)
    assert params is not None
    with pytest.raises(AttributeError):
        params.seed = 1  # type: ignore[misc]


def test_the_default_files_are_right() -> None:
    files = [ROOT / "params.yaml", *sorted((ROOT / "recipes").glob("*.yaml"))]
    assert len(files) > 1
    for file in files:
        assert isinstance(load_checked(file), Params)


def test_flatten_gives_dotted_leaves() -> None:
    params, _ = parse_params(SMALLEST)
    flat = flatten(params)
    assert flat["project"] == "digits"
    assert flat["train.optimizer.name"] == "adamw"
    assert flat["register.gate.margin"] == 0.0
    assert flat["scale.split.method"] == "hash"


def test_flatten_has_the_names_of_the_file() -> None:
    content = read_yaml(ROOT / "params.yaml")
    content["train"] |= {
        "augment": [{"name": "shift", "pixels": 1}],
        "transfer": {"from": "champion"},
    }
    params, problems = parse_params(content)
    assert params is not None, problems
    flat = flatten(params)
    short = {"scale.target"}  # a name alone is that of a component
    assert flatten(content).keys() - short <= flat.keys()
    assert flat["train.optimizer.learning_rate"] == 0.002
    assert flat["train.augment"] == ({"name": "shift", "pixels": 1},)
    assert flat["train.transfer.from"] == "champion"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["project", "fetch", "train", "x", "split"]), inner)
        ),
        max_leaves=10,
    )
)
def test_any_tree_is_params_or_problems(raw: object) -> None:
    params, problems = parse_params(raw)
    assert (params is None) == bool(problems)


@pytest.mark.parametrize(
    ("fetch", "train", "told"),
    [
        (
            {"task": "regression"},
            {"loss": {"name": "focal"}},
            "train.loss: 'focal' does not fit fetch.task: regression; use auto, or one of huber",
        ),
        (
            {"task": "multiclass"},
            {"loss": {"name": "binary_cross_entropy"}},
            "train.loss: 'binary_cross_entropy' does not fit fetch.task: multiclass",
        ),
        (
            {"task": "regression"},
            {"sampling": "balanced"},
            "train.sampling: 'balanced' draws each class equally often, and fetch.task is",
        ),
        (
            {},
            {"optimizer": {"name": "lbfgs"}, "clip_norm": 1.0},
            "train.clip_norm: lbfgs minimises one loss of all rows, so this setting has no effect",
        ),
        ({"task": "regression"}, {"loss": {"name": "mae"}}, None),
        ({}, {"loss": {"name": "mae"}}, None),
    ],
)
def test_what_does_not_go_together_is_reported_before_any_work(
    tmp_path: Path, fetch: dict[str, str], train: dict[str, object], told: str | None
) -> None:
    named = {key: {} for key in ("validate", "scale", "evaluate", "register")}
    content = {**SMALLEST, "seed": 0, "threads": 1, **named, "train": train}
    content["fetch"] = {"source": "files", "options": {"path": "x.csv"}, "target": "y", **fetch}
    path = write(tmp_path, json.dumps(content))
    if told is None:
        load_checked(path)
        return
    with pytest.raises(ParamsError) as caught:
        load_checked(path)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("train", "told"),
    [
        (
            "{restarts: {seeds: 4}}",
            r"train\.restarts: is now members; for .* write members: \{count",
        ),
        ("{members: {space: {epochs: [3]}}}", r"members\.space\.epochs.* should match pattern"),
        (
            "{members: {space: {options.dropout: {low: 1, high: 0}}}}",
            r"space\.options\.dropout: needs low < high",
        ),
        ("{members: {count: 1}}", "members.count: input should be greater than or equal to 2"),
    ],
)
def test_members_are_checked_and_their_old_name_is_explained(
    tmp_path: Path, train: str, told: str
) -> None:
    text = f"project: a\nfetch: {{source: files}}\ntrain: {train}\n"
    with pytest.raises(ParamsError, match=told):
        load_params(write(tmp_path, text))
