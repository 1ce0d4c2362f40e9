"""Pending trades: binding, waiting for their time, and until then open to correction, cancellation and give-up.

Rule: a change names the revision that it changes, so it is applied once, in order. Margin, price and band are checked
when the trade is novated. A trade that fails is tried again for a while and then dropped, each time with a receipt. The
number of pending trades is bounded per account and in total, and so is the number of attempts in one block.
"""

import msgspec

from clearing.base.errors import Rejected
from clearing.context.block_context import BlockContext
from clearing.schema.blocks.receipt import refused_receipt
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.trades import PENDING_INDEX, PendingTradeRefused, TradePending
from clearing.schema.records.trades import PendingTradeRecord, TradeKey
from clearing.state.indexes import index_pending
from clearing.trades.novation import TradeTerms, check_instrument_price, check_trade_terms, clear_trade
from clearing.trades.reconciliation import record_day_trade
from clearing.trades.trade_ids import use_bilateral

NOVATED_PER_BLOCK = 256

AT = "held_trade"


def check_can_pend(
    context: BlockContext, at: str, instrument: int, due_ms: int, new_accounts: tuple[int, ...], *, more: int = 1
) -> Rejected | None:
    """Whether a trade may be pending until `due_ms` for accounts that are not part of it yet. `more`: trades added."""
    market = context.terms.market
    latest = context.time_ms + market.hold_ms_max
    if due_ms > latest:
        return reject(ClearingCode.HOLD_TOO_LONG, at, not_before_ms=due_ms, latest_ms=latest)
    terms = context.terms.instruments[instrument]
    if terms.expired(due_ms):
        return reject(ClearingCode.INSTRUMENT_EXPIRED, at, instrument=instrument, expiry_ms=terms.expiry_ms)
    for account in new_accounts:
        count = context.state.pending_counts.get(account) or 0
        if count >= market.held_per_account_max:
            return reject(ClearingCode.HELD_TRADES_FULL, at, account=account, held=count)
    pending = len(context.state.pending_by_due_time.get(0) or ())
    if pending + more > market.held_max:
        return reject(ClearingCode.HELD_TRADES_FULL, at, held=pending, limit=market.held_max)
    return None


def add_pending_trade(context: BlockContext, index: int, key: TradeKey, trade: PendingTradeRecord) -> None:
    """Add a pending trade that passed `check_can_pend`."""
    write_pending_trade(context, key, trade)
    context.receipts.append(
        TradePending(
            index=index,
            venue=key[0],
            venue_trade_id=key[1],
            buyer=trade.buyer,
            seller=trade.seller,
            low=key[2],
            high=key[3],
            instrument=trade.instrument,
            lots=trade.lots,
            ticks=trade.ticks,
            due_ms=trade.due_ms,
        )
    )


def write_pending_trade(context: BlockContext, key: TradeKey, trade: PendingTradeRecord | None) -> None:
    """Write a pending trade; None removes it.

    A pair can reuse the id of a removed trade only when no change signed for it can be submitted any more.
    """
    index_pending(context.state, key, context.state.pending_trades.get(key), trade)
    if trade is None:
        context.state.pending_trades.remove(key)
        if key[0] not in context.terms.venues:
            use_bilateral(context, key, context.time_ms + context.terms.market.request_ms_max)
    else:
        context.state.pending_trades.put(key, trade)


def novate_pending(context: BlockContext) -> None:
    """Novate due pending trades, earliest due time first, then by key."""
    for trade in (context.state.pending_by_due_time.get(0) or ())[:NOVATED_PER_BLOCK]:
        if trade.due_ms > context.time_ms:
            return
        _try_novation(context, trade.key)


def _try_novation(context: BlockContext, key: TradeKey) -> None:
    pending = context.state.pending_trades[key]
    venue = context.terms.venues.get(key[0])
    terms = TradeTerms(key[0], key[1], pending.buyer, pending.seller, pending.instrument, pending.lots, pending.ticks)
    invalid = check_trade_terms(context, AT, terms)
    refusal = (
        invalid
        or check_instrument_price(context, AT, pending.instrument)
        or clear_trade(context, PENDING_INDEX, terms, venue)
    )
    if refusal is None:
        write_pending_trade(context, key, None)
        if venue is not None:
            traded = TradeTerms(
                key[0],
                key[1],
                pending.executing_buyer,
                pending.executing_seller,
                pending.instrument,
                pending.lots,
                pending.ticks,
            )
            record_day_trade(context, traded, pending.traded_ms)
        return
    next_ms = context.time_ms + context.terms.market.hold_retry_ms
    last = invalid is not None or next_ms > pending.last_attempt_ms
    receipt = refused_receipt(PENDING_INDEX, refusal)
    context.receipts.append(
        PendingTradeRefused(
            venue=key[0],
            venue_trade_id=key[1],
            buyer=pending.buyer,
            seller=pending.seller,
            code=receipt.code,
            at=receipt.at,
            values=receipt.values,
            next_ms=0 if last else next_ms,
        )
    )
    write_pending_trade(context, key, None if last else msgspec.structs.replace(pending, due_ms=next_ms))
