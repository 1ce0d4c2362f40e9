"""Trades between two members as text: a proposal, what it does to a margin, what became of it, and pending trades."""

from clearing.schema.receipts.trades import TradeNovated, TradePending
from clearing.schema.requests.trades import TradeReport
from member.api.accounts import TradingView
from member.api.margin import SimulationView
from member.api.transactions import TransactionView
from member.client.node_refusal import code_of
from member.client.trade_proposals import ProposalStatus, Proposed, missing_signatures
from member.notation.amounts import in_units
from member.notation.listing import Listing
from member.notation.receipts import number_in
from member.notation.times import time_text
from member.printing.account import table
from member.printing.accounts import change_lines
from member.printing.transactions import transaction_text


def trade_lines(trade: Proposed, listing: Listing) -> list[str]:
    """Who buys what of whom, and at which price."""
    instrument = listing.instrument_at(trade.instrument)
    buyer, seller = listing.account_text(trade.buyer), listing.account_text(trade.seller)
    if instrument is None:
        what, price = f"{trade.lots} lots of instrument {trade.instrument}", f"{trade.ticks} ticks"
        cost = ""
    else:
        what = f"{listing.size_text(instrument, trade.lots)} of {listing.instrument_text(instrument)}"
        price = f"{listing.price_text(instrument, trade.ticks)} {listing.currency(instrument)} ({trade.ticks} ticks)"
        kind = "premium" if instrument.is_option else "notional"
        cost = f"  {kind} {listing.notional_text(instrument, trade.lots, trade.ticks)}"
    return [f"{buyer} buys {what}", f"  of {seller}", f"  at {price}", *([cost] if cost else [])]


def proposal_lines(trade: Proposed, listing: Listing, now_ms: int) -> list[str]:
    """The trade, until when it can be confirmed, and who has not signed."""
    lines = trade_lines(trade, listing)
    if isinstance(trade, TradeReport):
        lines.append(f"  traded at {time_text(trade.traded_ms)}, which is the day of its statement")
    if isinstance(trade, TradeReport) and trade.not_before_ms:
        lines.append(f"  pending until {time_text(trade.not_before_ms)}, then novated")
    left = (trade.not_after_ms - now_ms) // 1000
    until = f"good until {time_text(trade.not_after_ms)}"
    lines.append(f"  {until}, for {left} s" if left > 0 else f"  {until}: ITS TIME IS OVER")
    sides = {"buyer_signature": trade.buyer, "seller_signature": trade.seller}
    waiting = (listing.account_text(sides[name]) for name in missing_signatures(trade))
    return [*lines, *(f"  {side} has not signed" for side in waiting)]


def effect_lines(effect: SimulationView | None, account: str) -> list[str]:
    """Equity and margins of one side before and after the trade."""
    if effect is None:
        return [f"only the member of {account} sees what this does to its margin"]
    covered = [] if effect.after.initial_ok else ["after it the initial margin is NOT COVERED: it may be refused"]
    return [*change_lines(effect, account), *covered]


def fate_text(view: TransactionView, listing: Listing) -> str:
    """What became of a confirmed trade: novated, pending, or why not. Where the node leaves out fee or due time, its
    receipts are printed as they were sent."""
    of_kind = {each.kind: each.details for each in view.receipts}
    fee = number_in(of_kind.get(TradeNovated.__name__, {}), "fee_each")
    if fee is not None:
        return f"novated at height {view.height}, fee {in_units(fee)}, transaction {view.hash}"
    due_ms = number_in(of_kind.get(TradePending.__name__, {}), "due_ms")
    if due_ms is not None:
        return f"pending since height {view.height}, novated at {time_text(due_ms)} or later, transaction {view.hash}"
    return transaction_text(view, listing)


def status_text(status: ProposalStatus) -> str:
    """How far a proposal is."""
    where = f" at height {status.height}" if status.height else ""
    texts = {
        "open": "open: no block has it",
        "expired": "expired: no block has it, and none will",
        "novated": f"novated{where}",
        "pending": f"pending since height {status.height}" if status.height else "pending",
        "cancelled": f"cancelled{where}",
        "dropped": f"dropped{where}: it was refused until its time was over",
    }
    lines = [texts.get(status.state, status.state)]
    if status.pending is not None:
        due, last = time_text(status.pending.due_ms), time_text(status.pending.until_ms)
        lines.append(f"  tried at {due}, for the last time at {last}")
    if status.code:
        code = code_of(status.code)
        named = f"R{status.code:04d}" if code is None else f"{code.label} {code.name.lower()}"
        values = " ".join(f"{name}={value}" for name, value in status.values.items())
        lines.append(f"  refused when it was tried last: {named} {values}".rstrip())
        lines += [f"  {code.remedy}"] if code is not None else []
    return "\n".join(lines)


def pending_trades_text(view: TradingView, listing: Listing) -> str:
    """Pending trades of an account, by due time."""
    rows = []
    for each in view.pending_trades:
        instrument = listing.instrument_at(each.instrument)
        is_buyer = each.buyer == view.account
        size, price = f"{each.lots} lots", f"{each.price_ticks} ticks"
        if instrument is not None:
            size = listing.size_text(instrument, int(each.lots))
            price = f"{listing.price_text(instrument, each.price_ticks)} {listing.currency(instrument)}"
        name = instrument.name if instrument is not None else f"instrument {each.instrument}"
        other = listing.account_text(each.seller if is_buyer else each.buyer)
        rows.append((name, "buys" if is_buyer else "sells", size, price, other, time_text(each.due_ms)))
    if not rows:
        return f"{listing.account_text(view.account)} has no pending trades after height {view.height}"
    return "\n".join(table(("instrument", "side", "size", "price", "counterparty", "due"), rows))
