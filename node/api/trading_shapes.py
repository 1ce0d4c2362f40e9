"""What the API says of held trades and mandates.

Rule: as in `node.api.shapes`. It says all that a correction, a cancellation or a give-up has to name.
"""

from node.api.shapes import Body, Natural


class HeldTradeView(Body, frozen=True):
    """A trade that waits for its time. `low`, `high`: with venue and id its key, both 0 for a venue of genesis."""

    venue: int
    venue_trade_id: int
    low: int
    high: int
    buyer: int
    seller: int
    instrument: int
    lots: Natural
    price_ticks: Natural
    due_ms: int
    """When novation is tried next."""
    until_ms: int
    """When it is tried for the last time."""
    revision: int


class MandateView(Body, frozen=True):
    """What a venue may do for the account. Notional in micros."""

    venue: int
    name: str
    suspended: bool
    """Whether the venue is; it then trades for nobody."""
    lots_max: Natural
    notional_max: Natural
    day_notional_max: Natural
    used_today: Natural
    expires_ms: int


class TradingView(Body, frozen=True):
    """Held trades by their time, and mandates by venue, of one account after the stated height."""

    account: int
    height: int
    held_trades: tuple[HeldTradeView, ...] = ()
    mandates: tuple[MandateView, ...] = ()
