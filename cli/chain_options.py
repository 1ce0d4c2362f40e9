"""Options of commands that ask or pay at a chain."""

from collections.abc import Callable
from typing import Any

import click

from cli.options import NEW_FILE

PAYS_FOR_GAS = "The key that pays for gas: 64 hex digits, mode 0600."


def rpc_option(chain: str, *, required: bool = True) -> Callable[[Any], Any]:
    """An endpoint. `chain`: of which chain, such as "the vault's chain"."""
    return click.option("--rpc", metavar="URL", required=required, help=f"An endpoint of {chain}.")


def payer_option(what: str = PAYS_FOR_GAS) -> Callable[[Any], Any]:
    """The file of a key that pays. `what`: its help."""
    return click.option("--payer-file", type=NEW_FILE, required=True, help=what)
