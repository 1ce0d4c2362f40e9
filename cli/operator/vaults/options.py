"""Options that the commands of a vault share."""

from cli.chain_options import payer_option, rpc_option
from cli.options import hex_option

vault_rpc_option = rpc_option("the vault's chain")
gas_option = payer_option()


def address_option(option: str, text: str) -> bytes:
    """The 20 bytes of an address. Raises BadParameter with the option's name."""
    return hex_option(option, text, 20) or b""
