"""`crossclear margin run|explain|simulate`."""

import click

from node.cli.margin_of_account import margin_explain, margin_simulate
from node.cli.runs import margin_run


@click.group()
def margin() -> None:
    """Margins: of an own account, explained and simulated; of a portfolio in a file, with every intermediate."""


margin.add_command(margin_run)
margin.add_command(margin_explain)
margin.add_command(margin_simulate)
