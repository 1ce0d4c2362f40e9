"""Held trades and mandates of one account, as the API shows them.

Rule: reads only. Linear in all held trades, which genesis bounds.
"""

from clearing.base.units import DAY_MS
from clearing.state.state import State
from node.api.trading_shapes import HeldTradeView, MandateView, TradingView


def trading_of(state: State, account: int) -> TradingView | None:
    """What waits for the account and what venues may do for it; None for no such account."""
    if account not in state.accounts:
        return None
    return TradingView(
        account=account, height=state.now.height, held_trades=_held(state, account), mandates=_mandates(state, account)
    )


def _held(state: State, account: int) -> tuple[HeldTradeView, ...]:
    found: list[HeldTradeView] = []
    count = state.held_counts.get(account) or 0
    for _, venue, trade_id, low, high in state.held_order.get(0) or ():
        if len(found) == count:
            break
        trade = state.held_trades[(venue, trade_id, low, high)]
        if account in (trade.buyer, trade.seller):
            found.append(
                HeldTradeView(
                    venue=venue,
                    venue_trade_id=trade_id,
                    low=low,
                    high=high,
                    buyer=trade.buyer,
                    seller=trade.seller,
                    instrument=trade.instrument,
                    lots=str(trade.lots),
                    price_ticks=str(trade.ticks),
                    due_ms=trade.due_ms,
                    until_ms=trade.until_ms,
                    revision=trade.revision,
                )
            )
    return tuple(found)


def _mandates(state: State, account: int) -> tuple[MandateView, ...]:
    today = state.now.time_ms // DAY_MS
    return tuple(
        MandateView(
            venue=venue.id,
            name=venue.name,
            suspended=bool(changed and changed.suspended),
            lots_max=str(held.lots_max),
            notional_max=str(held.notional_max),
            day_notional_max=str(held.day_notional_max),
            used_today=str(held.used if held.day == today else 0),
            expires_ms=held.expires_ms,
        )
        for venue in state.terms.venues.values()
        if (held := state.mandates.get((account, venue.id))) is not None
        for changed in (state.venues.get(venue.id),)
    )
