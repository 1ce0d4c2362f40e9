"""Answers about one account: balances, positions, calls, pending trades, mandates, pending withdrawals."""

from typing import Literal

from member.api.types import Body, Decimal, Natural


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


class TradingView(Body, frozen=True):
    """Pending trades by due time, and mandates by venue, of one account after the stated height."""

    account: int
    height: int
    pending_trades: tuple[PendingTradeView, ...] = ()
    mandates: tuple[MandateView, ...] = ()


class WaitingView(Body, frozen=True):
    """A delayed withdrawal; it can be cancelled under `number`."""

    number: int
    asset: int
    amount_units: Natural
    to: str
    nonce: int
    accepted_height: int
    due_height: int


class ReleasedView(Body, frozen=True):
    """A withdrawal that was released and not seen paid. `overdue`: its time to be claimed is over."""

    nonce: int
    asset: int
    amount_units: Natural
    to: str
    chain_id: int
    not_after_s: int
    overdue: bool
    not_paid_height: int
    """The block that agreed that it was not paid, after which it is refunded; 0: none has."""


class LimitView(Body, frozen=True):
    """Withdrawal limits of one asset, in its units of genesis; 0: no limit. Accounts of one key count as one."""

    asset: int
    owner_used_units: Natural
    owner_units_max: Natural
    all_used_units: Natural
    window_units_max: Natural
    prompt_used_units: Natural
    """What the owner withdrew in this window without delay."""
    delay_above_units: Natural
    delay_blocks: int
    opens_height: int
    """The first block of the next window."""


class WithdrawalsView(Body, frozen=True):
    """Pending withdrawals of one account after the stated height."""

    account: int
    height: int
    waiting: tuple[WaitingView, ...] = ()
    released: tuple[ReleasedView, ...] = ()
    """The newest first, 256 at most."""
    limits: tuple[LimitView, ...] = ()
    deficit_micros: Natural = "0"
    """Unresolved; every withdrawal leaves its share of it behind."""
    deficit_until_height: int = 0


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
