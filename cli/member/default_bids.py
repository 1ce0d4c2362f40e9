"""`crossclear waterfall bid|reveal`: bids for a defaulter's portfolio."""

from typing import TYPE_CHECKING

import click

from cli.member.submitted import exit_code, print_result
from cli.options import NUMBER, MemberKey, account_options
from cli.output import ExitCode, output_option

if TYPE_CHECKING:
    from member.api.submit import SubmitResult

default_number = click.argument("number", metavar="DEFAULT", type=click.IntRange(1, 2**63 - 1))


@click.command("bid")
@click.argument("account", type=NUMBER)
@default_number
@click.argument("slices", type=click.IntRange(0, 2**32 - 1))
@click.option("--ask", required=True, type=click.IntRange(-(2**60), 2**60), help="Micros asked for a slice.")
@click.option("--commit-only", is_flag=True, help="Do not wait for the reveal: `waterfall reveal` makes it.")
@account_options
@output_option
def waterfall_bid(
    account: int, number: int, slices: int, ask: int, commit_only: bool, key: MemberKey, output: str
) -> int:
    """Bid for SLICES of the portfolio of DEFAULT, for ACCOUNT; below 0 the ask is what you pay for a slice.

    Where bids are sealed, it commits to the bid, waits for the reveal phase, and reveals it. The bid and its salt are
    in HOME/bids, mode 0600. Keep them: a bid that is not revealed is no bid, and may cost a part of the contribution.
    Whether bids are sealed, and when to reveal, is the asked node's word: one that lies learns the bid before others.
    Without a terminal that stays open, use --commit-only. Exits with 6 when the node refuses a request.

    Example: crossclear waterfall bid 1 7 5 --ask 20000000 --key trade --home HOME
    """
    from member.client.default_bids import default_under_way, place_bid

    is_sealed = bool(key.ask(lambda client: default_under_way(client, number)).reveal_height)
    result = key.ask(lambda client: place_bid(client, key.home, account, number, slices, ask))
    if exit_code(result) is ExitCode.OK and is_sealed and not commit_only:
        return _reveal(account, number, key, output)
    return _print_result("commitment" if is_sealed else "bid", account, number, result, output)


@click.command("reveal")
@click.argument("account", type=NUMBER)
@default_number
@account_options
@output_option
def waterfall_reveal(account: int, number: int, key: MemberKey, output: str) -> int:
    """Reveal the bid that ACCOUNT committed to last for DEFAULT, as soon as the reveal phase begins.

    Exits with 6 when the node refuses it.

    Example: crossclear waterfall reveal 1 7 --key trade --home HOME
    """
    return _reveal(account, number, key, output)


def _reveal(account: int, number: int, key: MemberKey, output: str) -> int:
    from member.client.default_bids import reveal_bid

    result = key.ask(lambda client: reveal_bid(client, key.home, account, number))
    return _print_result("reveal", account, number, result, output)


def _print_result(what: str, account: int, number: int, result: "SubmitResult", output: str) -> int:
    return print_result(f"{what} of account {account} for default {number}", result, output, request=what)
