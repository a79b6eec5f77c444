"""`layerline serve`: a registered model behind HTTP; `layerline replay`: an answer once more."""

from pathlib import Path

import click

from layerline.artifacts import find_workspace
from layerline.cli.command import handle_errors, open_project


@click.command()
@click.argument("model_uri")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--poll",
    "poll_seconds",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds between polls of the alias; 0: only on SIGHUP.",
)
@click.option(
    "--token-env",
    metavar="VAR",
    help="Require the bearer token that this environment variable holds.",
)
@click.option(
    "--any-value", is_flag=True, help="Also predict rows outside the schema's limits and levels."
)
@click.option("--max-body-mb", default=16.0, show_default=True, type=click.FloatRange(0.001))
@click.option("--max-in-flight", default=64, show_default=True, type=click.IntRange(1))
@click.option(
    "--timeout",
    "timeout_seconds",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Seconds a prediction may take, its body half of them.",
)
@click.option(
    "--request-log",
    "log",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Append sampled rows and predictions as JSON lines.",
)
@click.option(
    "--log-sample",
    default=0.01,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="The share of rows that is logged.",
)
@click.option(
    "--log-id",
    metavar="FIELD",
    help="A field of each JSON row, which the log keeps as its id: `layerline labels` joins by it.",
)
@click.option(
    "--shadow",
    metavar="MODEL_URI",
    help="Also predict the logged rows by this model (models:/NAME@challenger), into the log.",
)
@handle_errors
def serve(
    model_uri: str,
    max_body_mb: float,
    max_in_flight: int,
    timeout_seconds: float,
    **options: object,
) -> None:
    """Serve MODEL_URI (models:/NAME@ALIAS, models:/NAME/VERSION, or a folder) over HTTP."""
    from layerline.serving.middleware import Limits
    from layerline.serving.server import Settings
    from layerline.serving.server import serve as run
    from layerline.stage.messages import print_error

    limits = Limits(
        body_bytes=int(max_body_mb * (1 << 20)),
        in_flight=max_in_flight,
        timeout_seconds=timeout_seconds,
    )
    settings = Settings(model_uri=model_uri, limits=limits, **options)  # type: ignore[arg-type]
    run(settings, find_workspace().home, lambda text: print_error("serve", text))


@click.command()
@click.argument("answer_id", metavar="ID")
@click.option(
    "--log",
    type=click.Path(path_type=Path),
    help="The server's request log; default: retrain.live.log of params.yaml.",
)
@handle_errors
def replay(answer_id: str, log: Path | None) -> None:
    """Print the answer whose header `x-answer-id` was ID again, byte for byte.

    Exit code 4 if its rows are not in the request log, or the bytes differ; 8 if the version is
    gone.
    """
    from layerline.retraining.live_rows import log_files
    from layerline.serving.replayed import replay as give_again

    workspace, params = open_project()
    files = log_files(log or workspace.root / params.retrain.live.log)
    click.echo(give_again(answer_id, params.project, files, workspace.home), nl=False)
