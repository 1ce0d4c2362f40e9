"""Options that settle at an average: how much of the index's deviation is left in it.

Rule: the average counts as log-normal, with its exact forward and the deviation of an arithmetic average to first
order. With volatility s, time to expiry T, window W, a part r of the average not yet known, F the forward of the index
and G that of the average:

    before the window    deviation = s sqrt(T - 2 W / 3)
    inside               deviation = s sqrt(T / 3) r F / G

The two meet where the window begins. Kemna and Vorst (1990) have the variance of the average; matching two moments is
Levy's (1992) approximation. Only correctly rounded operations. This module must not know accounts.
"""

from collections.abc import Mapping, Sequence
from math import sqrt

from clearing.schema.risk.known_average import KnownAverage
from clearing.schema.terms.instruments import Instrument

Averages = Mapping[int, KnownAverage]
"""By id of the option; empty: every option is valued as if it settled on the index at expiry."""
NO_AVERAGES: Averages = {}
INVERSE_SQRT_THREE = 0.5773502691896258


def listed_averages(
    instruments: Sequence[Instrument], covered: Mapping[int, tuple[int, int]], *, enabled: bool
) -> Averages:
    """The averages of all options that have a window, from (ticks x milliseconds, milliseconds) covered by id; none
    where this is not `enabled`."""
    if not enabled:
        return NO_AVERAGES
    return {
        option.id: KnownAverage(option.averaging_ms, *covered.get(option.id, (0, 0)))
        for option in instruments
        if option.is_option and option.averaging_ms
    }


def deviation_factor(known: KnownAverage | None, forward_ticks: int, blended_ticks: int, tenor_ms: int) -> float:
    """The deviation of the average over that of the index at expiry, with the forwards of both."""
    if known is None or tenor_ms <= 0:
        return 1.0
    if tenor_ms >= known.window_ms:
        return sqrt(float(3 * tenor_ms - 2 * known.window_ms) / float(3 * tenor_ms))
    whole = max(known.window_ms, known.covered_ms)
    left = whole - known.covered_ms
    return (float(left * forward_ticks) / float(whole * blended_ticks)) * INVERSE_SQRT_THREE
