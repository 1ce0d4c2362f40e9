"""Options that the commands of a vault share."""

import click

from cli.options import NEW_FILE, hex_option

rpc_option = click.option("--rpc", metavar="URL", required=True, help="An endpoint of the vault's chain.")
payer_option = click.option(
    "--payer-file", type=NEW_FILE, required=True, help="The key that pays for gas: 64 hex digits, mode 0600."
)


def address_option(option: str, text: str) -> bytes:
    """The 20 bytes of an address. Raises BadParameter with the option's name."""
    return hex_option(option, text, 20) or b""
