"""`crossclear margin run`."""

import click

from node.cli.runs import margin_run


@click.group()
def margin() -> None:
    """Margins: of a portfolio in a file, with every intermediate."""


margin.add_command(margin_run)
