"""What can be bid for, as text: portfolios of defaulters, slices of liquidations, collateral of cash calls."""

from collections.abc import Callable, Mapping, Sequence

from clearing.schema.terms.genesis import Genesis
from member.api.receipts import DefaultUnderWay, SlicePosition, SliceSale
from member.api.state import CollateralSale
from member.client.auction_bids import ForSale
from member.keys.saved_bids import SavedBid
from member.notation.amounts import in_units, percent
from member.notation.listing import Listing
from member.printing.account import table


def for_sale_text(found: ForSale, listing: Listing, bids: Sequence[SavedBid]) -> str:
    """All auctions, each with its portfolio at the marks; `bids`: sealed ones that were saved here."""
    marks = {each.instrument: int(each.mark_ticks) for each in found.state.marks}
    lines = [f"after height {found.state.height}"]
    for default in found.defaults:
        own = [bid for bid in bids if bid.number == default.number]
        lines += ["", *_default_lines(default, listing, marks, own)]
    for sale in found.slices:
        lines += ["", *_slice_lines(sale, listing, marks)]
    if found.collateral:
        rows = [_collateral_row(sale, listing) for sale in found.collateral]
        lines += ["", *table(("collateral of", "amount", "price of a token", "until height"), rows)]
    if len(lines) == 1:
        lines.append("nothing is for sale")
    return "\n".join(lines)


def _default_lines(
    default: DefaultUnderWay, listing: Listing, marks: Mapping[int, int], bids: Sequence[SavedBid]
) -> list[str]:
    head = f"default {default.number} of {listing.member_text(default.member)}, {default.phase}"
    if not default.auction_height or not default.positions:
        return [f"{head}: nothing of it is for sale"]
    if default.reveal_height:
        until = f"sealed bids before height {default.reveal_height}, revealed from it until {default.auction_height}"
    else:
        until = f"open bids until height {default.auction_height}"
    lines = [f"{head}: {until}", *_portfolio(default.positions, listing, marks, default.slices)]
    lines.append(f"a bid is for 1 to {default.slices} equal slices, at the marks and for what you ask a slice")
    lines += [
        f"  saved here: {listing.account_text(bid.account)} takes {bid.slices} slices, {ask_text(bid.ask_micros)}"
        for bid in bids
    ]
    return lines


def ask_text(ask_micros: int) -> str:
    """What a bidder is paid for a slice, or pays."""
    return f"{'pays' if ask_micros < 0 else 'asks'} {in_units(abs(ask_micros))} a slice"


def _slice_lines(sale: SliceSale, listing: Listing, marks: Mapping[int, int]) -> list[str]:
    head = (
        f"liquidation of account {sale.account}: discount {percent(sale.discount_ppm)} in the next block, at most"
        f" {percent(sale.slice_max_ppm)} of it a bid, until height {sale.last_height}"
    )
    return [head, *_portfolio(sale.positions, listing, marks, 1)]


def _portfolio(
    positions: Sequence[SlicePosition], listing: Listing, marks: Mapping[int, int], slices: int
) -> list[str]:
    """One line a position, and the notional of all, at the marks."""
    rows, total = [], 0
    for each in positions:
        instrument, lots = listing.instrument_at(each.instrument), int(each.lots)
        side, ticks = "long" if lots > 0 else "short", marks.get(each.instrument, 0)
        if instrument is None:
            rows.append((f"instrument {each.instrument}", side, f"{abs(lots):,} lots", f"{ticks:,} ticks", "-"))
            continue
        total += abs(lots) * ticks * instrument.micros_per_tick
        price, value = listing.price_text(instrument, ticks), listing.notional_text(instrument, abs(lots), ticks)
        rows.append((instrument.name, side, listing.size_text(instrument, abs(lots)), price, value))
    lines = table(("instrument", "side", "size", "mark", "at the mark"), rows)
    part = f", a slice {in_units(total // slices)}" if slices > 1 else ""
    return [*(f"  {line}" for line in lines), f"  all of it at the marks {in_units(total)}{part}"]


def _collateral_row(sale: CollateralSale, listing: Listing) -> tuple[str, ...]:
    decimals = _decimals(listing.terms, sale.asset)
    price = in_units(int(sale.micros_per_unit) * 10**decimals)
    seller: Callable[[int], str] = listing.account_text
    return seller(sale.seller), listing.units_text(sale.asset, sale.units), price, str(sale.last_height)


def _decimals(terms: Genesis, asset: int) -> int:
    return next((each.unit_decimals for each in terms.assets if each.id == asset), 0)
