"""`dvc plots` in a project: a page that needs no network."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from checkouts import ROOT

from layerline.projects.code_hashes import template_text
from layerline.projects.new import PLOTS_PAGE, new_project

_DRAWN = "document.querySelectorAll('.vega-embed canvas, .vega-embed svg').length > 0"
# The plots of dvc.yaml without a file here: their divs are taken out.
_PLACES = "document.querySelectorAll('main > div[id]').length"


def dvc(folder: Path, *arguments: str) -> str:
    command = ["dvc", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_charts_are_drawn_and_nothing_is_loaded(tmp_path: Path, tab: Any) -> None:
    new_project(tmp_path, lambda line: None)
    (tmp_path / "reports" / "plots").mkdir(parents=True)
    rows = "".join(f"{epoch},{1 / epoch},{2 / epoch}\n" for epoch in range(1, 9))
    (tmp_path / "reports" / "history.csv").write_text(f"epoch,train_loss,valid_loss\n{rows}")
    (tmp_path / "reports" / "plots" / "roc.csv").write_text("false_positive_rate,x\n")
    output = dvc(tmp_path, "plots", "show")
    runner, page = tab
    page.events.clear()
    runner.run(page.open((tmp_path / "dvc_plots" / "index.html").as_uri(), 900, 700))
    runner.run(page.wait_for(_DRAWN))
    assert runner.run(page.run(_PLACES)) == 1, output
    asked = [
        event["params"]["request"]["url"]
        for event in page.events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert not [url for url in asked if url.startswith("http")]


def test_a_page_of_the_users_own_stays(tmp_path: Path) -> None:
    for command in (["git", "init", "--quiet"], ["dvc", "init", "--quiet"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    dvc(tmp_path, "config", "plots.html_template", "mine.html")
    new_project(tmp_path, lambda line: None)
    assert dvc(tmp_path, "config", "plots.html_template").strip() == "mine.html"
    assert not (tmp_path / ".dvc" / PLOTS_PAGE).exists()


def test_the_scripts_come_with_their_licences() -> None:
    text = template_text(PLOTS_PAGE)
    head = text[: text.index("<html")]
    assert {"vega", "vega-lite", "vega-embed"} <= set(head.replace(",", " ").split())
    assert "University of Washington Interactive Data Lab" in head
    assert "THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS" in head
    assert "cdn" not in text[: text.index("<script>")].lower()


@pytest.mark.parametrize("placeholder", ["{plot_divs}", "{refresh_tag}"])
def test_dvc_finds_its_places_once(placeholder: str) -> None:
    assert template_text(PLOTS_PAGE).count(placeholder) == 1


def test_this_checkout_has_the_same_page() -> None:
    config = (ROOT / ".dvc" / "config").read_text(encoding="utf-8")
    (line,) = (line for line in config.splitlines() if "html_template" in line)
    assert (ROOT / ".dvc" / line.partition(" = ")[2]).samefile(
        ROOT / "src" / "layerline" / "projects" / "template" / PLOTS_PAGE
    )
