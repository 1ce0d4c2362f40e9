"""Instruments: what is cleared, as governance data, and the carry of dated instruments.

Rule: an instrument is a value that does not change between blocks. Carry is linear at the annual rate, in integers and
without a numerical library, so that reading genesis loads none. This module must not know prices, accounts or risk
parameters.
"""

from collections.abc import Iterable
from enum import IntEnum
from itertools import pairwise

from clearing.base.codec import U32, U63, Wire
from clearing.base.errors import BaseCode, LocalFault
from clearing.base.units import PPM, YEAR_MS
from clearing.schema.terms.prices import AVERAGING_MS_MAX, FundingTerms, check_funding_terms

MICROS_PER_TICK_MAX = 2**16
"""Largest value of one tick for one lot. With `INDEX_TICKS_MAX` it keeps every risk array entry below 2^62."""

INSTRUMENT_ID_MAX = 2**32 - 2
"""Both numbers beyond the ids mean something else where gains are recorded."""
INDEX_TICKS_MAX = 2**40 - 1
"""Largest index or strike in ticks (about 1.1 * 10^10 settlement units). Reports above it are refused, not clamped."""


class InstrumentKind(IntEnum):
    """What a lot pays."""

    PERPETUAL = 1
    FUTURE = 2
    CALL = 3
    """European, cash-settled at expiry on the index, premium paid up front."""
    PUT = 4
    FORWARD = 5
    """Spot at a later date: marked like a future; at expiry delivered as a token against cash, or settled in cash."""


class Instrument(Wire, frozen=True):
    """One instrument. Ids start at 1."""

    id: U32
    name: str
    kind: InstrumentKind
    feed: U32
    group: U32
    """Risk group: losses offset fully inside it."""
    cash_group: U32
    """The cash group it settles in."""
    micros_per_tick: U63
    """Value in micros of one tick for one lot."""
    expiry_ms: U63 = 0
    """0 for perpetuals."""
    strike_ticks: U63 = 0
    """0 except for options."""
    band_ppm: U32 = 100_000
    """Largest distance of a trade's price from the mark."""
    averaging_ms: U63 = 0
    """Settled at the time average of the index over this long before expiry; 0: at the index at expiry."""
    funding: FundingTerms = FundingTerms()
    """For perpetuals."""
    delivery_asset: U32 = 0
    """The token that a forward delivers; 0: settled in cash."""

    @property
    def carries(self) -> bool:
        """Whether its mark is the index carried to expiry."""
        return self.kind in (InstrumentKind.FUTURE, InstrumentKind.FORWARD)

    @property
    def is_option(self) -> bool:
        """Whether the full premium was paid, so that the position itself has a value."""
        return self.kind in (InstrumentKind.CALL, InstrumentKind.PUT)

    @property
    def is_marked(self) -> bool:
        """Whether gains are paid in cash every block, so that the position itself has no value."""
        return not self.is_option

    def expired(self, time_ms: int) -> bool:
        """Whether block time has reached expiry; never for a perpetual."""
        return self.kind is not InstrumentKind.PERPETUAL and time_ms >= self.expiry_ms


def check_instruments(instruments: Iterable[Instrument]) -> None:
    """Check ids (from 1, strictly rising), unique names and every field's range.

    Raises LocalFault OUT_OF_RANGE naming the instrument and the field.
    """
    listed = tuple(instruments)
    if any(a.id >= b.id for a, b in pairwise(listed)) or len({instrument.name for instrument in listed}) != len(listed):
        raise LocalFault(BaseCode.OUT_OF_RANGE, "instruments", why="ids must rise and names be unique")
    for instrument in listed:
        dated = instrument.kind is not InstrumentKind.PERPETUAL
        checks = (
            ("id", instrument.id, 1 <= instrument.id <= INSTRUMENT_ID_MAX),
            ("micros_per_tick", instrument.micros_per_tick, 1 <= instrument.micros_per_tick <= MICROS_PER_TICK_MAX),
            ("expiry_ms", instrument.expiry_ms, (instrument.expiry_ms > 0) is dated),
            ("strike_ticks", instrument.strike_ticks, (instrument.strike_ticks > 0) is instrument.is_option),
            ("strike_ticks", instrument.strike_ticks, instrument.strike_ticks <= INDEX_TICKS_MAX),
            ("band_ppm", instrument.band_ppm, 1 <= instrument.band_ppm <= 1_000_000),
            ("cash_group", instrument.cash_group, instrument.cash_group >= 1),
            ("averaging_ms", instrument.averaging_ms, instrument.averaging_ms <= AVERAGING_MS_MAX),
            ("averaging_ms", instrument.averaging_ms, dated or instrument.averaging_ms == 0),
            (
                "delivery_asset",
                instrument.delivery_asset,
                instrument.delivery_asset == 0 or instrument.kind is InstrumentKind.FORWARD,
            ),
        )
        for field, value, ok in checks:
            if not ok:
                raise LocalFault(BaseCode.OUT_OF_RANGE, f"instruments.{instrument.name}.{field}", value=value)
        check_funding_terms(instrument.name, instrument.funding, perpetual=not dated)


def forward_ticks(index_ticks: int, expiry_ms: int, rate_ppm: int, time_ms: int) -> int:
    """Index plus linear carry to expiry, rounded down; the index itself at or after expiry."""
    left_ms = max(expiry_ms - time_ms, 0)
    return index_ticks + index_ticks * rate_ppm * left_ms // (PPM * YEAR_MS)
