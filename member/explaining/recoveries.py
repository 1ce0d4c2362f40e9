"""The house's inventory and recoveries explained: what was offered, sold and closed, and what went back to whom.

Rule: sums and discounts are recomputed from what the receipt states.
"""

from clearing.base.units import PPM
from clearing.schema.receipts.default import WaterfallLayer
from clearing.schema.receipts.house import (
    InventoryClosed,
    InventoryOffered,
    InventorySold,
    RecoveryEnded,
    RecoveryPaid,
)
from member.explaining.close_out import RANK_SCALE, EstateBooks
from member.explaining.formatting import (
    Explanation,
    called,
    condition_line,
    equality_line,
    per_cent,
    plain_line,
    signed,
)


def inventory_offered(receipt: InventoryOffered, books: EstateBooks) -> Explanation:
    """The house's positions are for sale."""
    lines = [plain_line(f"{signed(lots)} lots of {books.listing.instrument(at)}") for at, lots in receipt.positions]
    lines.append(plain_line(f"discount from 0 to {per_cent(receipt.end_ppm)}, together at most {receipt.penalties}"))
    return f"the house offers its inventory from height {receipt.first_height} to {receipt.last_height}", lines


def inventory_sold(receipt: InventorySold, books: EstateBooks) -> Explanation:
    """A member bought from the house."""
    if receipt.asset:
        text = f"{receipt.lots} units x {receipt.micros_per_unit}"
        lines = [equality_line(text, -receipt.received, receipt.lots * receipt.micros_per_unit)]
        title = f"the house sold units of token {receipt.asset}, taken in default {receipt.number}"
        return f"{title}, to {called(receipt.account)}", lines
    worth = books.listing.notional(receipt.instrument, receipt.lots, receipt.mark_ticks)
    lines = [plain_line(f"discount {receipt.discount}")]
    if worth is not None:
        most = worth * receipt.discount_ppm // PPM
        lines = [condition_line(f"the discount {receipt.discount} is at most {most}", receipt.discount <= most)]
    name = f"{books.listing.instrument(receipt.instrument)} at mark {receipt.mark_ticks}"
    return f"the house sold {signed(receipt.lots)} lots of {name} to {called(receipt.account)}", lines


def inventory_closed(receipt: InventoryClosed, books: EstateBooks) -> Explanation:
    """What nobody bought, or what the house may not have."""
    lines, ranks = [], []
    for account, equity, notional, lots, received in receipt.counterparties:
        rank = notional * RANK_SCALE // max(equity, 1)
        ranks.append((-rank, account))
        value = f", {signed(received)} for them" if received else ""
        lines.append(
            plain_line(f"{called(account)}: rank {notional} / {equity} = {rank} x 10^-9: {signed(lots)}{value}")
        )
    lines.append(condition_line("the highest rank first, then the lower account", ranks == sorted(ranks)))
    lots = sum(counterparty[3] for counterparty in receipt.counterparties)
    lines.append(equality_line("lots together", receipt.lots, lots))
    name = f"{books.listing.instrument(receipt.instrument)} at mark {receipt.mark_ticks}"
    return f"{signed(receipt.lots)} lots of {name} of the house end against others", lines


def recovery_paid(receipt: RecoveryPaid, _: EstateBooks) -> Explanation:
    """What came in went back."""
    lines = [
        plain_line(f"{_layer(layer)}: {micros} to {called(account)} of member {member}")
        for layer, member, account, micros in receipt.paid
    ]
    layers = [layer for layer, *_ in receipt.paid]
    lines.append(condition_line("the last layer first", layers == sorted(layers, reverse=True)))
    whole = sum(micros for *_, micros in receipt.paid) + receipt.rounding
    lines.append(equality_line(f"all payments, and {receipt.rounding} of rounding", receipt.micros, whole))
    return f"default {receipt.number}: {receipt.micros} came in and went back to those who paid", lines


def recovery_ended(receipt: RecoveryEnded, _: EstateBooks) -> Explanation:
    """The time is over."""
    lines = [
        plain_line(f"{_layer(layer)}: {units} units of token {asset} to {called(account)} of member {member}")
        for layer, member, account, asset, units in receipt.in_kind
    ]
    if receipt.result:
        lines.append(plain_line(f"the house bears {-receipt.result} that its inventory lost"))
    return f"default {receipt.number}: its recovery has ended, {receipt.returned} went back in all", lines


def _layer(layer: int) -> str:
    return f"layer {WaterfallLayer(layer).name.lower()}" if layer else "after all claims"
