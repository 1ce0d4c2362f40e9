"""The short-option minimum: what each lot of an option that is short costs, however far its strike is away.

Rule: a fraction of the lot's notional at the index, whatever the scenarios say. A risk group requires the larger of its
scan loss and the sum of these, so an option that no scenario reaches is not free to write. It must not know accounts.
"""

from collections.abc import Sequence

from clearing.instruments import Instrument
from clearing.margin.charges import rate_micros
from clearing.margin.parameters import RiskParameters


def short_rates(
    instruments: Sequence[Instrument], index_ticks: Sequence[int], parameters: RiskParameters
) -> tuple[int, ...]:
    """[m] micros for each short lot, rounded up; 0 for what is no option."""
    fractions = {group.id: group.short_option_ppm for group in parameters.groups}
    return tuple(
        rate_micros(ticks * each.micros_per_tick, fractions[each.group]) if each.is_option else 0
        for each, ticks in zip(instruments, index_ticks, strict=True)
    )
