"""A simulated path of variance along recorded prices: Heston's square-root process, fitted to them and driven by them.

Rule: no option price is on record, so nothing here is an observation of one. The path is a function of the prices and
of a seed. It belongs to the simulated world and may know the whole history; the margin that is tested on it may not.

Model, v the annual variance (Heston, "A closed-form solution for options with stochastic volatility", 1993):

    dv = kappa (theta - v) dt + xi sqrt(v dt) (rho z + c y + sqrt(1 - rho^2 - c^2) n)

with z the recorded return in standard deviations sqrt(v dt), y = (z^2 - 1) / sqrt(2) its surprise in size, n a seeded
normal number. For normal z all three have mean 0 and variance 1 and are uncorrelated, so that v is Heston's process;
recorded returns have fatter tails, and the path then jumps where they do. |z| counts up to 30, and v stays above 0.04.

Fit: theta is the mean square return. Realised variances of days (the largest hundredth cut off) give kappa from the
ratio of their autocovariances at 15 days and at one, and xi from the variance of v, which is xi^2 theta / (2 kappa).
rho is the correlation of a day's return with the change of volatility from the day before it to the day after it. c is
the one of nine at which hourly returns are likeliest under the path without n.
"""

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from math import exp, log, sqrt
from statistics import NormalDist

import msgspec
import numpy as np
from numpy.typing import NDArray

from clearing.base.errors import LocalFault
from member.codes import NodeCode

YEAR_S = 365 * 86_400
DAY_S = 86_400
DAYS_MIN = 40
LAG = 15
DEVIATIONS_MAX = 30.0
VARIANCE_MIN = 0.04
KAPPA_MIN, KAPPA_MAX = 1.0, 150.0
SHARES = tuple(share / 10 for share in range(1, 10))

Reals = NDArray[np.float64]


class HestonFit(msgspec.Struct, frozen=True):
    """Parameters of one underlying, annual."""

    theta: float
    """Long-run variance."""
    kappa: float
    """Speed of return to it."""
    xi: float
    """Volatility of variance."""
    rho: float
    """Correlation of returns with changes of variance."""
    surprise: float
    """c: how much of a change of variance a return's size explains."""


def fit_heston(times_s: Sequence[int], closes: Sequence[int], name: str) -> HestonFit:
    """Fit one series. Raises LocalFault MARKET_DATA_UNUSABLE for less than 40 days or rows more than a day apart."""
    interval_s = min(after - before for before, after in pairwise(times_s))
    per_day = DAY_S // interval_s
    returns = np.diff(np.log(np.array(closes, np.float64)))
    days = returns.size // per_day if per_day else 0
    if days < DAYS_MIN:
        why = f"{days} days of {name} are too few for a path of variance: {DAYS_MIN} are needed"
        raise LocalFault(NodeCode.MARKET_DATA_UNUSABLE, name, why=why)
    theta = max(float(np.mean(returns**2)) * YEAR_S / interval_s, VARIANCE_MIN)
    by_day = returns[: days * per_day].reshape(days, per_day)
    realised = (by_day**2).sum(axis=1) * 365.0
    cut = np.minimum(realised, np.quantile(realised, 0.99))
    near, far = _autocovariance(cut, 1), _autocovariance(cut, LAG)
    ratio = far / near if near > 0 else 1.0
    kappa = min(max(365.0 / (LAG - 1) * -log(ratio), KAPPA_MIN), KAPPA_MAX) if ratio > 0 else KAPPA_MAX
    variance = max(near * exp(kappa / 365.0), 1e-6)
    xi = sqrt(2.0 * kappa * variance / theta)
    volatility = np.sqrt(realised)
    rho = _correlation(by_day.sum(axis=1)[1:-1], volatility[2:] - volatility[:-2])
    plain = HestonFit(theta, kappa, xi, min(max(rho, -0.9), 0.9), 0.0)
    reach = sqrt(1.0 - plain.rho**2)
    shares = [share * reach for share in SHARES]
    fits = [msgspec.structs.replace(plain, surprise=share) for share in shares]
    likelihoods = [_likelihood(times_s, returns, fit) for fit in fits]
    return fits[likelihoods.index(max(likelihoods))]


def variance_path(times_s: Sequence[int], closes: Sequence[int], fit: HestonFit, seed: str) -> Reals:
    """[n] variance after each row; the first is the long-run one. The noise is a function of the text `seed`."""
    returns = np.diff(np.log(np.array(closes, np.float64)))
    normal = NormalDist()
    noise = [normal.inv_cdf(_uniform(f"{seed}/{at}")) for at in range(returns.size)]
    return _path(times_s, returns, fit, noise)


def _path(times_s: Sequence[int], returns: Reals, fit: HestonFit, noise: Sequence[float] | None) -> Reals:
    rest = sqrt(max(1.0 - fit.rho**2 - fit.surprise**2, 0.0)) if noise is not None else 0.0
    variance, found = fit.theta, [fit.theta]
    for at, change in enumerate(returns.tolist()):
        years = (times_s[at + 1] - times_s[at]) / YEAR_S
        deviation = sqrt(variance * years)
        z = min(max(change / deviation, -DEVIATIONS_MAX), DEVIATIONS_MAX)
        chance = noise[at] if noise is not None else 0.0
        shock = fit.rho * z + fit.surprise * (z * z - 1.0) / sqrt(2.0) + rest * chance
        variance += fit.kappa * (fit.theta - variance) * min(years, 1.0 / fit.kappa) + fit.xi * deviation * shock
        variance = max(variance, VARIANCE_MIN)
        found.append(variance)
    return np.array(found)


def _likelihood(times_s: Sequence[int], returns: Reals, fit: HestonFit) -> float:
    """Logarithm, but for constants, of the normal density of each return under the variance before it."""
    years = np.diff(np.array(times_s, np.float64)) / YEAR_S
    expected = _path(times_s, returns, fit, None)[:-1] * years
    return float(-0.5 * np.sum(np.log(expected) + returns**2 / expected))


def _autocovariance(series: Reals, lag: int) -> float:
    centred = series - series.mean()
    return float(np.mean(centred[lag:] * centred[:-lag]))


def _correlation(one: Reals, other: Reals) -> float:
    size = float(one.std() * other.std())
    return float(np.mean((one - one.mean()) * (other - other.mean()))) / size if size > 0 else 0.0


def _uniform(text: str) -> float:
    """Between 0 and 1, both excluded: the first 52 bits of SHA-256, and a half."""
    drawn = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 12
    return (drawn + 0.5) / 2.0**52
