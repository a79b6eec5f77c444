"""The command `layerline`. Each command reads, calls and prints; the work is in the rooms.

command    the project found, failures reported
output     tables, JSON and notes printed
new        new, code
init       init, watch
schema     schema
params     params
models     export, promote, rollback, history, verify
predict    predict
serve      serve, replay
explore    explore
register   register
retrain    retrain
drift      drift
labels     labels
shadow     shadow
prune      prune
schedule   schedule
cluster    cluster
backtest   backtest
results    results
store      flush, ui
runs       runs
run_table  the table that `runs` prints
compare    compare
adopt      adopt
transfer   transfer plan, transfer lineage
study      study transfer, study compare
study_search study run, study work

To add a command: a function with `@click.command()` and `@handle_errors` in the file of its kind,
and its name in COMMANDS below. Import its room inside the function, so that `layerline --help`
stays quick.
"""

import click

from layerline import __version__
from layerline.cli.adopt import adopt
from layerline.cli.backtest import backtest
from layerline.cli.cluster import cluster
from layerline.cli.compare import compare
from layerline.cli.drift import drift
from layerline.cli.explore import explore
from layerline.cli.init import init, watch
from layerline.cli.labels import labels
from layerline.cli.models import export, history, promote, rollback, verify
from layerline.cli.new import code, new
from layerline.cli.params import params
from layerline.cli.predict import predict
from layerline.cli.prune import prune
from layerline.cli.register import register
from layerline.cli.results import results
from layerline.cli.retrain import retrain
from layerline.cli.runs import runs
from layerline.cli.schedule import schedule
from layerline.cli.schema import schema
from layerline.cli.serve import replay, serve
from layerline.cli.shadow import shadow
from layerline.cli.store import flush, ui
from layerline.cli.study import study
from layerline.cli.transfer import transfer

COMMANDS = (
    *(new, init, schema, params, watch, code),
    *(predict, serve, replay, promote, rollback, history, verify, export, register),
    *(retrain, drift, labels, shadow, schedule, backtest, prune),
    *(results, runs, compare, explore, adopt, flush, ui),
    *(transfer, study, cluster),
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Train, compare, register and keep retraining multilayer perceptrons on your own data."""


for command in COMMANDS:
    main.add_command(command)
