"""A group's volatility surface out of a state of Heston's variance, in the engine's own parameters.

Rule: the result passes the same checks of arbitrage as a voted surface. It must not know prices or books.

With x = kappa T and v the variance now, expiry T has (Heston 1993 for the level; Bergomi, "Stochastic Volatility
Modeling", 2016, for the skew at first order in the volatility of variance, here at the expiry's own level):

    level   sigma(T)^2 = theta + (v - theta) (1 - e^-x) / x
    skew    d sigma / d ln(K/F) = rho xi / (2 sigma(T)) * (x - 1 + e^-x) / x^2

The engine's smile has the slope s e / (2 sqrt(T)) at the money, so its tilt s is rho and its wing e is
xi sqrt(T) / sigma(T) * (x - 1 + e^-x) / x^2, cut to what the checks of arbitrage allow.
"""

from math import ceil, expm1, sqrt

from clearing.base.units import DAY_MS, PPM, YEAR_MS
from clearing.schema.risk.volatility_surface import VolPillar, surface_checks
from lab.option_backtest.variance_path import HestonFit

TENORS_MS = tuple(days * DAY_MS for days in (1, 7, 30, 90, 180))
REFERENCE_AT = 2
"""Thirty days: the level that the group's volatility is."""
CUTS_MAX = 64


def simulated_surface(fit: HestonFit, variance: float) -> tuple[int, tuple[VolPillar, ...]]:
    """The group's volatility in ppm and its pillars, without arbitrage."""
    levels = [sqrt(_level(fit, variance, tenor / YEAR_MS)) for tenor in TENORS_MS]
    volatility_ppm = round(levels[REFERENCE_AT] * PPM)
    skew_ppm = round(fit.rho * PPM)
    pillars: list[VolPillar] = []
    for tenor, level in zip(TENORS_MS, levels, strict=True):
        years = tenor / YEAR_MS
        wing = fit.xi * sqrt(years) / level * _slope(fit.kappa * years)
        pillar = VolPillar(tenor, round(level * PPM / volatility_ppm * PPM), skew_ppm, int(wing * PPM))
        pillars.append(_cut(pillars[-1] if pillars else None, pillar))
    return volatility_ppm, _without_butterflies(pillars, volatility_ppm)


def _level(fit: HestonFit, variance: float, years: float) -> float:
    x = fit.kappa * years
    return fit.theta + (variance - fit.theta) * (-expm1(-x) / x)


def _slope(x: float) -> float:
    """(x - 1 + e^-x) / x^2, by its series where the difference loses digits."""
    return 0.5 - x / 6.0 + x * x / 24.0 if x < 1e-3 else (x + expm1(-x)) / (x * x)


def _cut(near: VolPillar | None, far: VolPillar) -> VolPillar:
    """The far wing as it is, or as large as calendar spreads allow: p / t must not rise, p must not fall."""
    if near is None:
        return far
    before, after = near.level_ppm**2 * near.tenor_ms, far.level_ppm**2 * far.tenor_ms
    most = int(near.wing_ppm * sqrt(after / before))
    least = ceil(near.wing_ppm * sqrt(before / after))
    wing = max(min(far.wing_ppm, most), least)
    while wing and wing**2 * before > near.wing_ppm**2 * after:
        wing -= 1
    return VolPillar(far.tenor_ms, far.level_ppm, far.skew_ppm, wing)


def _without_butterflies(pillars: list[VolPillar], volatility_ppm: int) -> tuple[VolPillar, ...]:
    """All wings a tenth smaller, as often as the checks refuse the surface; a flat one is never refused."""
    for _ in range(CUTS_MAX):
        if all(good for _, _, good in surface_checks(pillars, volatility_ppm)):
            break
        smaller: list[VolPillar] = []
        for each in pillars:
            pillar = VolPillar(each.tenor_ms, each.level_ppm, each.skew_ppm, each.wing_ppm * 9 // 10)
            smaller.append(_cut(smaller[-1] if smaller else None, pillar))
        pillars = smaller
    return tuple(pillars)
