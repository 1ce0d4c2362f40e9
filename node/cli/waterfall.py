"""`crossclear waterfall run`."""

import click

from node.cli.runs import waterfall_run


@click.group()
def waterfall() -> None:
    """Who bears the loss of a default: out of a file, with every share and its arithmetic."""


waterfall.add_command(waterfall_run)
