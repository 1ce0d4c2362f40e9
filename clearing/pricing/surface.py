"""Volatility surfaces as data: how volatility varies with strike and expiry, and how far scenarios shift it.

Rule: parameters are integers, and so is every resulting volatility; between them only correctly rounded operations. It
must not know instruments, scenarios or accounts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Protocol

from clearing.base.units import PPM, YEAR_MS, mul_div_up
from clearing.pricing import elementary
from clearing.schema.risk.live_surface import ExpiryCarry
from clearing.schema.risk.volatility_surface import (
    FLAT,
    REFERENCE_MS,
    VOLATILITY_MAX_PPM,
    VOLATILITY_MIN_PPM,
    VolPillar,
    VolShock,
)


class VolatilityInputs(Protocol):
    """The fields of a risk group that determine volatility (`clearing.schema.risk.parameters.RiskGroup`)."""

    @property
    def volatility_ppm(self) -> int:
        """Annualised; the pillars' levels are fractions of it."""

    @property
    def surface(self) -> tuple[VolPillar, ...]:
        """Rising in time to expiry; empty: flat."""

    @property
    def curve(self) -> tuple[ExpiryCarry, ...]:
        """Forwards and rates by rising expiry; empty: the index is carried at one rate."""


@dataclass(frozen=True, slots=True)
class Smile:
    """One expiry's smile: total variance w(k) = (t + c k + sqrt((p k)^2 + 2 c k t + t^2)) / 2, k = ln(strike/forward).

    t is the variance at the money, p the opening and c the opening times the tilt. With p = wing * sqrt(t) and c = skew
    * p this is the surface SVI of Gatheral and Jacquier, "Arbitrage-free SVI volatility surfaces" (2014), with their
    power law of one half.
    """

    years: float
    at_money: float
    opening: float
    tilt: float


def smile_at(pillars: Sequence[VolPillar], volatility_ppm: int, tenor_ms: int) -> Smile:
    """The smile of options with `tenor_ms` > 0 to expiry.

    Between two pillars t, p and c are linear in time, which keeps a surface free of arbitrage that is so at its pillars
    (Corbetta, Cohort, Laachir, Martini, "Robust calibration and arbitrage-free interpolation of SSVI slices", 2019);
    beyond the first and last pillar, level, skew and wing are constant.
    """
    after = next((at for at, pillar in enumerate(pillars) if tenor_ms <= pillar.tenor_ms), len(pillars))
    if after in (0, len(pillars)):
        return _pillar_smile(pillars[min(after, len(pillars) - 1)], volatility_ppm, tenor_ms)
    low, high = pillars[after - 1], pillars[after]
    near = _pillar_smile(low, volatility_ppm, low.tenor_ms)
    far = _pillar_smile(high, volatility_ppm, high.tenor_ms)
    part = float(tenor_ms - low.tenor_ms) / float(high.tenor_ms - low.tenor_ms)
    return Smile(
        years=float(tenor_ms) / float(YEAR_MS),
        at_money=near.at_money + part * (far.at_money - near.at_money),
        opening=near.opening + part * (far.opening - near.opening),
        tilt=near.tilt + part * (far.tilt - near.tilt),
    )


def _pillar_smile(pillar: VolPillar, volatility_ppm: int, tenor_ms: int) -> Smile:
    years = float(tenor_ms) / float(YEAR_MS)
    level = (float(volatility_ppm) / float(PPM)) * (float(pillar.level_ppm) / float(PPM))
    at_money = (level * level) * years
    opening = (float(pillar.wing_ppm) / float(PPM)) * sqrt(at_money)
    return Smile(years, at_money, opening, (float(pillar.skew_ppm) / float(PPM)) * opening)


def _smile_volatility(smile: Smile, log_moneyness: float) -> int:
    """Volatility in ppm, rounded half to even, within [`VOLATILITY_MIN_PPM`, `VOLATILITY_MAX_PPM`]."""
    t, k = smile.at_money, log_moneyness
    reach = smile.opening * k
    lean = smile.tilt * k
    root = sqrt(max(reach * reach + (2.0 * lean) * t + t * t, 0.0))
    variance = max(0.5 * ((t + lean) + root), 0.0)
    return bounded_volatility(round(sqrt(variance / smile.years) * float(PPM)))


def log_moneyness(forward: float, strike: float) -> float:
    """ln(strike/forward)."""
    if strike >= forward:
        return elementary.log_ratio(strike, forward)
    return -elementary.log_ratio(forward, strike)


def option_volatility(group: VolatilityInputs, forward: float, strike: float, tenor_ms: int) -> int:
    """Volatility in ppm at which an option is marked. At or after expiry, and without a surface, the group's."""
    if not group.surface or tenor_ms <= 0:
        return group.volatility_ppm
    smile = smile_at(group.surface, group.volatility_ppm, tenor_ms)
    return _smile_volatility(smile, log_moneyness(forward, strike))


def option_deviations(group: VolatilityInputs, log_moneyness: float, tenor_ms: int) -> float:
    """Standard deviations of a strike out of the money; below zero for low strikes, 0 at expiry."""
    if tenor_ms <= 0:
        return 0.0
    smile = smile_at(group.surface or FLAT, group.volatility_ppm, tenor_ms)
    return log_moneyness / sqrt(smile.at_money)


def bounded_volatility(volatility_ppm: int) -> int:
    """Clamped to the limits of every priced volatility."""
    return min(max(volatility_ppm, VOLATILITY_MIN_PPM), VOLATILITY_MAX_PPM)


def term_factor_ppm(shock: VolShock, tenor_ms: int) -> int:
    """(30 days / time to expiry)^p in ppm, rounded half to even; exactly 1_000_000 where p is 0."""
    tenor = max(tenor_ms, shock.tenor_min_ms)
    power = shock.short_power_ppm if tenor <= REFERENCE_MS else shock.long_power_ppm
    if power == 0:
        return PPM
    exponent = (float(power) / float(PPM)) * elementary.log(float(REFERENCE_MS) / float(tenor))
    return round(elementary.exp(exponent) * float(PPM))


def shock_sizes(shock: VolShock, range_ppm: int, volatility_ppm: int, tenor_ms: int) -> tuple[int, int]:
    """How far volatility moves up and down in a scenario, in ppm of a year's; both rounded up."""
    factor = term_factor_ppm(shock, tenor_ms)
    base = mul_div_up(range_ppm, volatility_ppm, PPM) if shock.relative else range_ppm
    up = min(mul_div_up(min(base, VOLATILITY_MAX_PPM), factor, PPM), VOLATILITY_MAX_PPM)
    return up, mul_div_up(up, shock.down_ppm, PPM)


def stated_move(shock: VolShock, relative_ppm: int, volatility_ppm: int, tenor_ms: int) -> int:
    """How far volatility moves for a stated relative move at 30 days, in ppm of a year's, rounded away from zero."""
    if not relative_ppm:
        return 0
    size = mul_div_up(abs(relative_ppm), volatility_ppm, PPM)
    size = min(mul_div_up(min(size, VOLATILITY_MAX_PPM), term_factor_ppm(shock, tenor_ms), PPM), VOLATILITY_MAX_PPM)
    return size if relative_ppm > 0 else -size


def skew_shares(shock: VolShock, deviations: float) -> tuple[int, int]:
    """Relative changes of volatility in ppm at full tilt (signed) and full lift, at this distance from the money."""
    width = float(shock.skew_width_ppm) / float(PPM)
    reach = min(max(deviations / width, -1.0), 1.0)
    return round(reach * float(shock.skew_linear_ppm)), round(abs(reach) * float(shock.skew_absolute_ppm))
