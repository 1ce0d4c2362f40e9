"""The margin period of risk: how long the margin of each instrument is to last, and how long closing out takes.

Rule: both follow from genesis and a block time, for the slowest path that the rules permit: a call with its whole
deadline, a sale of slices in which nobody bids, every step, and then the default auction. Caps of a block
(`block_notional_max`, `block_loss_max`) and closed prices come on top and are not counted. Source of the term:
CPMI-IOSCO PFMI, Principle 6: an appropriate close-out period.
"""

from math import isqrt

import msgspec

from clearing.base.units import PPM
from clearing.schema.terms.genesis import CrisisParameters, Genesis
from clearing.schema.terms.margin_calls import LiquidationTerms


class CloseOutTime(msgspec.Struct, frozen=True):
    """Blocks from the price that brings an account below its trigger to the end of its positions, at most."""

    call: int
    sale: int
    """Slices for sale among members."""
    steps: int
    """Steps of backstop and house after the sale."""
    auction: int
    """The default's: bids for the estate, or porting where that is longer."""

    @property
    def blocks(self) -> int:
        """All of it, one after another."""
        return self.call + self.sale + self.steps + self.auction


class MarginPeriod(msgspec.Struct, frozen=True):
    """What an instrument's margin assumes and what the rules take, in milliseconds."""

    instrument: str
    group: str
    range_ppm: int
    """Price scan range at genesis."""
    assumed_ms: int
    """The horizon of the ranges; 0: genesis states none, and ranges do not move."""
    taken_ms: int
    """By calls, sale, steps and auction."""
    congested_assumed_ms: int
    """The same while chains and oracles are as late as the ranges count at most."""
    congested_taken_ms: int
    """The same while deadlines are extended by every step of congestion."""
    range_needed_ppm: int
    """The range that would cover the time taken, if deviations grow with the root of time; rounded up."""

    @property
    def covered(self) -> bool:
        """Whether the margin assumes at least the time that the rules take, in normal times and congested."""
        return self.taken_ms <= self.assumed_ms and self.congested_taken_ms <= self.congested_assumed_ms


class MarginPeriods(msgspec.Struct, frozen=True):
    """Every instrument of a genesis at a block time."""

    block_ms: int
    close_out: CloseOutTime
    instruments: tuple[MarginPeriod, ...]
    warnings: tuple[str, ...]


def close_out_time(crisis: CrisisParameters) -> CloseOutTime:
    """The longest that each stage takes, in blocks, without congestion."""
    default = crisis.default
    return CloseOutTime(
        call=crisis.calls.deadline_blocks,
        sale=crisis.liquidation.auction_blocks,
        steps=_step_blocks(crisis.liquidation),
        auction=max(default.auction_blocks, default.porting_blocks) if default.enabled else 0,
    )


def _step_blocks(terms: LiquidationTerms) -> int:
    """Blocks from the first step to the last one, which comes after `steps_max` steps and takes all that is left."""
    stepped = terms.step_ppm < PPM or terms.step_notional_max
    return terms.steps_max * (1 + terms.cooldown_blocks) if stepped else 0


def margin_periods(genesis: Genesis, block_ms: int) -> MarginPeriods:
    """State each instrument's margin period of risk; blocks take `block_ms` (above 0)."""
    ranges, calls = genesis.ranges, genesis.crisis.calls
    close_out = close_out_time(genesis.crisis)
    assumed = ranges.horizon_ms if ranges.enabled else 0
    late = ranges.lateness_ms_max if ranges.enabled else 0
    extension = calls.congestion_steps_max * calls.congestion_step_blocks if calls.deadline_blocks else 0
    taken = close_out.blocks * block_ms
    groups = {group.id: group for group in genesis.risk.groups}
    periods = []
    for instrument in genesis.instruments:
        group = groups[instrument.group]
        periods.append(
            MarginPeriod(
                instrument=instrument.name,
                group=group.name,
                range_ppm=group.range_ppm,
                assumed_ms=assumed,
                taken_ms=taken,
                congested_assumed_ms=assumed + late,
                congested_taken_ms=taken + extension * block_ms,
                range_needed_ppm=_range_for(group.range_ppm, assumed, taken),
            )
        )
    return MarginPeriods(block_ms, close_out, tuple(periods), tuple(map(_warning, _uncovered(periods))))


def _range_for(range_ppm: int, assumed_ms: int, taken_ms: int) -> int:
    """The range times the root of taken over assumed time, rounded up; the range itself where it is enough."""
    if not assumed_ms or taken_ms <= assumed_ms:
        return range_ppm
    return isqrt((range_ppm**2 * taken_ms - 1) // assumed_ms) + 1


def _uncovered(periods: list[MarginPeriod]) -> list[MarginPeriod]:
    return [period for period in periods if not period.covered]


def _warning(period: MarginPeriod) -> str:
    """One sentence for people."""
    if not period.assumed_ms:
        return f"{period.instrument}: genesis states no horizon, and closing out takes up to {period.taken_ms} ms"
    if period.taken_ms > period.assumed_ms:
        return (
            f"{period.instrument}: margin assumes {period.assumed_ms} ms, and closing out takes up to "
            f"{period.taken_ms} ms; that needs a range of {period.range_needed_ppm} ppm, not {period.range_ppm}"
        )
    return (
        f"{period.instrument}: in congestion margin assumes {period.congested_assumed_ms} ms, and closing out takes "
        f"up to {period.congested_taken_ms} ms"
    )


def periods_text(periods: MarginPeriods) -> str:
    """The table that the command prints."""
    stages = periods.close_out
    lines = [
        f"blocks of {periods.block_ms} ms: call {stages.call}, sale {stages.sale}, steps {stages.steps},"
        f" auction {stages.auction}, together {stages.blocks}"
    ]
    lines += [
        f"{each.instrument:<16} assumed {each.assumed_ms} ms, taken {each.taken_ms} ms;"
        f" in congestion {each.congested_assumed_ms} and {each.congested_taken_ms} ms;"
        f" range {each.range_ppm} ppm, needed {each.range_needed_ppm}"
        for each in periods.instruments
    ]
    return "\n".join([*lines, *(f"warning: {warning}" for warning in periods.warnings)])
