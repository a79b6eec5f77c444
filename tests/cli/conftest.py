"""The command line as a user has it: run in the current folder, stdout and stderr apart."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from homes import clean_environment  # noqa: F401

from layerline.cli import main


@pytest.fixture
def layerline() -> Callable[..., Result]:
    def run(*arguments: str, code: int = 0, answers: str = "") -> Result:
        result = CliRunner().invoke(main, list(arguments), catch_exceptions=False, input=answers)
        assert result.exit_code == code, result.output
        return result

    return run
