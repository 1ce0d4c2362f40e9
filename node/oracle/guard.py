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


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a source does not count."""

    code: OracleCode
    why: str = ""


def judge(state: SourceState, limits: Limits, now_ms: int) -> Flaw | None:
    """The first rule that the source fails by itself; None: it may be compared with the others."""
    reading = state.reading
    if state.fault is not None and (reading is None or state.fault is OracleCode.MARKET_HALTED):
        return Flaw(state.fault, state.why)
    if reading is None:
        return Flaw(OracleCode.SOURCE_SILENT)
    return book_flaw(reading) or _price_flaw(reading) or _time_flaw(state, reading, limits, now_ms)


def book_flaw(reading: Reading) -> Flaw | None:
    """Whether a book is crossed, locked or lacks a side."""
    bid, ask = reading.bid_e18, reading.ask_e18
    if bid is None or ask is None:
        return None
    if bid <= 0 or ask <= 0:
        return Flaw(OracleCode.BOOK_UNUSABLE, "no bid" if bid <= 0 else "no ask")
    if bid >= ask:
        return Flaw(OracleCode.BOOK_UNUSABLE, "locked" if bid == ask else "crossed")
    return None


def _price_flaw(reading: Reading) -> Flaw | None:
    return Flaw(OracleCode.PRICE_NOT_POSITIVE) if reading.price_e18 <= 0 else None


def _time_flaw(state: SourceState, reading: Reading, limits: Limits, now_ms: int) -> Flaw | None:
    stated = state.arrived_ms if reading.time_ms is None else reading.time_ms
    if stated > now_ms + limits.skew_ms_max:
        return Flaw(OracleCode.CLOCK_SKEWED, f"{stated - now_ms} ms ahead")
    age = age_ms(state, now_ms)
    if age > limits.age_ms_max:
        return Flaw(OracleCode.SOURCE_STALE, f"{age} ms old" + (f"; {state.why}" if state.why else ""))
    if reading.half_width_e18 * PPM > limits.spread_ppm_max * reading.price_e18:
        ppm = reading.half_width_e18 * PPM // reading.price_e18
        return Flaw(OracleCode.SPREAD_TOO_WIDE, f"{ppm} millionths")
    return None
