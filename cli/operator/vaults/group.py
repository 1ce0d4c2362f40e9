"""`crossclear vault deploy|verify|status|rotate|pause|unpause|freeze|escape|refund`: a chain's vault."""

import click

from cli.operator.vaults.deployment import deploy, verify
from cli.operator.vaults.escape import escape_, refund
from cli.operator.vaults.pauses import freeze, pause, unpause
from cli.operator.vaults.standing import rotate, status


@click.group()
def vault() -> None:
    """Deploy a vault, check it, follow it, update it, pause it, end a pause, freeze it, and take part in its escape."""


for _command in (deploy, verify, status, rotate, pause, unpause, freeze, escape_, refund):
    vault.add_command(_command)
