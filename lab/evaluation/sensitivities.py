"""Weighted sensitivities with correlations: delta, vega and curvature of an account, joined bucket by bucket.

Rule: exact but for vega, quantised like every result of Black-76, and for roots, which are rounded up. The root of a
quadratic form is convex in positions where its matrix has no negative eigenvalue, but not piecewise linear: no row of
the solvency proof can state it. It must not know levels of margin.

Formulas, after ISDA SIMM 2.6, sections 7, 10 and 11 (isda.org, "ISDA SIMM Methodology"), for one risk class:

    K_b = sqrt(sum_kl rho_kl v_k v_l),  S_b = max(-K_b, min(K_b, sum_k v_k))
    M   = sqrt(sum_b K_b^2 + sum_b<>c gamma_bc S_b S_c)

with v the weighted deltas, then the weighted vegas. For curvature v_k is minus the sum of
1/2 min(1, 14 d / t) sigma vega, correlations are squared, and

    theta = min(0, sum v / sum |v|),  lambda = (z^2 - 1) (1 + theta) - theta,  z the normal quantile at 99.5 %
    C     = max(0, sum v + lambda M)

SIMM is computed by the side that collects, with its own sensitivities; these are the account's, which pays. Delta and
vega are the same for both, curvature has the opposite sign: short options lose.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt, pi, sqrt

from clearing.pricing import elementary
from lab.evaluation.charges import InstrumentExposure
from lab.evaluation.values import DAY_SECONDS, ONE, ZERO, InstrumentQuote
from lab.models.numbers import exact_rational, from_float
from lab.models.sensitivity_terms import CurvatureRule, Sensitivities, SensitivityBucket


@dataclass(frozen=True, slots=True)
class BucketAmount:
    """One bucket."""

    bucket: str
    weighted: Mapping[str, Fraction]
    """By group."""
    margin: Fraction
    """K."""
    net: Fraction
    """S: what other buckets offset."""


@dataclass(frozen=True, slots=True)
class SensitivityAmount:
    """Delta, vega or curvature."""

    of: str
    buckets: tuple[BucketAmount, ...]
    root: Fraction
    """M."""
    amount: Fraction


@dataclass(frozen=True, slots=True)
class _Gains:
    """Of one group."""

    delta: Fraction
    """Gain per relative move of the price."""
    vega: Fraction
    """Volatility times vega."""
    curvature: Fraction
    """What the account loses: positive where it is short of options."""


def sensitivities(
    term: Sensitivities, exposures: Sequence[InstrumentExposure], option_decimals: int
) -> tuple[SensitivityAmount, ...]:
    """Delta, vega, and curvature where the term has it; the requirement is their sum."""
    buckets = {group: bucket for bucket in term.buckets for group in bucket.groups}
    gains: dict[str, _Gains] = {}
    for exposure in exposures:
        group = exposure.quote.contract.group
        found = _gains(term, buckets[group], exposure, option_decimals)
        sofar = gains.get(group, _Gains(ZERO, ZERO, ZERO))
        gains[group] = _Gains(sofar.delta + found.delta, sofar.vega + found.vega, sofar.curvature + found.curvature)
    deltas = {of: each.delta * exact_rational(buckets[of].delta_weight) for of, each in gains.items()}
    vegas = {of: each.vega * exact_rational(buckets[of].vega_weight) for of, each in gains.items()}
    parts = [_joined("delta", term, deltas), _joined("vega", term, vegas)]
    if term.curvature is not None:
        parts.append(_curvature(term, term.curvature, {of: each.curvature for of, each in gains.items()}))
    return tuple(parts)


def vega(quote: InstrumentQuote, option_decimals: int) -> Fraction:
    """Change of an option's value per volatility, before the multiplier: discount * forward * phi(d1) * sqrt(years)."""
    strike, root = exact_rational(quote.contract.strike), sqrt(float(quote.years))
    deviation = float(quote.volatility) * root
    if not quote.is_option or quote.forward <= 0 or strike <= 0 or deviation <= 0.0:
        return ZERO
    moneyness = elementary.log(float(quote.forward)) - elementary.log(float(strike))
    at = moneyness / deviation + 0.5 * deviation
    density = elementary.exp(-0.5 * at * at) / sqrt(2.0 * pi)
    return from_float(float(quote.discount) * float(quote.forward) * density * root, option_decimals)


def root_up(value: Fraction, decimals: int) -> Fraction:
    """The square root at so many decimals, rounded up; 0 of what is negative."""
    if value <= 0:
        return ZERO
    scale = 10**decimals
    squared = -(-value.numerator * scale * scale // value.denominator)
    below = isqrt(squared)
    return Fraction(below if below * below == squared else below + 1, scale)


def _gains(
    term: Sensitivities, bucket: SensitivityBucket, exposure: InstrumentExposure, option_decimals: int
) -> _Gains:
    quote, size = exposure.quote, exposure.size
    delta = size * quote.delta * (quote.forward if quote.is_option else quote.mark)
    if not quote.is_option:
        return _Gains(delta, ZERO, ZERO)
    volatility = quote.volatility if bucket.volatility is None else exact_rational(bucket.volatility)
    product = size * quote.multiplier * volatility * vega(quote, option_decimals)
    if term.curvature is None:
        return _Gains(delta, product, ZERO)
    days = Fraction(quote.contract.seconds, DAY_SECONDS)
    near = exact_rational(term.curvature.days)
    return _Gains(delta, product, -product * (near / days if days > near else ONE) / 2)


def _joined(of: str, term: Sensitivities, weighted: Mapping[str, Fraction], power: int = 1) -> SensitivityAmount:
    found, squares = [], ZERO
    for bucket in term.buckets:
        own = {group: weighted[group] for group in bucket.groups if group in weighted}
        total, correlation = sum(own.values(), ZERO), exact_rational(bucket.correlation) ** power
        square = (1 - correlation) * sum((value * value for value in own.values()), ZERO) + correlation * total * total
        margin = root_up(square, term.decimals)
        squares += max(square, ZERO)
        found.append(BucketAmount(bucket.name, own, margin, max(-margin, min(margin, total))))
    nets = {each.bucket: each.net for each in found}
    for pair in term.correlations:
        squares += 2 * exact_rational(pair.correlation) ** power * nets[pair.one] * nets[pair.other]
    root = root_up(squares, term.decimals)
    return SensitivityAmount(of, tuple(found), root, root)


def _curvature(term: Sensitivities, rule: CurvatureRule, lost: Mapping[str, Fraction]) -> SensitivityAmount:
    part = _joined("curvature", term, lost, power=2)
    total, size = sum(lost.values(), ZERO), sum(map(abs, lost.values()), ZERO)
    theta = min(total / size, ZERO) if size else ZERO
    factor = exact_rational(rule.multiple) * (1 + theta) - theta
    return SensitivityAmount(part.of, part.buckets, part.root, max(total + factor * part.root, ZERO))
