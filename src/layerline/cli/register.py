"""`layerline register`: the model in models/ into the registry, without a new training."""

import click

from layerline.cli.command import handle_errors, open_project
from layerline.cli.output import print_json


@click.command()
@click.option(
    "--new-store", is_flag=True, help="Start a new store where the checkout's own was lost."
)
@click.option("--json", "as_json", is_flag=True, help="Print reports/registration.json.")
@handle_errors
def register(new_store: bool, as_json: bool) -> None:
    """Register the model in models/ again, as the register stage does.

    For a registry that lost it: its version or alias was deleted, mlflow.db is gone (--new-store),
    or models/ came from a colleague (`dvc pull`) and the store here is another one. `dvc repro`
    would have nothing to do. The gate decides as ever whether it becomes the champion. Refused
    where params.yaml has changed since: it would register the model of other params.
    """
    from layerline.projects.outdated import require_current
    from layerline.retraining.dvc_process import Dvc
    from layerline.retraining.register_again import register_again
    from layerline.tracking.store import accept_loss

    workspace, params = open_project()
    require_current(workspace, "evaluate")
    if new_store:
        accept_loss(workspace.home)
    with Dvc(workspace.root, lambda text: click.echo(text, err=as_json)) as dvc:
        facts = register_again(workspace, params, dvc)
    if as_json:
        print_json(facts)
