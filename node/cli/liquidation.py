"""`crossclear liquidation run` and `crossclear liquidations explain`."""

import click

from node.cli.explaining import liquidations_explain
from node.cli.runs import liquidation_run


@click.group()
def liquidation() -> None:
    """Liquidation out of a file: how much is closed, in which steps, at which discount."""


@click.group()
def liquidations() -> None:
    """Margin calls and liquidations that happened, with the arithmetic of every step."""


liquidation.add_command(liquidation_run)
liquidations.add_command(liquidations_explain)
