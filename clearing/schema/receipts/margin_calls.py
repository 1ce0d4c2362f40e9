"""Receipts about margin calls: calls, early calls with their inputs, deadlines, calls met and calls lapsed.

Rule: a receipt reports; it never decides.
"""

from clearing.base.codec import I64, U32, U63, Wire
from clearing.schema.records.margin_calls import CallKind


class GroupDeviation(Wire, frozen=True):
    """One risk group's part of the deviation of an account's equity: loss x deviation / range, rounded up."""

    group: U32
    loss: U63
    """Loss of the worst scenario in micros, which stands for a move by the whole range."""
    range_ppm: U32
    variance: U63
    """Variance of one observation interval, in 10^-18."""
    horizon_ms: U63
    """The horizon of the terms plus the delay of the slowest chain and of this group's oracle."""
    deviation_nano: U63
    """Deviation over this horizon."""
    deviation_micros: U63


class EarlyCalled(Wire, frozen=True, tag=100):
    """A breach is likely within the horizon: P = 2 (1 - Phi(headroom / deviation)), rounded up, reaches
    the threshold."""

    account: U63
    equity: I64
    trigger: U63
    """Equity below which the account would get a margin call."""
    initial: U63
    deviation: U63
    """Deviation of equity over the horizon, in micros, over all groups."""
    probability_ppm: U32
    threshold_ppm: U32
    delay_ms: U63
    """Inclusion delay of the slowest chain."""
    groups: tuple[GroupDeviation, ...]
    deadline_height: U63


class CallDeadlineSet(Wire, frozen=True, tag=101):
    """Equity is below the trigger and must be restored before `deadline_height`."""

    account: U63
    equity: I64
    trigger: U63
    maintenance: U63
    initial: U63
    opened_height: U63
    """Height of this call, or of the early call before it."""
    deadline_height: U63
    delay_ms: U63
    congestion_steps: U32
    """Steps by which the deadline is extended and the trigger raised."""


class CallMet(Wire, frozen=True, tag=102):
    """A call was met: equity is at initial margin, or a breach is no longer likely."""

    account: U63
    kind: CallKind
    equity: I64
    initial: U63
    probability_ppm: U32
    """Set for an early call; 0 otherwise."""


class CallLapsed(Wire, frozen=True, tag=103):
    """The deadline of a call passed. `urgent`: equity fell so low that the call ended at once."""

    account: U63
    kind: CallKind
    equity: I64
    trigger: U63
    maintenance: U63
    opened_height: U63
    deadline_height: U63
    urgent: bool


class MarginCalled(Wire, frozen=True, tag=11):
    """Equity fell below initial margin. Until it is restored only risk-reducing requests are accepted."""

    account: U63
    equity: I64
    initial: U63
    maintenance: U63


class MarginRestored(Wire, frozen=True, tag=12):
    """Equity is at or above the initial margin again."""

    account: U63
    equity: I64
    initial: U63
