"""Fuzz the readers with inputs that coverage chooses (atheris); print what they reach.

    python benchmarks/guided_fuzzing.py [--inputs 1000] [PYTEST_ARGUMENT ...]

Each test that tests/damage.py marks gets `--inputs` times its share. Needs the package atheris,
which `make fuzz-guided` installs beside the environment; a failing input is printed.
"""

import argparse
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
PLACES = ["tests/sources/reading/fuzzing", "tests/fuzzing", "tests/serving/test_fuzzed_requests.py"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=1000)
    options, arguments = parser.parse_known_args()
    os.environ["LAYERLINE_GUIDED_INPUTS"] = str(options.inputs)
    os.chdir(HERE)
    sys.path[0:1] = [str(HERE / "src"), str(HERE / "tests")]  # not benchmarks/serving.py

    import atheris  # type: ignore[import-not-found]

    with atheris.instrument_imports(include=["layerline"]):
        import pytest

        return pytest.main(
            ["-p", "no:xdist", "--rootdir", str(HERE), "-rP", "-q", *(arguments or PLACES)]
        )


if __name__ == "__main__":
    sys.exit(main())
