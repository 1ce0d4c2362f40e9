"""`crossclear settle run`."""

import click

from node.cli.runs import settle_run


@click.group()
def settle() -> None:
    """Settlement: variation margin, funding, expiry and the sharing of losses out of a file."""


settle.add_command(settle_run)
