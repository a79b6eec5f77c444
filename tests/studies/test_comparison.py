"""Comparisons of variants from equal seeds, run for real on a small table."""

import json
import math
import re

import numpy as np
import pytest
from click.testing import CliRunner

from layerline.artifacts import Workspace, read_manifest
from layerline.cli import main
from layerline.studies import comparison as compared
from layerline.studies.comparison import read_comparison
from layerline.studies.learning_curve import fit_power_law
from layerline.studies.means import Mean
from layerline.studies.train_subset import write_subset
from layerline.studies.variant_report import VariantSummary, verdict

STUDY = """\
question: Does it learn?
base: {train.early_stopping: null}
objective: valid.log_loss
seeds: 3
variants:
  learns: {}
  hardly: {train.optimizer.learning_rate: 0.00001}
  bursts: {train.optimizer.learning_rate: 1.0e+30}
"""


@pytest.fixture
def home(study_home):
    (study_home.root / "s.yaml").write_text(STUDY)
    return study_home


def compare(*arguments, code=0):
    result = CliRunner().invoke(main, ["study", "compare", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_variants_are_compared_seed_by_seed(home):
    found = json.loads(compare("s.yaml", "--json").stdout)
    learns, hardly, bursts = found["variants"]
    assert (found["seeds"], found["direction"]) == (3, "minimize")
    assert learns["gain"] is None
    assert hardly["gain"]["mean"] == pytest.approx(
        learns["value"]["mean"] - hardly["value"]["mean"], rel=1e-9
    )
    assert hardly["gain"]["mean"] + hardly["gain"]["half"] < 0
    assert (bursts["value"], bursts["n_diverged"]) == (None, 3)
    page = (home.reports / "studies" / "s" / "study.md").read_text()
    assert "worse than learns by" in page
    assert "every training diverged" in page
    assert (home.reports / "studies" / "s" / "plots" / "curves.png").stat().st_size > 5000


def test_what_was_trained_is_not_trained_again(home, monkeypatch):
    first = compare("s.yaml", "--seeds", "1", "--json").stdout
    trained, real = [], compared._train

    def train(bench, variant, *more):
        trained.append(variant)
        return real(bench, variant, *more)

    monkeypatch.setattr(compared, "_train", train)
    assert compare("s.yaml", "--seeds", "1", "--json").stdout == first
    assert trained == []
    compare("s.yaml", "--seeds", "2")
    assert trained == ["learns", "hardly", "bursts"]


def test_fewer_train_rows_leave_the_other_rows_alone(home, tmp_path):
    sizes = []
    for n_rows in (10, 20):
        write_subset(home.scaled, tmp_path / str(n_rows), n_rows)
        manifest = read_manifest(tmp_path / str(n_rows))
        assert manifest["n_rows"]["train"] == n_rows
        sizes.append({row.tobytes() for row in np.load(tmp_path / str(n_rows) / "train_x.npy")})
        for name in ("valid_x.npy", "test_y.npy"):
            assert (tmp_path / str(n_rows) / name).read_bytes() == (home.scaled / name).read_bytes()
    assert sizes[0] < sizes[1]


def test_a_learning_curve_says_what_twice_the_rows_would_bring(home):
    variants = "\n".join(f'  "{n}": {{rows: {n}}}' for n in (8, 12, 16, 24))
    (home.root / "s.yaml").write_text(
        f"question: q\nobjective: valid.log_loss\nnumbers: rows\nseeds: 2\nvariants:\n{variants}\n"
    )
    output = compare("s.yaml").output
    found = re.search(
        r"with 48 train rows log_loss would be about ([0-9.]+), ([0-9.]+) better than the "
        r"([0-9.]+) that the fitted law has with 24",
        output,
    )
    assert found is not None, output
    then, gain, now = map(float, found.groups())
    assert now - then == pytest.approx(gain, abs=2e-4)


def test_the_law_of_a_curve_is_found():
    law = fit_power_law([100, 200, 400, 800], [0.05 + 3 * n**-0.7 for n in (100, 200, 400, 800)])
    assert law is not None
    assert law.error(1600) == pytest.approx(0.05 + 3 * 1600**-0.7, rel=1e-3)
    assert fit_power_law([1, 2, 3], [3.0, 2.0, 1.0]) is None


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        (Mean(0.03, 0.01), "better than a by 0.0300 ± 0.0100"),
        (Mean(-0.03, 0.01), "worse than a by 0.0300"),
        (Mean(0.03, 0.04), "no difference from a seen"),
        (Mean(0.03, math.nan), "one seed cannot tell"),
    ],
)
def test_a_verdict_claims_what_the_interval_allows(gain, words):
    summary = VariantSummary("b", Mean(0.5, 0.1), None, gain, 1.0, 5.0, 0)
    assert words in verdict(summary, "a")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("bursts: {train.optimizer.learning_rate: -1}", "variants.bursts"),
        ("bursts: {fetch.options.path: b.csv}", "variants.bursts.fetch.options.path: cannot vary"),
        ("bursts: {scale.split: random}", "each split has other validation rows"),
        ("bursts: {rows: 0.5}", "bursts.rows: must be a whole number from 2 to "),
        ("bursts: {rows: 100000}", "as data/scaled has train rows; got 100000"),
        ("bursts: {train.network: mpl}", "did you mean 'mlp'"),
    ],
)
def test_a_wrong_variant_is_refused_before_any_work(home, change, message):
    text = STUDY.replace("bursts: {train.optimizer.learning_rate: 1.0e+30}", change)
    (home.root / "s.yaml").write_text(text)
    assert message in compare("s.yaml", code=2).output
    assert not (home.root / ".layerline" / "studies" / "s" / "cells").exists() or not list(
        (home.root / ".layerline" / "studies" / "s" / "cells").iterdir()
    )


def test_ctrl_c_leaves_the_seeds_that_every_variant_has(home, monkeypatch):
    real = compared._train

    def train(bench, variant, chosen, seed, objective):
        if (variant, seed) == ("hardly", 1):
            raise KeyboardInterrupt
        return real(bench, variant, chosen, seed, objective)

    monkeypatch.setattr(compared, "_train", train)
    result = compare("s.yaml", "--json", code=130)
    assert "study: interrupted, with 1 of 3 seeds; run it again to go on" in result.stderr
    found = json.loads(result.stdout)
    assert (found["seeds"], len(found["variants"])) == (1, 3)
    monkeypatch.setattr(compared, "_train", real)
    assert json.loads(compare("s.yaml", "--json").stdout)["seeds"] == 3


def test_a_search_is_led_to_its_own_command(home):
    (home.root / "s.yaml").write_text("space: {train.batch_size: [8]}")
    assert "run it by `layerline study run s`" in compare("s.yaml", code=2).output


def test_the_recipes_are_comparisons_or_searches_whose_params_exist():
    from pathlib import Path

    from layerline.config import read_yaml
    from layerline.config.dotted_paths import with_values
    from layerline.projects.preflight import check_params
    from layerline.studies.study_file import parse_study

    root = Path(__file__).resolve().parents[2]
    raw = read_yaml(root / "params.yaml")
    files = sorted((root / "recipes" / "studies").glob("*.yaml"))
    assert len(files) > 10
    for file in files:
        content = read_yaml(file)
        if "space" in content:
            parse_study(content, file.name)
            continue
        _, section = read_comparison(Workspace(root), file.stem)
        for values in section.variants.values():
            chosen = {**section.base, **values}
            chosen.pop("rows", None)
            check_params(with_values(raw, chosen), file.name)
