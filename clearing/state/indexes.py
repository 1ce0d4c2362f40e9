"""Indexes: tables derived from the hashed ones, so that a block finds what it touches without a scan.

Rule: an index follows from hashed tables alone, so it is neither hashed nor exported. The code that writes a record
also writes its index. Insertion order never affects a result.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import chain

from clearing.schema.records.trades import DueTrade, PendingTradeRecord, TradeKey
from clearing.schema.terms.genesis import MEMBER_ACCOUNTS_MAX
from clearing.state.state import State

INSTRUMENT_HOLDERS = 0
CURRENCY_HOLDERS = 1
CALLED_ACCOUNTS = 2
MEMBER_ACCOUNTS = 3


PIECE_MAX = 512
"""Accounts in one piece of a list of holders. A larger piece is cut into halves."""


def holders(state: State, kind: int, of: int) -> tuple[int, ...]:
    """Accounts that hold an instrument (0) or a currency (1), are under a margin call (2, `of` 0), or are a
    member's (3); ordered."""
    return tuple(chain.from_iterable(state.holders.get((kind, of)) or ()))


def set_holder(state: State, kind: int, of: int, account: int, *, holds: bool) -> None:
    """Add an account to an index of holders, or remove it. Cost: one piece and the list of pieces, not all holders."""
    pieces = state.holders.get((kind, of)) or ((),)
    number = max(0, bisect_right(pieces, account, key=_first) - 1)
    piece = pieces[number]
    at = bisect_left(piece, account)
    is_listed = at < len(piece) and piece[at] == account
    if is_listed is holds:
        return
    changed = (*piece[:at], account, *piece[at:]) if holds else piece[:at] + piece[at + 1 :]
    state.holders.put((kind, of), (*pieces[:number], *_pieces(changed), *pieces[number + 1 :]))


def _first(piece: tuple[int, ...]) -> int:
    """The empty piece stands alone, before all accounts."""
    return piece[0] if piece else -1


def _pieces(accounts: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """No piece for no accounts, one for few, and halves of the largest piece for more."""
    if len(accounts) <= PIECE_MAX:
        return (tuple(accounts),) if accounts else ()
    step = PIECE_MAX // 2 + 1
    return tuple(tuple(accounts[start : start + step]) for start in range(0, len(accounts), step))


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
        count = state.expiring_trade_counts.get(second)
        if count is None:
            continue  # as for most seconds: after an hour without a block there are 3,600
        for at in range(count):
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
    """Fill the indexes of an imported state, except for the withdrawals tree. Cost: linear in the state."""
    _rebuild_holders(state)
    for trade, novated in state.novated_trades.ordered():
        index_expiry(state, trade, novated.not_after_ms)
    _rebuild_pending(state)
    for (venue, day, number), trade_of_day in state.day_trades.ordered():
        state.day_trade_ids.put((venue, trade_of_day.venue_trade_id), (day, number))
    for nonce, released in state.withdrawals.ordered():
        expired = state.expired_withdrawals.get(nonce)
        over = expired is not None and (expired.refunded_height or released.deposit_refund)
        if not released.executed and not over:
            state.unpaid_withdrawals.put(nonce, released.asset)


def _rebuild_holders(state: State) -> None:
    """Each list is written once: account by account would copy it as often as it has accounts."""
    listed: dict[tuple[int, int], list[int]] = {}
    for (account, currency), _ in state.balances.ordered():
        listed.setdefault((CURRENCY_HOLDERS, currency), []).append(account)
    for account, book in state.books.ordered():
        for instrument, _ in book.lots:
            listed.setdefault((INSTRUMENT_HOLDERS, instrument), []).append(account)
    for account, record in state.accounts.ordered():
        if record.called_height:
            listed.setdefault((CALLED_ACCOUNTS, 0), []).append(account)
        if account < MEMBER_ACCOUNTS_MAX:
            listed.setdefault((MEMBER_ACCOUNTS, record.member), []).append(account)
    for key, accounts in listed.items():
        state.holders.put(key, _pieces(accounts))


def _rebuild_pending(state: State) -> None:
    """As `index_pending` of each, with one list written once."""
    order: list[DueTrade] = []
    counts: dict[int, int] = {}
    for key, pending in state.pending_trades.ordered():
        order.append(DueTrade(pending.due_ms, key))
        for account in (pending.buyer, pending.seller):
            counts[account] = counts.get(account, 0) + 1
    if order:
        state.pending_by_due_time.put(0, tuple(sorted(order)))
    for account, count in counts.items():
        state.pending_counts.put(account, count)
