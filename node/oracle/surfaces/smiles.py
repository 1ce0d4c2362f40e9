"""`fit_smiles`: level, skew and wing of every expiry at once, without arbitrage by construction.

Rule: the parameters are nested so that every point inside plain bounds satisfies the conditions of
`clearing.schema.risk.volatility_surface` with a margin of `MARGIN`, which rounding does not use up. So the solver needs
no constraints but bounds. scipy is loaded at the first fit, not when the node starts.

With t the variance at the money, p the opening and s the skew of one expiry, and of the one before it t', p', s':

- ln t = ln t' + 5 m + d, d >= 0;
- ln p between ln p' + 2 m and the least of ln p' + (ln t - ln t') - m, ln(E sqrt(t)), ln C;
- s between q (1 + s') - 1 and 1 - q (1 - s') with q = (1 + m) p' / p, and within the largest skew.

E and C are what excludes butterflies at the largest skew. Sources: Corbetta, Cohort, Laachir, Martini (2019); Gatheral
and Jacquier (2014).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from time import sleep
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Smile: TypeAlias = tuple[Floats, Floats, Floats]
"""(ln t, ln p, s) of one expiry, each of as many points as are evaluated at once."""

MARGIN = 1e-3
SKEW_MAX = 0.95
WING_MIN = 0.02
"""Of the first expiry: what is flatter counts as flat."""
WING_MAX = sqrt(4.0 / (1.0 + SKEW_MAX)) * (1.0 - MARGIN)
OPENING_MAX = 4.0 / (1.0 + SKEW_MAX) * (1.0 - MARGIN)
LEVEL_MIN, LEVEL_MAX = 0.02, 9.0
GROWTH_MAX = 12.0
"""Of ln t from one expiry to the next."""
RICH_QUOTES = 5
"""Strikes without which an expiry takes skew and wing from its neighbours."""
STIFFNESS_RICH, STIFFNESS_POOR = 0.02, 2.0
"""Weight of a neighbour's skew and wing, in standard errors of a quote."""
SHAPE_UNIT = 0.2
WEIGHT_MAX = 12.0
"""An expiry's quotes count as at most so many."""
OUTLIER_SCALES = 6.0
EVALUATIONS_MAX = 120
"""Of one fit. What has not converged by then is free of arbitrage, too."""


@dataclass(frozen=True, slots=True)
class SmileQuotes:
    """One expiry's volatilities: ln(strike/forward), volatility and half-width of each quote, of equal length."""

    years: float
    moneyness: Floats
    volatility: Floats
    half_width: Floats

    @property
    def is_rich(self) -> bool:
        """Whether skew and wing are its own: enough strikes, on both sides of the money."""
        strikes = np.unique(self.moneyness)
        return strikes.size >= RICH_QUOTES and bool(strikes[1] < 0.0 < strikes[-2])


@dataclass(frozen=True, slots=True)
class FittedSmile:
    """`level`: volatility at the money, a year's; `skew`, `wing` as of a `VolPillar`, as fractions.

    `has_own_shape`: else skew and wing are the neighbours'. `error`: root mean square over the quotes that were used,
    in volatility. `used` of `quotes`: the others are outliers.
    """

    years: float
    level: float
    skew: float
    wing: float
    has_own_shape: bool
    error: float
    used: int
    quotes: int


def smile_volatility(smile: FittedSmile, moneyness: Floats) -> Floats:
    """The fitted volatility at ln(strike/forward)."""
    at_money = smile.level**2 * smile.years
    opening = smile.wing * sqrt(at_money)
    return _volatilities(at_money, opening, smile.skew * opening, smile.years, moneyness)


def _volatilities(
    at_money: Floats | float, opening: Floats | float, tilt: Floats | float, years: Floats | float, k: Floats
) -> Floats:
    lean = tilt * k
    root = np.sqrt(np.maximum((opening * k) ** 2 + 2.0 * lean * at_money + np.square(at_money), 0.0))
    total: Floats = np.maximum(0.5 * (at_money + lean + root), 1e-18)
    return np.sqrt(total / years)


