"""`judge`: whether what one source says may count, before it is compared with the others.

Rule: pure. The verdict is the first rule that the source fails, in a fixed order; so the same reading at the same time
has the same verdict everywhere.
"""

from dataclasses import dataclass

from node.oracle.readings import PPM, Reading
from node.oracle.source import OracleCode


@dataclass(frozen=True, slots=True)
class Limits:
    """What a feed asks of its sources. Times in milliseconds, ratios in millionths of the price."""

    quorum: int = 2
    """Usable sources without which the feed has no value."""
    age_ms_max: int = 5_000
    skew_ms_max: int = 2_000
    """How far a source's clock may be ahead of the own one."""
    spread_ppm_max: int = 5_000
    """Of half the spread, or the confidence."""
    deviation_ppm_max: int = 10_000
    """From those of most sources."""
    jump_ppm_max: int = 50_000
    """From the source's own last usable price."""
    jump_ms: int = 10_000
    """After so long the last usable price is no measure of a jump."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """What is known of a source now. `fault`: why its connection or market gives nothing, None if it does."""

    name: str
    reading: Reading | None = None
    arrived_ms: int = 0
    """When the reading came, by the own clock."""
    fault: OracleCode | None = None
    why: str = ""


def age_ms(state: SourceState, now_ms: int) -> int:
    """Since the time that the source states, or since it came where it states none. Never negative."""
    reading = state.reading
    stated = state.arrived_ms if reading is None or reading.time_ms is None else reading.time_ms
    return max(0, now_ms - min(stated, state.arrived_ms))
