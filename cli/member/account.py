"""`crossclear account show|positions|margin`: an own account in words."""

from typing import TYPE_CHECKING

import click

from cli.options import MemberKey, account_options, listing_at
from cli.output import output_option, show

if TYPE_CHECKING:
    from member.api.state import StateView
    from member.notation.listing import Listing


@click.group()
def account() -> None:
    """Show an own account: equity, margins, holdings, positions, calls."""


@account.command("show")
@click.argument("account", metavar="ACCOUNT")
@account_options
@output_option
def account_show(account: str, key: MemberKey, output: str) -> None:
    """Print equity, margins, holdings and positions of an own ACCOUNT, in units and by name.

    Example: crossclear account show alice --key trade --home HOME
    """
    from member.printing.account import account_text

    own = key.account(account)
    view = key.ask(lambda client: client.account(own))
    show(view, account_text(view, *_state(key)), output)


@account.command("positions")
@click.argument("account", metavar="ACCOUNT")
@account_options
@output_option
def account_positions(account: str, key: MemberKey, output: str) -> None:
    """Print the positions of an own ACCOUNT with their marks.

    Example: crossclear account positions alice --key trade --home HOME
    """
    from member.printing.account import positions_text

    own = key.account(account)
    view = key.ask(lambda client: client.account(own))
    show(view.positions, positions_text(view, *_state(key)), output)


@account.command("margin")
@click.argument("account", metavar="ACCOUNT")
@click.option("--drill", is_flag=True, help="Show the parts of each term, too.")
@account_options
@output_option
def account_margin(account: str, key: MemberKey, output: str, *, drill: bool) -> None:
    """Print each term of an own ACCOUNT's equity and margin in currency, with its share, and how far liquidation is.

    `crossclear margin explain` prints the inputs, sources and roundings of the same terms.

    Example: crossclear account margin alice --drill --key trade --home HOME
    """
    from member.printing.account import margin_shares_text

    own = key.account(account)
    view = key.ask(lambda client: client.margin(own))
    show(view, margin_shares_text(view, listing_at(key.url), drill=drill), output)


def _state(key: MemberKey) -> "tuple[StateView, Listing]":
    from member.client.ask import ask_node
    from member.client.listing import read_state

    return ask_node(key.url, read_state)