class _Nested:
    """The map from bounded parameters, three an expiry, to (t, p, s) of every expiry."""

    def __init__(self, years: Sequence[float]) -> None:
        self.years = years
        last = log(OPENING_MAX * sqrt(min(1.0, years[-1])))
        steps = len(years) - 1
        self._caps = [last - 2.0 * MARGIN * (steps - at) for at in range(len(years))]
        first = log(LEVEL_MIN**2 * years[0]), log(LEVEL_MAX**2 * years[0])
        self.low = np.array([first[0], 0.0, 0.0, *[0.0, 0.0, 0.0] * steps])
        self.high = np.array([first[1], 1.0, 1.0, *[GROWTH_MAX, 1.0, 1.0] * steps])

    def _range_of_opening(self, at: int, ln_t: Floats, before: Smile | None) -> tuple[Floats, Floats]:
        """Of ln p."""
        most = np.minimum(log(WING_MAX) + 0.5 * ln_t, self._caps[at])
        if before is None:
            return np.minimum(log(WING_MIN) + 0.5 * ln_t, most), most
        ln_t_before, ln_p_before, _ = before
        return ln_p_before + 2.0 * MARGIN, np.minimum(most, ln_p_before + (ln_t - ln_t_before) - MARGIN)

    def _range_of_skew(self, ln_p: Floats, before: Smile | None) -> tuple[Floats, Floats]:
        if before is None:
            return np.array(-SKEW_MAX), np.array(SKEW_MAX)
        _, ln_p_before, skew_before = before
        q = (1.0 + MARGIN) * np.exp(ln_p_before - ln_p)
        return np.maximum(q * (1.0 + skew_before) - 1.0, -SKEW_MAX), np.minimum(1.0 - q * (1.0 - skew_before), SKEW_MAX)

    def smiles(self, x: Floats) -> list[Smile]:
        """(ln t, ln p, s) of every expiry, each of as many points as x has columns; x has a row for each parameter."""
        found: list[Smile] = []
        before: Smile | None = None
        for at in range(len(self.years)):
            growth, part, side = x[3 * at : 3 * at + 3]
            ln_t = growth if before is None else before[0] + 5.0 * MARGIN + growth
            low, high = self._range_of_opening(at, ln_t, before)
            ln_p = low + part * (high - low)
            left, right = self._range_of_skew(ln_p, before)
            before = (ln_t, ln_p, left + side * (right - left))
            found.append(before)
        return found

    def near(self, wanted: Sequence[tuple[float, float, float]]) -> Floats:
        """Parameters, inside the bounds, of smiles that are near to (level, skew, wing) of every expiry."""
        x: list[float] = []
        before: Smile | None = None
        for at, (level, skew, wing) in enumerate(wanted):
            wanted_t = 2.0 * log(level) + log(self.years[at])
            growth = wanted_t if before is None else max(wanted_t - float(before[0]) - 5.0 * MARGIN, 1e-3)
            growth = min(max(growth, float(self.low[3 * at]) + 1e-6), float(self.high[3 * at]) - 1e-6)
            ln_t = np.array(growth) if before is None else before[0] + 5.0 * MARGIN + growth
            part, ln_p = _inside(log(wing) + 0.5 * float(ln_t), *self._range_of_opening(at, ln_t, before))
            side, skew_in = _inside(skew, *self._range_of_skew(ln_p, before))
            before = (ln_t, ln_p, skew_in)
            x += [growth, part, side]
        return np.array(x)


def _inside(wanted: float, low: Floats, high: Floats) -> tuple[float, Floats]:
    """As a fraction of the range, away from its ends, and the value there."""
    if high - low < 1e-12:
        return 0.5, low
    part = min(max(float((wanted - low) / (high - low)), 0.02), 0.98)
    return part, low + part * (high - low)


