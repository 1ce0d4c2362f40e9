"""`crossclear waterfall run|explain`."""

import click

from node.cli.explaining import waterfall_explain
from node.cli.runs import waterfall_run


@click.group()
def waterfall() -> None:
    """Who bears the loss of a default: out of a file, of a node or a block log, with the arithmetic of every share."""


waterfall.add_command(waterfall_run)
waterfall.add_command(waterfall_explain)
