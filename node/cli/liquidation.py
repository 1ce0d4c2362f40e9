"""`crossclear liquidation run`."""

import click

from node.cli.runs import liquidation_run


@click.group()
def liquidation() -> None:
    """Liquidation out of a file: how much is closed, in which steps, at which discount."""


liquidation.add_command(liquidation_run)
