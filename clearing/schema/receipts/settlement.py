"""Receipts about payments on positions: marks, funding, settlement and delivery.

Rule: a receipt reports; it never decides.
"""

from enum import IntEnum

from clearing.base.codec import I64, U32, U63, Wire


class SettlementBasis(IntEnum):
    """Which price an instrument was settled at."""

    INDEX = 0
    """The agreed index at expiry."""
    AVERAGE = 1
    """The time average over the window."""
    LAST_GOOD = 2
    """The last good index (after expiry) or mark (before), because no price returned."""


class Marked(Wire, frozen=True, tag=3):
    """An instrument was marked. For marked instruments each holder was settled lots x (mark - previous) x value."""

    instrument: U32
    ticks: U63
    previous_ticks: U63
    holders: U32
    paid: U63
    """Micros that losers paid, equal to what gainers received."""


class Settled(Wire, frozen=True, tag=4):
    """An instrument was settled in cash at `index_ticks`, chosen by `basis`. All positions in it are closed."""

    instrument: U32
    index_ticks: U63
    micros_per_lot: I64
    """What one long lot received: future (index - last mark) x value; option its intrinsic value."""
    holders: U32
    paid: U63
    basis: SettlementBasis = SettlementBasis.INDEX
    covered_ms: U63 = 0
    """How much of the averaging window agreed prices covered."""
    window_ms: U63 = 0
    worth_ticks: U63 = 0
    """Value of a lot at `index_ticks`, the settlement price; of an option its intrinsic value."""


class FundingPaid(Wire, frozen=True, tag=62):
    """Each position of q lots paid q x index x micros a tick x rate x covered / period; payers rounded
    up, payees down."""

    instrument: U32
    index_ticks: U63
    premium_ppb: I64
    """Time average over the covered time."""
    rate_ppb: I64
    covered_ms: U63
    period_ms: U63
    holders: U32
    paid: U63
    received: U63
    rounding: U63
    """paid - received, credited to the rounding account."""


class SettlementDeferred(Wire, frozen=True, tag=63):
    """Settlement of an expired instrument is deferred: agreed prices cover too little of its window. Prices after
    expiry count."""

    instrument: U32
    covered_ms: U63
    needed_ms: U63
    window_ms: U63


class Delivered(Wire, frozen=True, tag=64):
    """An expired forward's tokens moved from shorts to longs against cash. What was not delivered settled in cash."""

    instrument: U32
    asset: U32
    ticks: U63
    lots: U63
    of_lots: U63
    units: U63
    paid: U63


class DeliveryFailed(Wire, frozen=True, tag=65):
    """An account could not deliver (negative lots) or pay for (positive) part of its forward, and paid a penalty."""

    instrument: U32
    account: U63
    lots: I64
    ticks: U63
    penalty: U63
