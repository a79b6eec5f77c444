"""How every command runs: in the current checkout, its failures as one message."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from layerline.artifacts import Workspace
from layerline.config import Params, load_params
from layerline.errors import LayerlineError
from layerline.masking import mask_output
from layerline.stage.messages import report_failure


def explained(command: Callable[..., Any]) -> Callable[..., Any]:
    """End a command that fails for a user's reason with one message and its exit code."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        mask_output()
        try:
            return command(*arguments, **options)
        except LayerlineError as error:
            sys.exit(report_failure("layerline", error))

    return run


def here() -> tuple[Workspace, Params]:
    """The checkout one stands in, and its params."""
    workspace = Workspace(Path())
    return workspace, load_params(workspace.params)
