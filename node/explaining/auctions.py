"""The hedging auction of a default in words: bids, slices, prices, and how bidders are ranked for the loss."""

from clearing.default.receipts import BiddersRanked, DefaultBidTaken, Moved, PortfolioSold
from node.explaining.estates import Books
from node.explaining.lines import Line, equal, holds, tell
from node.explaining.telling import Listing, called, signed

Words = tuple[str, list[Line]]
RANKS = ("no bid, or too dear", "good, but for less than its share, or more than it can carry", "for its share")


def bid_taken(receipt: DefaultBidTaken, _: Books) -> Words:
    """A bid stands."""
    who = f"default {receipt.number}: member {receipt.member}"
    if not receipt.slices:
        return f"{who} took its bid back", []
    return f"{who} bids for {receipt.slices} slices, {signed(receipt.ask_micros)} asked for each", []


def portfolio_sold(receipt: PortfolioSold, books: Books) -> Words:
    """A bid was filled."""
    sold = books.sold.get(receipt.number)
    lines = [] if sold is None else [equal("first slice = those sold before", receipt.first, sold)]
    text = f"slices {receipt.slices} of the {receipt.wanted} wanted, within the {receipt.of_slices} there are"
    good = receipt.slices <= receipt.wanted and receipt.first + receipt.slices <= receipt.of_slices
    lines.append(holds(text, good))
    before = books.dearest.get(receipt.number)
    if before is not None:
        lines.append(holds(f"asks no less than the bid filled before, {before}", receipt.ask_micros >= before))
    asked = f"{receipt.slices} x {receipt.ask_micros}"
    lines.append(equal(f"the estate paid {asked}", receipt.paid, receipt.slices * receipt.ask_micros))
    lines += [moved_line(each, books.listing) for each in receipt.positions]
    if sold is not None:
        books.sold[receipt.number] = sold + receipt.slices
    books.dearest[receipt.number] = receipt.ask_micros
    return f"default {receipt.number}: member {receipt.member} took positions by {called(receipt.account)}", lines


def ranked(receipt: BiddersRanked, books: Books) -> Words:
    """Whose contributions are used first."""
    lines = []
    if receipt.number in books.seen:
        lines.append(equal("slices sold", receipt.sold, books.sold.get(receipt.number, 0)))
    lines.append(tell(f"a bid of {receipt.good_ask} or less for a slice is good"))
    for member, share, slices, ask, rank in receipt.members:
        good = slices > 0 and ask <= receipt.good_ask
        most = 0 if not good else 1 if slices < share else 2
        text = f"member {member}: share {share}, bid for {slices} at {ask}: {RANKS[min(rank, 2)]}"
        lines.append(holds(text, rank == most or (most == 2 and rank == 1)))
    whole = sum(share for _, share, _, _, _ in receipt.members)
    lines.append(holds(f"shares are of {receipt.of_slices} together, rounded down", whole <= receipt.of_slices))
    return (
        f"default {receipt.number}: {receipt.sold} of {receipt.of_slices} slices were sold; lower ranks pay first",
        lines,
    )


def moved_line(each: Moved, listing: Listing) -> Line:
    """Lots that passed at the mark."""
    value = f", {signed(each.received)} for them" if each.received else ""
    return tell(f"{listing.instrument(each.instrument)}: {signed(each.lots)} lots at mark {each.mark_ticks}{value}")
