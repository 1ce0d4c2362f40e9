"""Indexes: tables derived from the hashed ones, so that a block finds what it touches without a scan.

Rule: an index follows from hashed tables alone, so it is neither hashed nor exported. The code that writes a record
also writes its index. Insertion order never affects a result.
"""

from bisect import bisect_left

from clearing.schema.records.trades import DueTrade, PendingTradeRecord, TradeKey
from clearing.state.state import State

INSTRUMENT_HOLDERS = 0
CURRENCY_HOLDERS = 1
CALLED_ACCOUNTS = 2


def holders(state: State, kind: int, of: int) -> tuple[int, ...]:
    """Accounts that hold an instrument (0) or a currency (1), or are under a margin call (2, `of` 0); ordered."""
    return state.holders.get((kind, of)) or ()


def set_holder(state: State, kind: int, of: int, account: int, *, holds: bool) -> None:
    """Add an account to an index of holders, or remove it."""
    listed = holders(state, kind, of)
    at = bisect_left(listed, account)
    is_listed = at < len(listed) and listed[at] == account
    if holds and not is_listed:
        state.holders.put((kind, of), (*listed[:at], account, *listed[at:]))
    elif is_listed and not holds:
        state.holders.put((kind, of), listed[:at] + listed[at + 1 :])


def _expiry_second(not_after_ms: int) -> int:
    """The first whole second at which a request with this not-after has expired."""
    return not_after_ms // 1000 + 1


def index_expiry(state: State, trade: TradeKey, not_after_ms: int) -> None:
    """Index a trade id by the second in which it can be deleted."""
    second = _expiry_second(not_after_ms)
    count = state.expiring_trade_counts.get(second) or 0
    state.expiring_trades.put((second, count), trade)
    state.expiring_trade_counts.put(second, count + 1)


def drop_expired(state: State, before_ms: int, time_ms: int) -> None:
    """Delete trade ids that expired up to `time_ms`. All up to `before_ms` are already deleted."""
    last = min(time_ms // 1000, _expiry_second(before_ms + state.terms.market.request_ms_max))
    for second in range(before_ms // 1000, last + 1):
        for at in range(state.expiring_trade_counts.get(second) or 0):
            trade = state.expiring_trades.get((second, at))
            novated = state.novated_trades.get(trade) if trade is not None else None
            # A trade that was pending and was recorded again has a later entry, too.
            if trade is not None and novated is not None and _expiry_second(novated.not_after_ms) <= second:
                state.novated_trades.remove(trade)
            state.expiring_trades.remove((second, at))
        state.expiring_trade_counts.remove(second)


def index_pending(
    state: State, key: TradeKey, before: PendingTradeRecord | None, after: PendingTradeRecord | None
) -> None:
    """Index a pending trade by its due time, and count it for both sides. None: no record before, or after."""
    order = state.pending_by_due_time.get(0) or ()
    if before is not None:
        at = bisect_left(order, DueTrade(before.due_ms, key))
        order = (*order[:at], *order[at + 1 :])
    if after is not None:
        at = bisect_left(order, DueTrade(after.due_ms, key))
        order = (*order[:at], DueTrade(after.due_ms, key), *order[at:])
    state.pending_by_due_time.put(0, order)
    for record, by in ((before, -1), (after, 1)):
        for account in (record.buyer, record.seller) if record else ():
            count = (state.pending_counts.get(account) or 0) + by
            if count:
                state.pending_counts.put(account, count)
            else:
                state.pending_counts.remove(account)


def rebuild_indexes(state: State) -> None:
    """Fill the indexes of an imported state, except for the withdrawals tree."""
    for (account, currency), _ in state.balances.ordered():
        set_holder(state, CURRENCY_HOLDERS, currency, account, holds=True)
    for account, book in state.books.ordered():
        for instrument, _ in book.lots:
            set_holder(state, INSTRUMENT_HOLDERS, instrument, account, holds=True)
    for account, record in state.accounts.ordered():
        set_holder(state, CALLED_ACCOUNTS, 0, account, holds=record.called_height != 0)
    for trade, novated in state.novated_trades.ordered():
        index_expiry(state, trade, novated.not_after_ms)
    for key, pending in state.pending_trades.ordered():
        index_pending(state, key, None, pending)
    for (venue, day, number), trade_of_day in state.day_trades.ordered():
        state.day_trade_ids.put((venue, trade_of_day.venue_trade_id), (day, number))
    for nonce, released in state.withdrawals.ordered():
        expired = state.expired_withdrawals.get(nonce)
        over = expired is not None and (expired.refunded_height or released.deposit_refund)
        if not released.executed and not over:
            state.unpaid_withdrawals.put(nonce, released.asset)
