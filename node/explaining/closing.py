"""Closing out in words: what the house took, who was deleveraged in which order, and what was torn up."""

from clearing.default.receipts import ClientClosedOut, CollateralTaken, Deleveraged, TakenByHouse, TornUp
from node.explaining.auctions import moved_line
from node.explaining.estates import Books, currency_name
from node.explaining.lines import Line, equal, holds, tell
from node.explaining.telling import called, signed

Words = tuple[str, list[Line]]
RANK_SCALE = 10**9


def taken_by_house(receipt: TakenByHouse, books: Books) -> Words:
    """The house covers the positions."""
    lines = [moved_line(each, books.listing) for each in receipt.positions]
    return f"default {receipt.number}: the house took over from {called(receipt.account)} at the mark", lines


def deleveraged(receipt: Deleveraged, books: Books) -> Words:
    """Against those who gained most at most leverage."""
    lines, ranks = [], []
    for account, profit, equity, notional, lots, received in receipt.by:
        rank = profit * notional * RANK_SCALE // max(equity, 1)
        ranks.append((-rank, account))
        value = f", {signed(received)} for them" if received else ""
        text = f"rank {profit} x {notional} / {equity} = {rank} x 10^-9: {signed(lots)} lots{value}"
        lines.append(tell(f"{called(account)}: {text}"))
    lines.append(holds("the highest rank first, then the lower account", ranks == sorted(ranks)))
    lots = sum(each[4] for each in receipt.by)
    lines.append(equal("lots together", receipt.lots, lots))
    name = f"{books.listing.instrument(receipt.instrument)} at mark {receipt.mark_ticks}"
    title = f"default {receipt.number}: {signed(receipt.lots)} lots of {name} of {called(receipt.account)} end"
    return f"{title} against others", lines


def client_closed(receipt: ClientClosedOut, _: Books) -> Words:
    """A client that nobody took."""
    lines = [tell(f"cash group {group}: {signed(micros)}") for group, micros in receipt.cash]
    return f"default {receipt.number}: {called(receipt.account)}, a client, was closed out", lines


def collateral_taken(receipt: CollateralTaken, _: Books) -> Words:
    """Tokens for debts."""
    worth = receipt.units * receipt.micros_per_unit
    text = (
        f"{receipt.units} of {currency_name(receipt.currency)} x {receipt.micros_per_unit} - {receipt.back} given back"
    )
    lines = [equal(text, receipt.counted, worth - receipt.back)]
    if receipt.micros_per_unit:
        less = f"the {receipt.back} given back are less than a unit is worth"
        lines.append(holds(less, receipt.back < receipt.micros_per_unit))
    return f"default {receipt.number}: the house bought collateral of {called(receipt.account)}", lines


def torn_up(receipt: TornUp, books: Books) -> Words:
    """Everybody's positions in an instrument."""
    lines = [tell(f"{called(each)}: {signed(lots)} lots, {signed(got)}") for each, lots, got in receipt.positions]
    lines.append(holds("long and short lots are as many", sum(lots for _, lots, _ in receipt.positions) == 0))
    lines.append(holds("what is paid is what is received", sum(got for _, _, got in receipt.positions) == 0))
    name = books.listing.instrument(receipt.instrument)
    return f"default {receipt.number}: {name} is torn up at mark {receipt.mark_ticks}", lines
