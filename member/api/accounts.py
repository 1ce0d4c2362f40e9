"""Answers about one account: balances, positions, calls, pending trades, mandates, session keys."""

from typing import Literal

from member.api.types import Address, Body, Decimal, Natural


class PendingTradeView(Body, frozen=True):
    """A pending trade. `low`, `high`: with venue and id its key, both 0 for a venue of genesis."""

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


class SessionKeyView(Body, frozen=True):
    """What a session key may sign for the account. Notional in micros."""

    key: Address
    lots_max: Natural
    notional_max: Natural
    day_notional_max: Natural
    used_today: Natural
    expires_ms: int


class TradingView(Body, frozen=True):
    """Pending trades by due time, mandates by venue, and session keys of one account after the stated height."""

    account: int
    height: int
    pending_trades: tuple[PendingTradeView, ...] = ()
    mandates: tuple[MandateView, ...] = ()
    session_keys: tuple[SessionKeyView, ...] = ()
    """Those that have expired are deleted when another is named."""


class CashHolding(Body, frozen=True):
    """A claim on a cash group; may be negative."""

    cash_group: int
    name: str
    amount_micros: Decimal


class TokenHolding(Body, frozen=True):
    """Collateral of one token on one chain, in clearing units."""

    asset: int
    name: str
    amount_units: Natural


class Position(Body, frozen=True):
    """Lots of one instrument; negative is short."""

    instrument: int
    name: str
    lots: Decimal


class CallUnderWay(Body, frozen=True):
    """A call for margin, or an early one: a warning that a breach is likely."""

    kind: Literal["early", "margin"]
    opened_height: int
    """Of the first call of this run, whose deadline it has."""
    deadline_height: int
    """The first block after the deadline; before it, initial margin meets the call."""
    lapsed: bool


class AccountView(Body, frozen=True):
    """One account after the stated height."""

    account: int
    member: int
    height: int
    equity_micros: Decimal
    initial_margin_micros: Natural
    maintenance_margin_micros: Natural
    called: bool
    next_nonce: int
    cash: tuple[CashHolding, ...] = ()
    tokens: tuple[TokenHolding, ...] = ()
    positions: tuple[Position, ...] = ()
    kind: Literal["house", "client"] = "house"
    parent: int = 0
    """The account that this one is a sub-account of; 0: of none."""
    sub_accounts: tuple[int, ...] = ()
    pending_trades: int = 0
    """Number of pending trades."""
    calls: tuple[CallUnderWay, ...] = ()
    """At most one; none where genesis gives calls no deadline."""
    in_liquidation: bool = False
