"""A checkout's scaled table and a source, as tests/transfers.py makes them."""

import pytest
from study_params import PARAMS
from transfers import lab, source

__all__ = ["lab", "source"]


@pytest.fixture
def study_home(tmp_path, source, lab, monkeypatch):
    """A project with data/scaled of a small table; the current folder."""
    workspace = lab("write_here")(tmp_path, source[2])
    workspace.params.write_text(PARAMS)
    monkeypatch.chdir(tmp_path)
    return workspace
