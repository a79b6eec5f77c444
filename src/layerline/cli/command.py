"""What every command shares: the project it works in, and how its failures are reported."""

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import click

from layerline.artifacts import Workspace, find_workspace
from layerline.config import Params, load_params
from layerline.errors import LayerlineError, machine_problem
from layerline.masking import mask_output
from layerline.process import deliver_lost_interrupts
from layerline.stage.messages import report_failure

INTERRUPTED = 130  # as a shell reports Ctrl-C
CLOSED_PIPE = 141  # what a shell reports of a program that SIGPIPE ended


def handle_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """End a command that fails for a user's reason with one message and its exit code."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        mask_output()
        deliver_lost_interrupts()
        try:
            result = command(*arguments, **options)
            sys.stdout.flush()
        except LayerlineError as error:
            sys.exit(report_failure("layerline", error))
        except KeyboardInterrupt:
            click.echo("layerline: interrupted", err=True)
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            # Whoever reads has closed the pipe (`layerline runs | head`). What is still buffered
            # goes nowhere, or Python's own flush at the end would fail once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(CLOSED_PIPE)
        except (OSError, MemoryError, RuntimeError) as error:
            problem = machine_problem(error)
            if problem is None:
                raise
            sys.exit(report_failure("layerline", problem))
        return result

    return run


def open_project() -> tuple[Workspace, Params]:
    """The project that the current folder is in, and its params."""
    workspace = find_workspace()
    return workspace, load_params(workspace.params)
