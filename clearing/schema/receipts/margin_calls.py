"""Receipts about margin calls: calls, early calls with their inputs, deadlines, calls met and calls lapsed.

Rule: a receipt states, it never decides.
"""

from clearing.base.codec import I64, U32, U63, Wire
from clearing.schema.records.margin_calls import CallKind


class GroupDeviation(Wire, frozen=True):
    """What one risk group brings to the deviation of an account's equity: loss x deviation / range, rounded up."""

    group: U32
    loss: U63
    """The worst scenario's, in micros, which stands for a move by the whole range."""
    range_ppm: U32
    variance: U63
    """Of one observation interval, in 10^-18."""
    horizon_ms: U63
    """That of the terms, and how late the slowest chain and this group's oracle are."""
    deviation_nano: U63
    """Over this horizon."""
    deviation_micros: U63


class EarlyCalled(Wire, frozen=True, tag=100):
    """A breach is likely within the horizon: P = 2 (1 - Phi(headroom / deviation)), rounded up, is at the threshold."""

    account: U63
    equity: I64
    trigger: U63
    """Equity below which the account would be called for margin."""
    initial: U63
    deviation: U63
    """Of equity over the horizon, in micros: the groups' together."""
    probability_ppm: U32
    threshold_ppm: U32
    delay_ms: U63
    """Inclusion delay of the slowest chain."""
    groups: tuple[GroupDeviation, ...]
    deadline_height: U63


class CallDeadlineSet(Wire, frozen=True, tag=101):
    """Equity is below the trigger and has to be mended before `deadline_height`."""

    account: U63
    equity: I64
    trigger: U63
    maintenance: U63
    initial: U63
    opened_height: U63
    """Of this call, or of the early call that it follows."""
    deadline_height: U63
    delay_ms: U63
    congestion_steps: U32
    """By which the deadline is longer and the trigger higher."""


class CallMet(Wire, frozen=True, tag=102):
    """What a call asked for is there: equity at initial margin, or a breach no longer likely."""

    account: U63
    kind: CallKind
    equity: I64
    initial: U63
    probability_ppm: U32
    """Of an early call; 0 of the others."""


class CallLapsed(Wire, frozen=True, tag=103):
    """A call's time is over. `urgent`: equity fell so low that there was no more time."""

    account: U63
    kind: CallKind
    equity: I64
    trigger: U63
    maintenance: U63
    opened_height: U63
    deadline_height: U63
    urgent: bool


class MarginCalled(Wire, frozen=True, tag=11):
    """Equity fell below the initial margin: until it is restored only risk-reducing actions pass."""

    account: U63
    equity: I64
    initial: U63
    maintenance: U63


class MarginRestored(Wire, frozen=True, tag=12):
    """Equity is at or above the initial margin again."""

    account: U63
    equity: I64
    initial: U63
