"""`crossclear transactions show`."""

from typing import TYPE_CHECKING

import click

from cli.member.submitted import fate_words
from cli.options import MemberKey, account_options, hex_option
from cli.output import output_option, show

if TYPE_CHECKING:
    from member.api.transactions import TransactionView
    from member.client.node_client import NodeClient


@click.group()
def transactions() -> None:
    """See what became of a transaction."""


@transactions.command("show")
@click.argument("transaction_hash", metavar="HASH")
@account_options
@output_option
def transactions_show(transaction_hash: str, key: MemberKey, output: str) -> None:
    """Print what became of the transaction with this HASH, which the answer to its submission names.

    It is pending, applied or refused in a block, dropped, or expired. A party's trade key (--key or --secret-file) also
    shows the receipts, by names and in units, and the values of a refusal. A node knows what it
    accepted and what is in blocks, for as long as its settings say.

    Example: crossclear transactions show HASH --key trade --home HOME
    """
    from member.client.ask import ask_node

    wanted = hex_option("HASH", transaction_hash) or b""

    async def question(client: "NodeClient") -> "TransactionView":
        return await client.transaction(wanted)

    view = key.ask(question) if key.is_given else ask_node(key.url, question)
    show(view, fate_words(key.url, view, output), output)
