"""Charges on net amounts of groups: what positions net to, and the largest of the lines over it.

Rule: exact but for option values, quantised like every result of Black-76. The amounts are differences of values, as in
the network's own charges, and not derivatives. It must not know levels of margin.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from lab.evaluation.charges import InstrumentExposure
from lab.evaluation.scan import scaled_range
from lab.evaluation.values import ONE, ZERO, InstrumentQuote, shocked_value
from lab.models.net_terms import BasisCharge, BasisMove, NetCharge, NetRows
from lab.models.numbers import exact_rational

HUNDREDTH = Fraction(1, 100)


@dataclass(frozen=True, slots=True)
class NetAmount:
    """One group."""

    group: str
    nets: tuple[Fraction, ...]
    """The net amount; of basis one for each move, of given rows one for each row."""
    candidates: tuple[Fraction, ...]
    """What each line, move or row requires."""
    amount: Fraction
    """The largest of them, at least 0."""


def delta_of(quote: InstrumentQuote, option_decimals: int) -> Fraction:
    """What a size of 1 gains for a rise of the price by its whole, multiplier included."""
    if not quote.is_option:
        return quote.value * quote.multiplier
    up, down = (shocked_value(quote, ONE + move, quote.volatility, option_decimals) for move in (HUNDREDTH, -HUNDREDTH))
    return 50 * (up - down) * quote.multiplier


def vega_of(term: NetCharge, quote: InstrumentQuote, option_decimals: int) -> Fraction:
    """What a size of 1 gains for a rise of volatility by the range, multiplier included."""
    if not quote.is_option:
        return ZERO
    size = exact_rational(term.volatility_range) * scaled_range(term.term_scaling, quote)
    if term.volatility_moves == "relative":
        size *= quote.volatility
    up, down = (
        shocked_value(quote, ONE, max(quote.volatility + move, ZERO), option_decimals) for move in (size, -size)
    )
    return (up - down) / 2 * quote.multiplier


def net_charge(term: NetCharge, exposures: Sequence[InstrumentExposure], option_decimals: int) -> tuple[NetAmount, ...]:
    """Each group with a position, ordered."""

    def amount(quote: InstrumentQuote) -> Fraction:
        return delta_of(quote, option_decimals) if term.of == "delta" else vega_of(term, quote, option_decimals)

    found = []
    for group, net in sorted(_sums(exposures, amount).items()):
        lines = (exact_rational(line.slope) * abs(net) + exact_rational(line.intercept) for line in term.secants)
        found.append(_largest(group, (net,), tuple(lines)))
    return tuple(found)


def basis_charge(
    term: BasisCharge, exposures: Sequence[InstrumentExposure], option_decimals: int
) -> tuple[NetAmount, ...]:
    """Each group with a position, ordered."""
    nets: dict[str, list[Fraction]] = {}
    for exposure in exposures:
        contract = exposure.quote.contract
        delta = exposure.size * delta_of(exposure.quote, option_decimals)
        sums = nets.setdefault(contract.group, [ZERO] * len(term.moves))
        nets[contract.group] = [
            total + delta * shift_of(move, exposure.quote) for total, move in zip(sums, term.moves, strict=True)
        ]
    return tuple(_largest(group, tuple(own), tuple(map(abs, own))) for group, own in sorted(nets.items()))


def net_rows(term: NetRows, sizes: Mapping[str, Fraction]) -> NetAmount:
    """The group of given rows; `sizes` by instrument."""
    sums = tuple(
        sum((exact_rational(each.coefficient) * sizes.get(each.instrument, ZERO) for each in row.coefficients), ZERO)
        + exact_rational(row.intercept)
        for row in term.rows
    )
    return _largest(term.group, sums, sums if any(sizes.values()) else ())


def shift_of(move: BasisMove, quote: InstrumentQuote) -> Fraction:
    """The part of its forward by which an instrument moves."""
    if quote.contract.kind in ("perpetual", "spot"):
        return exact_rational(move.perpetual)
    seconds, points = quote.contract.seconds, move.points
    if seconds <= points[0].seconds_to_expiry:
        return exact_rational(points[0].shift)
    for near, far in pairwise(points):
        if seconds <= far.seconds_to_expiry:
            span = far.seconds_to_expiry - near.seconds_to_expiry
            start, end = exact_rational(near.shift), exact_rational(far.shift)
            return start + (end - start) * Fraction(seconds - near.seconds_to_expiry, span)
    return exact_rational(points[-1].shift)


def _sums(
    exposures: Sequence[InstrumentExposure], amount: Callable[[InstrumentQuote], Fraction]
) -> dict[str, Fraction]:
    found: dict[str, Fraction] = {}
    for exposure in exposures:
        group = exposure.quote.contract.group
        found[group] = found.get(group, ZERO) + exposure.size * amount(exposure.quote)
    return found


def _largest(group: str, nets: tuple[Fraction, ...], candidates: tuple[Fraction, ...]) -> NetAmount:
    return NetAmount(group, nets, candidates, max(*candidates, ZERO) if any(nets) and candidates else ZERO)
