"""`crossclear bids list|place|reveal|liquidation|collateral`: what is for sale, in words, and bids in units."""

from typing import TYPE_CHECKING

import click

from cli.member.submitted import exit_code, print_result, wait_and_print
from cli.options import MemberKey, account_options, listing_at, parsed
from cli.output import ExitCode, output_option, say, show

if TYPE_CHECKING:
    from member.keys.saved_bids import SavedBid
    from member.notation.listing import Listing

DEFAULT_NUMBER = click.IntRange(1, 2**63 - 1)
PPB_OF_PPM = 1_000
wait_option = click.option("--wait", is_flag=True, help="Return when a block has taken or refused the bid.")


@click.group()
def bids() -> None:
    """Auctions of defaulters' portfolios, of liquidations and of collateral: see what is for sale, and bid."""


@bids.command("list")
@account_options
@output_option
def bids_list(key: MemberKey, output: str) -> None:
    """Print what can be bid for: portfolios by instrument with their marks, phases, discounts, and saved sealed bids.

    Sealed bids are those that `bids place` saved in HOME/bids. Any member's key may ask.

    Example: crossclear bids list --key trade --home HOME
    """
    from member.client.auction_bids import for_sale
    from member.keys.saved_bids import accounts_with_bids, newest_bid
    from member.printing.bids import for_sale_text

    found = key.ask(for_sale)
    saved: list[SavedBid] = []
    for default in found.defaults:
        accounts = accounts_with_bids(key.home, default.number)
        saved += [newest_bid(key.home, account, default.number) for account in accounts]
    data = {"defaults": found.defaults, "liquidations": found.slices, "collateral": found.collateral}
    show(data, for_sale_text(found, listing_at(key.url), saved), output)


@bids.command("place")
@click.argument("account")
@click.argument("number", metavar="DEFAULT", type=DEFAULT_NUMBER)
@click.argument("slices", type=click.IntRange(0, 2**32 - 1))
@click.option("--ask", help="What you want for a slice, in currency: 20.5.")
@click.option("--pay", help="What you pay for a slice, in place of --ask.")
@click.option("--commit-only", is_flag=True, help="Do not wait for the reveal: `bids reveal` makes it.")
@account_options
@output_option
def bids_place(
    account: str,
    number: int,
    slices: int,
    ask: str | None,
    pay: str | None,
    commit_only: bool,
    key: MemberKey,
    output: str,
) -> int:
    """Bid for SLICES of the portfolio of DEFAULT, for ACCOUNT: openly, or sealed and then revealed.

    Where bids are sealed, it commits to the bid, waits for the reveal phase, and reveals it. The bid and its salt are
    in HOME/bids, mode 0600. Keep them: a bid that is not revealed is no bid, and may cost a part of the contribution.
    Whether bids are sealed, and when to reveal, is the asked node's word: one that lies learns the bid before others.
    Exits with 6 when the node refuses a request.

    Example: crossclear bids place alice 7 5 --ask 20.5 --key trade --home HOME
    """
    from member.client.default_bids import default_under_way, place_bid
    from member.printing.bids import ask_text

    if (ask is None) is (pay is None):
        raise click.UsageError("give either --ask or --pay")
    listing = listing_at(key.url)
    own = parsed("ACCOUNT", lambda: listing.account(account))
    micros = _micros("--ask", ask) if ask is not None else -_micros("--pay", pay or "")
    is_sealed = bool(key.ask(lambda client: default_under_way(client, number)).reveal_height)
    result = key.ask(lambda client: place_bid(client, key.home, own, number, slices, micros))
    what = f"of {listing.account_text(own)} for {slices} slices of default {number}, {ask_text(micros)}"
    if exit_code(result) is ExitCode.OK and is_sealed and not commit_only:
        say(f"commitment {what}: {result.status}; it is revealed when the phase begins")
        return _reveal(own, number, listing, key, output)
    return print_result(f"{'commitment' if is_sealed else 'bid'} {what}", result, output)


@bids.command("reveal")
@click.argument("account")
@click.argument("number", metavar="DEFAULT", type=DEFAULT_NUMBER)
@account_options
@output_option
def bids_reveal(account: str, number: int, key: MemberKey, output: str) -> int:
    """Reveal the bid that ACCOUNT committed to last for DEFAULT, as soon as the reveal phase begins.

    Exits with 6 when the node refuses it.

    Example: crossclear bids reveal alice 7 --key trade --home HOME
    """
    listing = listing_at(key.url)
    return _reveal(parsed("ACCOUNT", lambda: listing.account(account)), number, listing, key, output)


