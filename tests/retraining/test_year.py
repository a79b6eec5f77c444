"""A short year of the benchmark: real runs, two planted faults, every promise asserted."""

import importlib.util
import sys
from pathlib import Path

import pytest

YEAR = Path(__file__).resolve().parents[2] / "benchmarks" / "year.py"


@pytest.mark.slow
def test_six_weeks_with_two_faults_end_as_promised(tmp_path):
    spec = importlib.util.spec_from_file_location("year", YEAR)
    assert spec is not None
    assert spec.loader is not None
    year = sys.modules["year"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(year)
    faults = {3: "half-written file", 5: "kill -9"}
    weeks = list(year.run_year(tmp_path / "my year", 6, faults))
    assert [week.fault for week in weeks if week.fault] == list(faults.values())
    assert weeks[2].codes == [3]
    assert weeks[4].codes[0] == -9
    assert len(year.table(weeks).splitlines()) >= 4