class _Problem:
    """Residuals in standard errors: of the quotes, then of neighbours' shapes."""

    def __init__(self, quotes: Sequence[SmileQuotes]) -> None:
        self.nested = _Nested([each.years for each in quotes])
        self._which = np.repeat(np.arange(len(quotes)), [each.moneyness.size for each in quotes])
        self._k = np.concatenate([each.moneyness for each in quotes])
        self._volatility = np.concatenate([each.volatility for each in quotes])
        half_width = np.concatenate([each.half_width for each in quotes])
        shares = [sqrt(min(1.0, WEIGHT_MAX / max(1, each.moneyness.size))) for each in quotes]
        self._scale = np.array(shares)[self._which] / half_width
        self._years = np.array([each.years for each in quotes])[self._which]
        rich = [each.is_rich for each in quotes]
        both = [a and b for a, b in zip(rich[1:], rich[:-1], strict=True)]
        self._stiffness = np.array([STIFFNESS_RICH if each else STIFFNESS_POOR for each in both]) / SHAPE_UNIT
        self._anchor = 0.0 if any(rich) else STIFFNESS_POOR / SHAPE_UNIT

    def residuals(self, x: Floats) -> Floats:
        """One evaluation, after which a thread that waits for the interpreter has its turn: a vote, for one."""
        found: Floats = self._residuals(x[:, None])[:, 0]
        return found

    def jacobian(self, x: Floats) -> Floats:
        """By forward differences, backward ones at an upper bound: every moved point in one evaluation."""
        step = sqrt(np.finfo(np.float64).eps) * np.maximum(1.0, np.abs(x))
        step = np.where(x + step > self.nested.high, -step, step)
        found = self._residuals(np.column_stack([x, x[:, None] + np.diag(step)]))
        difference: Floats = found[:, 1:] - found[:, :1]
        return difference / ((x + step) - x)

    def _residuals(self, x: Floats) -> Floats:
        """A row a residual, a column a point, as in x."""
        sleep(0)
        smiles = np.array(self.nested.smiles(x))
        t, p, skew = np.exp(smiles[:, 0]), np.exp(smiles[:, 1]), smiles[:, 2]
        at = self._which
        fitted = _volatilities(t[at], p[at], (skew * p)[at], self._years[:, None], self._k[:, None])
        wing = p / np.sqrt(t)
        stiffness = self._stiffness[:, None]
        shapes = [np.diff(wing, axis=0) * stiffness, np.diff(skew, axis=0) * stiffness]
        if self._anchor:
            shapes.append(np.array([skew[0], wing[0]]) * self._anchor)
        return np.concatenate([(fitted - self._volatility[:, None]) * self._scale[:, None], *shapes])

    def solve(self, start: Floats) -> Floats:
        """The best parameters that are found from these."""
        least_squares = _solver()
        nested = self.nested
        found = least_squares(
            self.residuals,
            np.clip(start, nested.low, nested.high),
            jac=self.jacobian,
            bounds=(nested.low, nested.high),
            loss="soft_l1",
            method="trf",
            x_scale="jac",
            ftol=1e-6,
            xtol=1e-7,
            gtol=1e-7,
            max_nfev=EVALUATIONS_MAX,
        )
        solution: Floats = found.x
        return solution


def _solver() -> Any:
    """Loaded at the first fit. Its linear algebra reads its number of threads then: more than one wait for each other
    on busy cores, and make a fit of 50 ms one of seconds."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from scipy.optimize import least_squares

    return least_squares


def fit_smiles(
    quotes: Sequence[SmileQuotes], start: Sequence[tuple[float, float, float]] | None = None
) -> tuple[FittedSmile, ...]:
    """Smiles of expiries that rise in time and have a quote each. O(quotes x expiries) an evaluation.

    `start`: (level, skew, wing) of every expiry to begin from. Fits, leaves out what is far, and fits again.
    """
    problem = _Problem(quotes)
    x = problem.solve(problem.nested.near(start or [_guess(each) for each in quotes]))
    kept = [each if flags.all() else _only(each, flags) for each, flags in _near_fit(problem, x, quotes)]
    if any(a is not b for a, b in zip(kept, quotes, strict=True)):
        problem = _Problem(kept)
        x = problem.solve(x)
    return tuple(
        _fitted(smile, own, given) for smile, own, given in zip(problem.nested.smiles(x), kept, quotes, strict=True)
    )


def _guess(quotes: SmileQuotes) -> tuple[float, float, float]:
    nearest = np.argsort(np.abs(quotes.moneyness))[:5]
    level = float(np.median(quotes.volatility[nearest]))
    return min(max(level, 1.5 * LEVEL_MIN), LEVEL_MAX / 1.5), -0.05, 0.6


def _near_fit(
    problem: _Problem, x: Floats, quotes: Sequence[SmileQuotes]
) -> list[tuple[SmileQuotes, NDArray[np.bool_]]]:
    """Which quotes of each expiry are near to it, by the median distance; at least half of them."""
    found = []
    for each, (ln_t, ln_p, skew) in zip(quotes, problem.nested.smiles(x), strict=True):
        opening = exp(ln_p)
        distance = np.abs(
            _volatilities(exp(ln_t), opening, skew * opening, each.years, each.moneyness) - each.volatility
        )
        limit = OUTLIER_SCALES * np.maximum(np.median(distance), each.half_width)
        found.append((each, distance <= limit))
    return found


def _only(quotes: SmileQuotes, flags: NDArray[np.bool_]) -> SmileQuotes:
    return SmileQuotes(quotes.years, quotes.moneyness[flags], quotes.volatility[flags], quotes.half_width[flags])


def _fitted(smile: Smile, used: SmileQuotes, given: SmileQuotes) -> FittedSmile:
    ln_t, ln_p, skew = map(float, smile)
    t, opening = exp(ln_t), exp(ln_p)
    away = _volatilities(t, opening, skew * opening, used.years, used.moneyness) - used.volatility
    error = float(np.sqrt(np.mean(away * away))) if used.moneyness.size else inf
    level, wing = sqrt(t / used.years), opening / sqrt(t)
    return FittedSmile(
        used.years, level, skew, wing, used.is_rich, error, int(used.moneyness.size), int(given.moneyness.size)
    )