def _reveal(account: int, number: int, listing: "Listing", key: MemberKey, output: str) -> int:
    from member.client.default_bids import reveal_bid

    result = key.ask(lambda client: reveal_bid(client, key.home, account, number))
    return print_result(f"reveal of {listing.account_text(account)} for default {number}", result, output)


@bids.command("liquidation")
@click.argument("account")
@click.argument("liquidated", type=click.IntRange(1, 2**63 - 1))
@click.option("--share", required=True, help="Of every position, in per cent: 25.")
@click.option("--discount", required=True, help="The lowest that you accept, in per cent of the notional: 0.5.")
@wait_option
@account_options
@output_option
def bids_liquidation(
    account: str, liquidated: int, share: str, discount: str, key: MemberKey, output: str, *, wait: bool
) -> int:
    """Bid for a share of every position of the account LIQUIDATED, for ACCOUNT, at the mark less the discount.

    The discount of the block applies, and grows while nobody bids; a bid with a higher one is refused. Exits with 6
    when the node refuses it, or with --wait a block.

    Example: crossclear bids liquidation alice 9 --share 25 --discount 0.5 --wait --key trade --home HOME
    """
    from member.client.auction_bids import bid_for_slice
    from member.notation.amounts import parse_percent, percent

    listing = listing_at(key.url)
    own = parsed("ACCOUNT", lambda: listing.account(account))
    share_ppm = parsed("--share", lambda: parse_percent(share))
    discount_ppm = parsed("--discount", lambda: parse_percent(discount))
    if not 0 < share_ppm <= 10**6 or not 0 <= discount_ppm <= 10**6:
        raise click.UsageError("a share is above 0 and at most 100 %, a discount between 0 and 100 %")
    result = key.ask(lambda client: bid_for_slice(client, own, liquidated, share_ppm * PPB_OF_PPM, discount_ppm))
    what = f"bid of {listing.account_text(own)} for {percent(share_ppm)} of account {liquidated}"
    return wait_and_print(key, what, result, output) if wait else print_result(what, result, output)


@bids.command("collateral")
@click.argument("account")
@click.argument("seller")
@click.argument("amount", metavar='"AMOUNT TOKEN"')
@click.option("--price", required=True, help="The highest for one token, in currency: 1990.5.")
@click.option("--chain", help="Name or id, where the token is on several chains.")
@wait_option
@account_options
@output_option
def bids_collateral(
    account: str, seller: str, amount: str, price: str, chain: str | None, key: MemberKey, output: str, *, wait: bool
) -> int:
    """Bid for "AMOUNT TOKEN" of the collateral that the lapsed cash call of SELLER put up for sale, for ACCOUNT.

    The auction's price applies, which falls. Names and decimals are as the asked node lists them; units and their price
    are what is signed, and both are printed. Exits with 6 when the node refuses it, or with --wait a block.

    Example: crossclear bids collateral alice 9 "1.5 WETH" --chain base --price 1990.5 --key trade --home HOME
    """
    from member.client.auction_bids import bid_for_collateral
    from member.notation.amounts import in_units

    listing = listing_at(key.url)
    own, other = (
        parsed("ACCOUNT", lambda: listing.account(account)),
        parsed("SELLER", lambda: listing.account(seller)),
    )
    asset, units = parsed("AMOUNT", lambda: listing.ledger_amount(amount, chain))
    per_token = _micros("--price", price)
    if per_token % 10**asset.unit_decimals:
        why = f"expected a multiple of {in_units(10**asset.unit_decimals)}, got {price}"
        raise click.BadParameter(why, param_hint="--price")
    per_unit = per_token // 10**asset.unit_decimals
    result = key.ask(lambda client: bid_for_collateral(client, own, other, asset.id, units, per_unit))
    price_text = f"{in_units(per_token)} ({per_unit} micros a unit)"
    what = f"bid of {listing.account_text(own)} for {listing.signed_units_text(asset, units)} at {price_text}"
    return wait_and_print(key, what, result, output) if wait else print_result(what, result, output)


def _micros(option: str, text: str) -> int:
    """Currency in micros, not negative. Raises click.BadParameter."""
    from member.notation.amounts import MICROS_DECIMALS, parse_amount

    found = parsed(option, lambda: parse_amount(text, MICROS_DECIMALS))
    if found < 0:
        raise click.BadParameter(f"expected an amount that is not negative, got {text}", param_hint=option)
    return found
