"""Charges that grow with size, per lot of an instrument and per tier of a collateral token, as piecewise linear
functions.

Rule: every charge is convex and piecewise linear in the holding, so a proof can state it as linear rows. Integers only.
This module must not know prices or accounts.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from clearing.base.codec import U32, U63, Wire
from clearing.base.units import POSITION_MAX, PPM, mul_div_up

Check = tuple[str, int, bool]
"""(field, value, whether it is valid)."""

CHARGE_SIZES_MAX = 8
CHARGE_SIZES_PPM = (250_000, 1_000_000, 4_000_000, 16_000_000)


class LotCharge(Wire, frozen=True):
    """Charges on one instrument's lots beyond scenarios. All fractions are of the lot's notional at the index."""

    instrument: U32
    contingency_ppm: U32 = 0
    """Per lot, long or short: a charge for risks outside the scenarios."""
    slippage_ppm: U32 = 0
    """Per lot, long or short: half of the spread crossed when closing."""
    depth_lots: U63 = 0
    """D, the market's depth: the unit of size for impact. 0: no impact charge."""
    linear_impact_ppm: U32 = 0
    """Price concession per lot when D lots are closed, growing with the size."""
    root_impact_ppm: U32 = 0
    """Price concession per lot when D lots are closed, growing with the square root of the size."""
    sizes_ppm: tuple[U32, ...] = CHARGE_SIZES_PPM
    """Sizes, as rising fractions of D, between which the impact is linear."""


class ConcentrationTier(Wire, frozen=True):
    """An additional haircut on the part of one account's holding of a token above a threshold."""

    asset: U32
    above_units: U63
    haircut_ppm: U32
    """Fraction of the value after the ordinary haircut. Tiers of one token add up, to at most the whole."""


@dataclass(frozen=True, slots=True)
class Lines:
    """A convex piecewise linear charge: the largest of 0 and slope * size - intercept over its lines, for size >= 0."""

    lines: tuple[tuple[int, int], ...] = ()
    """(slope, intercept), micros a lot (or unit) and micros, both rising, no intercept below 0."""

    def at(self, size: int) -> int:
        """The charge for `size` >= 0, in micros."""
        return max(0, *(slope * size - intercept for slope, intercept in self.lines)) if self.lines else 0


NO_LINES = Lines()


def charge_checks(charges: Sequence[LotCharge], tiers: Sequence[ConcentrationTier]) -> Iterator[Check]:
    """Checks of charges and tiers by themselves."""
    yield "charges", len(charges), all(a.instrument < b.instrument for a, b in pairwise(charges))
    rise = all((a.asset, a.above_units) < (b.asset, b.above_units) for a, b in pairwise(tiers))
    yield "concentration", len(tiers), rise
    for charge in charges:
        at, rate, sizes = f"charges.{charge.instrument}", charge.contingency_ppm + charge.slippage_ppm, charge.sizes_ppm
        rising = all(a < b for a, b in pairwise((0, *sizes)))
        yield f"{at}.contingency_ppm", rate, rate <= PPM
        yield f"{at}.depth_lots", charge.depth_lots, charge.depth_lots <= POSITION_MAX
        yield f"{at}.linear_impact_ppm", charge.linear_impact_ppm, charge.linear_impact_ppm <= PPM
        yield f"{at}.root_impact_ppm", charge.root_impact_ppm, charge.root_impact_ppm <= PPM
        yield f"{at}.sizes_ppm", len(sizes), 1 <= len(sizes) <= CHARGE_SIZES_MAX and rising
    for asset, own in sorted(tiers_by_asset(tiers).items()):
        whole = sum(tier.haircut_ppm for tier in own)
        yield f"concentration.{asset}.haircut_ppm", whole, whole <= PPM


def tiers_by_asset(tiers: Iterable[ConcentrationTier]) -> dict[int, list[ConcentrationTier]]:
    """The tiers of each token, in their order. One pass, because untrusted portfolios use it too."""
    found: dict[int, list[ConcentrationTier]] = {}
    for tier in tiers:
        found.setdefault(tier.asset, []).append(tier)
    return found


def chained(points: Iterable[tuple[int, int]]) -> Lines:
    """Lines that start at each (size, slope), where the line before has arrived. Sizes and slopes rise."""
    lines: list[tuple[int, int]] = []
    listed = list(points)
    reached = 0
    for (size, slope), (after, _) in pairwise([*listed, (listed[-1][0], 0)] if listed else []):
        lines.append((slope, slope * size - reached))
        reached += slope * (after - size)
    return Lines(tuple(line for line in lines if line[0]))


def rate_micros(notional_micros: int, ppm: int) -> int:
    """Micros a lot of a fraction of its notional, rounded up."""
    return mul_div_up(notional_micros, ppm, PPM)


def concentration_lines(unit_micros: int, tiers: Iterable[ConcentrationTier]) -> Lines:
    """The charge on one token worth `unit_micros` a unit after haircut; `tiers` ordered by threshold.

    The slope above a threshold is the sum of all fractions so far, of the value, rounded up.
    """
    fraction, points = 0, []
    for tier in tiers:
        fraction += tier.haircut_ppm
        points.append((tier.above_units, mul_div_up(unit_micros, fraction, PPM)))
    return chained(points)
