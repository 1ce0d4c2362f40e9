"""Marks: what an instrument is worth, in ticks, at an index.

Rule: integer in, integer out. The carry of dated instruments is linear at the annual rate and rounds down; an option is
Black-76 on that forward, discounted by 1/(1 + rate * years), and rounds half to even. It must not know accounts.
"""

from clearing.base.units import PPM, YEAR_MS
from clearing.instruments import Instrument, InstrumentKind
from clearing.pricing import black76
from clearing.pricing.carry import forward_ticks
from clearing.pricing.surface import VOLATILITY_MIN_PPM, Volatile, option_volatility


def years_left(expiry_ms: int, time_ms: int) -> float:
    """Years to expiry, 0 at or after it."""
    return float(max(expiry_ms - time_ms, 0)) / float(YEAR_MS)


def discount_factor(rate_ppm: int, years: float) -> float:
    """1/(1 + rate * years)."""
    return 1.0 / (1.0 + (float(rate_ppm) / float(PPM)) * years)


def option_value(
    instrument: Instrument, index_ticks: int, volatility_ppm: int, rate_ppm: int, time_ms: int, scale: int = 1
) -> int:
    """Value of an option times `scale`, from ticks, rounded half to even. `index_ticks` must be positive.

    With `scale` the instrument's micros a tick it is the value of a lot in micros.
    """
    years = years_left(instrument.expiry_ms, time_ms)
    forward = float(forward_ticks(index_ticks, instrument.expiry_ms, rate_ppm, time_ms))
    value = black76.call if instrument.kind is InstrumentKind.CALL else black76.put
    volatility = float(max(volatility_ppm, VOLATILITY_MIN_PPM)) / float(PPM)
    ticks = value(forward, float(instrument.strike_ticks), volatility, years, discount_factor(rate_ppm, years))
    return round(ticks * float(scale))


def mark_ticks(instrument: Instrument, index_ticks: int, group: Volatile, rate_ppm: int, time_ms: int) -> int:
    """The mark at an index: perpetual the index, dated the carried index, option its Black-76 value on the surface.

    At or after expiry a future is worth the index and an option its intrinsic value. `index_ticks` must be positive.
    """
    if index_ticks <= 0:
        raise ValueError(f"index must be positive, got {index_ticks}")
    if instrument.kind is InstrumentKind.PERPETUAL:
        return index_ticks
    if instrument.carries:
        return forward_ticks(index_ticks, instrument.expiry_ms, rate_ppm, time_ms)
    forward = forward_ticks(index_ticks, instrument.expiry_ms, rate_ppm, time_ms)
    tenor_ms = instrument.expiry_ms - time_ms
    volatility = option_volatility(group, float(forward), float(instrument.strike_ticks), tenor_ms)
    return option_value(instrument, index_ticks, volatility, rate_ppm, time_ms)
