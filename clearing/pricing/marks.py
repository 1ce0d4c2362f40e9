"""Marks: the value of instruments in ticks at an index, one by one and for many options at once.

Rule: integers in, integers out. The bulk function gives the same marks as the single one; property tests check it. This
module must not know accounts.
"""

from collections.abc import Sequence

import numpy as np

from clearing.base.units import PPM, YEAR_MS
from clearing.pricing import black76, smiles
from clearing.pricing.averages import NO_AVERAGES, Averages, deviation_factor
from clearing.pricing.black76 import option_values
from clearing.pricing.surface import VolatilityInputs, option_volatility
from clearing.schema.risk.carry import carried_ticks, carry_to, future_ticks
from clearing.schema.risk.known_average import KnownAverage, blended_ticks
from clearing.schema.risk.live_surface import ExpiryCarry
from clearing.schema.risk.volatility_surface import VOLATILITY_MIN_PPM
from clearing.schema.terms.instruments import Instrument, InstrumentKind


def years_left(expiry_ms: int, time_ms: int) -> float:
    """Years to expiry, 0 at or after it."""
    return float(max(expiry_ms - time_ms, 0)) / float(YEAR_MS)


def discount_factor(rate_ppm: int, years: float) -> float:
    """1/(1 + rate * years); at most 2, however far below zero the rate is."""
    return 1.0 / max(1.0 + (float(rate_ppm) / float(PPM)) * years, 0.5)


def option_value(
    instrument: Instrument,
    index_ticks: int,
    volatility_ppm: int,
    rate_ppm: int,
    time_ms: int,
    scale: int = 1,
    curve: Sequence[ExpiryCarry] = (),
    known: KnownAverage | None = None,
) -> int:
    """Value of an option times `scale`, from ticks, rounded half to even. `index_ticks` must be positive.

    With `scale` the instrument's micros a tick it is the value of a lot in micros. Forward and discount are those of
    its expiry on the `curve`, or at `rate_ppm` without one. `known`: of the average that it settles at, None for the
    index at expiry.
    """
    years = years_left(instrument.expiry_ms, time_ms)
    carry = carry_to(curve, instrument.expiry_ms, rate_ppm, time_ms)
    forward = carried_ticks(index_ticks, carry)
    settling = blended_ticks(known, forward)
    value = black76.call if instrument.kind is InstrumentKind.CALL else black76.put
    volatility = float(max(volatility_ppm, VOLATILITY_MIN_PPM)) / float(PPM)
    if known is not None:
        volatility *= deviation_factor(known, forward, settling, instrument.expiry_ms - time_ms)
    discount = discount_factor(carry.rate_ppm, years)
    ticks = value(float(settling), float(instrument.strike_ticks), volatility, years, discount)
    return round(ticks * float(scale))


def intrinsic_micros(
    instrument: Instrument,
    index_ticks: int,
    rate_ppm: int,
    time_ms: int,
    curve: Sequence[ExpiryCarry] = (),
    known: KnownAverage | None = None,
) -> int:
    """What a lot of an option is worth without any volatility, in micros: what the forward is in the money,
    discounted, as a float and then rounded down."""
    carry = carry_to(curve, instrument.expiry_ms, rate_ppm, time_ms)
    forward = blended_ticks(known, carried_ticks(index_ticks, carry))
    inside = forward - instrument.strike_ticks
    gain = max(inside if instrument.kind is InstrumentKind.CALL else -inside, 0) * instrument.micros_per_tick
    return int(float(gain) * discount_factor(carry.rate_ppm, years_left(instrument.expiry_ms, time_ms)))


def mark_ticks(
    instrument: Instrument,
    index_ticks: int,
    group: VolatilityInputs,
    rate_ppm: int,
    time_ms: int,
    known: KnownAverage | None = None,
    mark_curve: Sequence[ExpiryCarry] = (),
) -> int:
    """The mark at an index: perpetual the index, dated the forward, option its Black-76 value on the surface.

    `mark_curve`: that dated instruments are marked off (`RiskParameters.mark_curve`), without one at `rate_ppm`.
    `known`: of the average that an option settles at. At or after expiry a future is worth the index and an option its
    intrinsic value. `index_ticks` must be positive.
    """
    if index_ticks <= 0:
        raise ValueError(f"index must be positive, got {index_ticks}")
    if instrument.kind is InstrumentKind.PERPETUAL:
        return index_ticks
    if instrument.carries:
        return future_ticks(index_ticks, mark_curve, instrument.expiry_ms, rate_ppm, time_ms)
    carried = carried_ticks(index_ticks, carry_to(group.curve, instrument.expiry_ms, rate_ppm, time_ms))
    forward = blended_ticks(known, carried)
    tenor_ms = instrument.expiry_ms - time_ms
    volatility = option_volatility(group, float(forward), float(instrument.strike_ticks), tenor_ms)
    return option_value(instrument, index_ticks, volatility, rate_ppm, time_ms, curve=group.curve, known=known)


FEW = 4
"""Up to this number options are faster one by one."""


def option_marks(
    options: Sequence[Instrument],
    index_ticks: int,
    group: VolatilityInputs,
    rate_ppm: int,
    time_ms: int,
    averages: Averages = NO_AVERAGES,
) -> list[int]:
    """The mark of each option at an index. Raises ValueError when `index_ticks` is not positive."""
    averaged = any(option.id in averages for option in options)
    if len(options) <= FEW or averaged:
        return [
            mark_ticks(option, index_ticks, group, rate_ppm, time_ms, averages.get(option.id)) for option in options
        ]
    if index_ticks <= 0:
        raise ValueError(f"index must be positive, got {index_ticks}")
    expiries = sorted({option.expiry_ms for option in options})
    expiry = np.array([expiries.index(option.expiry_ms) for option in options])
    strikes = np.array([option.strike_ticks for option in options], np.float64)
    carries = [carry_to(group.curve, expiry_ms, rate_ppm, time_ms) for expiry_ms in expiries]
    forwards = np.array([carried_ticks(index_ticks, carry) for carry in carries], np.float64)
    years = [years_left(expiry_ms, time_ms) for expiry_ms in expiries]
    discounts = np.array([discount_factor(carry.rate_ppm, year) for carry, year in zip(carries, years, strict=True)])
    if group.surface:
        volatilities = smiles.option_smiles(group, forwards[expiry], strikes, expiries, expiry, time_ms).volatilities
    else:
        volatilities = smiles.flat_smiles(group, len(options)).volatilities
    values = option_values(
        forward=forwards[expiry],
        strike=strikes,
        volatility=np.maximum(volatilities, VOLATILITY_MIN_PPM) / float(PPM),
        years=np.array(years)[expiry],
        discount=discounts[expiry],
        is_call=np.array([option.kind is InstrumentKind.CALL for option in options]),
    )
    return [int(ticks) for ticks in np.rint(values).tolist()]
