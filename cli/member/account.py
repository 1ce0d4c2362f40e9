"""`crossclear account show|positions|margin`: an own account in words."""

from typing import TYPE_CHECKING

import click

from cli.options import NUMBER, MemberKey, account_options
from cli.output import output_option, show

if TYPE_CHECKING:
    from member.api.state import StateView


@click.group()
def account() -> None:
    """Show an own account: equity, margins, holdings, positions, calls."""


@account.command("show")
@click.argument("number", type=NUMBER, metavar="ACCOUNT")
@account_options
@output_option
def account_show(number: int, key: MemberKey, output: str) -> None:
    """Print equity, margins, holdings and positions of an own ACCOUNT, in units and by name.

    Example: crossclear account show 1 --key trade --home HOME
    """
    from member.printing.account import account_text

    view = key.ask(lambda client: client.account(number))
    show(view, account_text(view, _state(key)), output)


@account.command("positions")
@click.argument("number", type=NUMBER, metavar="ACCOUNT")
@account_options
@output_option
def account_positions(number: int, key: MemberKey, output: str) -> None:
    """Print the positions of an own ACCOUNT with their marks.

    Example: crossclear account positions 1 --key trade --home HOME
    """
    from member.printing.account import positions_text

    view = key.ask(lambda client: client.account(number))
    show(view.positions, positions_text(view, _state(key)), output)


@account.command("margin")
@click.argument("number", type=NUMBER, metavar="ACCOUNT")
@click.option("--drill", is_flag=True, help="Show the parts of each term, too.")
@account_options
@output_option
def account_margin(number: int, key: MemberKey, output: str, *, drill: bool) -> None:
    """Print each term of an own ACCOUNT's equity and margin in currency, with its share, and how far liquidation is.

    `crossclear margin explain` prints the inputs, sources and roundings of the same terms.

    Example: crossclear account margin 1 --drill --key trade --home HOME
    """
    from member.printing.account import margin_shares_text

    view = key.ask(lambda client: client.margin(number))
    show(view, margin_shares_text(view, drill=drill), output)


def _state(key: MemberKey) -> "StateView":
    from member.client.ask import ask_node

    return ask_node(key.url, lambda client: client.state())
