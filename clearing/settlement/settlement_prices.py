"""Settlement prices: time averages and the value of a lot at expiry, in integers.

Rule: pure functions of integers. An agreed index counts from its block to the next, but at most as long as a price may
be old, and only inside the window. It must not know accounts or the state.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from clearing.base.units import PPM, mul_div_up
from clearing.schema.terms.instruments import InstrumentKind


@dataclass(frozen=True, slots=True)
class TimeAverage:
    """Sums over the part of a window that agreed prices cover."""

    weighted_ticks: int = 0
    """Sum of ticks x milliseconds."""
    covered_ms: int = 0

    @property
    def ticks(self) -> int:
        """The average, rounded down. Both sides use one price, so the rounding favours nobody.

        Raises ValueError when nothing is covered.
        """
        if self.covered_ms <= 0:
            raise ValueError("no part of the window is covered")
        return self.weighted_ticks // self.covered_ms


def extend_average(
    average: TimeAverage, ticks: int, from_ms: int, to_ms: int, start_ms: int, hold_ms: int
) -> TimeAverage:
    """The average extended by a price in force from `from_ms` until `to_ms`.

    Only the time after `start_ms`, and within `hold_ms` of `from_ms`, counts.
    """
    begin, end = max(from_ms, start_ms), min(to_ms, from_ms + hold_ms)
    if end <= begin:
        return average
    return TimeAverage(average.weighted_ticks + ticks * (end - begin), average.covered_ms + end - begin)


def needed_ms(window_ms: int, coverage_ppm: int) -> int:
    """How much of a window must be covered, rounded up."""
    return mul_div_up(window_ms, coverage_ppm, PPM)


def expected_average_ticks(average: TimeAverage, window_ms: int, forward_ticks: int) -> int:
    """The average that results if the price stays: the covered part as it is, the rest at `forward_ticks`; rounded
    down.

    This is the value of a future inside its window: each block leaves less of it at risk.
    """
    whole = max(window_ms, average.covered_ms)
    return (average.weighted_ticks + (whole - average.covered_ms) * forward_ticks) // whole if whole else forward_ticks


def settlement_value_ticks(kind: InstrumentKind, settlement_ticks: int, strike_ticks: int) -> int:
    """The value of a lot at expiry, in ticks: of an option its intrinsic value, otherwise the settlement price."""
    if kind is InstrumentKind.CALL:
        return max(settlement_ticks - strike_ticks, 0)
    if kind is InstrumentKind.PUT:
        return max(strike_ticks - settlement_ticks, 0)
    return settlement_ticks


def settlement_payments(lots: Sequence[int], value: int, paid_ticks: int, micros_per_tick: int) -> list[int]:
    """What each position receives in micros: lots x (value - ticks already paid) x value of a tick; exact.

    `paid_ticks`: the last settled mark of a marked instrument, 0 for an option, whose premium was paid up front.
    """
    return [position * (value - paid_ticks) * micros_per_tick for position in lots]
