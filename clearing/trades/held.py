"""Held trades: binding, waiting for their time, and until then open to correction, cancellation and give-up.

Rule: a change names the revision that it changes, so it is applied once, in order. The pre-trade checks of margin,
price and band are made when the trade is novated; one that fails them is tried again for a while and then dropped, each
time with a receipt. Held trades are bounded per account and in all, and so is how many are tried in one block.
"""

import msgspec

from clearing.base.errors import Rejected
from clearing.codes import ClearingCode, reject
from clearing.receipts import refused
from clearing.run import Run
from clearing.state.indexes import index_held
from clearing.state.records import HeldTrade
from clearing.trades.ids import TradeKey, use_bilateral
from clearing.trades.novation import Bargain, check_price, check_terms, clear
from clearing.trades.receipts import HELD_INDEX, HeldTradeRefused, TradeHeld
from clearing.trades.reconciliation import keep_day_trade

TRIED_PER_BLOCK = 256
AT = "held_trade"


def check_hold(
    run: Run, at: str, instrument: int, due_ms: int, newcomers: tuple[int, ...], *, more: int = 1
) -> Rejected | None:
    """Whether a trade may be held until `due_ms` for accounts that have no part in it yet; `more`: trades added."""
    market = run.terms.market
    latest = run.time_ms + market.hold_ms_max
    if due_ms > latest:
        return reject(ClearingCode.HOLD_TOO_LONG, at, not_before_ms=due_ms, latest_ms=latest)
    terms = run.terms.instruments[instrument]
    if terms.expired(due_ms):
        return reject(ClearingCode.INSTRUMENT_EXPIRED, at, instrument=instrument, expiry_ms=terms.expiry_ms)
    for account in newcomers:
        count = run.state.held_counts.get(account) or 0
        if count >= market.held_per_account_max:
            return reject(ClearingCode.HELD_TRADES_FULL, at, account=account, held=count)
    held = len(run.state.held_order.get(0) or ())
    if held + more > market.held_max:
        return reject(ClearingCode.HELD_TRADES_FULL, at, held=held, limit=market.held_max)
    return None


def hold(run: Run, index: int, key: TradeKey, trade: HeldTrade) -> None:
    """Hold a trade that `check_hold` passed."""
    write_held(run, key, trade)
    run.receipts.append(
        TradeHeld(
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


def write_held(run: Run, key: TradeKey, trade: HeldTrade | None) -> None:
    """Put a held trade in the place of what was there; None: take it away.

    A pair can use the id of one that is gone again only when no change that was signed for it can be shown any more.
    """
    index_held(run.state, key, run.state.held_trades.get(key), trade)
    if trade is None:
        run.state.held_trades.remove(key)
        if key[0] not in run.terms.venues:
            use_bilateral(run, key, run.time_ms + run.terms.market.request_ms_max)
    else:
        run.state.held_trades.put(key, trade)


def novate_held(run: Run) -> None:
    """Try those whose time has come, the longest due first and those of one time by their key."""
    for due_ms, *key in (run.state.held_order.get(0) or ())[:TRIED_PER_BLOCK]:
        if due_ms > run.time_ms:
            return
        venue, trade_id, low, high = key
        _try(run, (venue, trade_id, low, high))


def _try(run: Run, key: TradeKey) -> None:
    held = run.state.held_trades[key]
    venue = run.terms.venues.get(key[0])
    bargain = Bargain(key[0], key[1], held.buyer, held.seller, held.instrument, held.lots, held.ticks)
    gone = check_terms(run, AT, bargain)
    refusal = gone or check_price(run, AT, held.instrument) or clear(run, HELD_INDEX, bargain, venue)
    if refusal is None:
        write_held(run, key, None)
        if venue is not None:
            traded = Bargain(
                key[0], key[1], held.first_buyer, held.first_seller, held.instrument, held.lots, held.ticks
            )
            keep_day_trade(run, traded, held.traded_ms)
        return
    again = run.time_ms + run.terms.market.hold_retry_ms
    last = gone is not None or again > held.until_ms
    told = refused(HELD_INDEX, refusal)
    run.receipts.append(
        HeldTradeRefused(
            venue=key[0],
            venue_trade_id=key[1],
            buyer=held.buyer,
            seller=held.seller,
            code=told.code,
            at=told.at,
            values=told.values,
            next_ms=0 if last else again,
        )
    )
    write_held(run, key, None if last else msgspec.structs.replace(held, due_ms=again))
