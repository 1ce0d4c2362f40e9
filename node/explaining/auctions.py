"""The hedging auction of a default in words: bids, slices, prices, and how bidders are ranked for the loss."""

from clearing.base.units import PPM
from clearing.default.receipts import BiddersRanked, DefaultBidTaken, Moved, PortfolioSold
from node.explaining.estates import Books
from node.explaining.lines import Line, equal, holds, tell
from node.explaining.telling import Listing, called, per_cent, signed

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
    books.filled.setdefault(receipt.number, []).append(receipt)
    return f"default {receipt.number}: member {receipt.member} took positions by {called(receipt.account)}", lines


def ranked(receipt: BiddersRanked, books: Books) -> Words:
    """Whose contributions are used first."""
    lines = []
    if receipt.number in books.seen:
        lines.append(equal("slices sold", receipt.sold, books.sold.get(receipt.number, 0)))
    for filled in books.filled.pop(receipt.number, []):
        lines += _lots(filled, receipt, books.listing)
    dearest = books.dearest.pop(receipt.number, 0)
    if receipt.number in books.seen:
        tolerated = receipt.slice_margin * receipt.tolerance_ppm // PPM
        text = (
            f"a bid is good up to {dearest}, the dearest filled, + {per_cent(receipt.tolerance_ppm)} of the margin of a"
        )
        lines.append(equal(f"{text} slice, {receipt.slice_margin}, down", receipt.good_ask, dearest + tolerated))
    needed = dict(receipt.required)
    whole = sum(needed.values())
    for member, share, slices, ask, rank in receipt.members:
        required = needed.get(member, 0)
        found = receipt.of_slices * required // whole if whole else 0
        text = f"member {member}: share = {receipt.of_slices} x {required} / {whole}, down"
        lines.append(equal(text, share, found))
        good = slices > 0 and ask <= receipt.good_ask
        place = 0 if not good else 2 if slices >= share and member in receipt.carried else 1
        lines.append(equal(f"member {member}: bid for {slices} at {ask}: {RANKS[place]}: rank", rank, place))
    return (
        f"default {receipt.number}: {receipt.sold} of {receipt.of_slices} slices were sold; lower ranks pay first",
        lines,
    )


def _lots(filled: PortfolioSold, receipt: BiddersRanked, listing: Listing) -> list[Line]:
    """What a bid got of each position: all up to its last slice, less all up to its first."""
    got = {each.instrument: each.lots for each in filled.positions}
    first, last, of_slices = filled.first, filled.first + filled.slices, filled.of_slices
    lines = []
    for instrument, lots in receipt.portfolio:
        size = abs(lots) * last // of_slices - abs(lots) * first // of_slices
        name = f"member {filled.member}: {listing.instrument(instrument)}"
        text = f"{name}: {signed(lots)} x {last} / {of_slices} - {signed(lots)} x {first} / {of_slices}, towards zero"
        lines.append(equal(text, got.get(instrument, 0), size if lots > 0 else -size))
    return lines


def moved_line(each: Moved, listing: Listing) -> Line:
    """Lots that passed at the mark."""
    value = f", {signed(each.received)} for them" if each.received else ""
    return tell(f"{listing.instrument(each.instrument)}: {signed(each.lots)} lots at mark {each.mark_ticks}{value}")
