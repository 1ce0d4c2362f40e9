"""Charges on what a whole risk group nets to: its basis between expiries, its delta and its vega, as governance data.

Rule: each charge is the largest of several linear functions of the lots, so it is convex and a proof can state it as
linear rows. The classical calendar charge, a rate times the amount of one expiry matched against another, is not: with
buckets d it is a half of (sum of |d| - |sum of d|), in which the last term is concave. Here a basis move shifts the
forwards of expiries apart, and the worst of the listed moves, in either direction, is charged. Integers only. This
module must not know prices or lots.
"""

from collections.abc import Iterator
from itertools import pairwise

from clearing.base.codec import I64, U32, U63, Wire
from clearing.base.units import PPM, YEAR_MS
from clearing.schema.risk.charges import CHARGE_SIZES_MAX, CHARGE_SIZES_PPM, Check, LotCharge

BASIS_MOVES_MAX = 8
BASIS_POINTS_MAX = 16
DEPTH_MICROS_MAX = 2**50
SIZE_PPM_MAX = 32 * PPM
"""With the largest depth, size and concession an intercept stays below 2^62."""


class BasisPoint(Wire, frozen=True):
    """How far the forward of one time to expiry moves against the index."""

    tenor_ms: U63
    shift_ppm: I64
    """Fraction of the forward."""


class BasisMove(Wire, frozen=True):
    """One shape in which the forwards of expiries move apart; both directions are charged."""

    points: tuple[BasisPoint, ...]
    """By rising time to expiry. Between points the shift is linear, rounded down; beyond them constant."""
    perpetual_ppm: I64 = 0
    """The same for perpetuals."""

    def shift_ppm(self, tenor_ms: int) -> int:
        """The shift at a time to expiry, in ppm of the forward, rounded down. The move must have a point."""
        for near, far in pairwise(self.points):
            if near.tenor_ms < tenor_ms <= far.tenor_ms:
                rise = (far.shift_ppm - near.shift_ppm) * (tenor_ms - near.tenor_ms)
                return near.shift_ppm + rise // (far.tenor_ms - near.tenor_ms)
        return self.points[0 if tenor_ms <= self.points[0].tenor_ms else -1].shift_ppm


class NetCharge(Wire, frozen=True):
    """The cost of closing a net amount x >= 0 in micros: x (rate + l x / D + r sqrt(x / D))."""

    rate_ppm: U32 = 0
    """Half of the spread, as a fraction of the amount."""
    depth_micros: U63 = 0
    """D, the market's depth: the unit of size for impact. 0: no impact charge."""
    linear_impact_ppm: U32 = 0
    """l: concession when D is closed, growing with the size."""
    root_impact_ppm: U32 = 0
    """r: concession when D is closed, growing with the square root of the size."""
    sizes_ppm: tuple[U32, ...] = CHARGE_SIZES_PPM
    """Sizes, as rising fractions of D, between which the impact is linear."""

    @property
    def as_lots(self) -> LotCharge:
        """The same charge per lot, where a lot is a micro of the amount."""
        return LotCharge(
            instrument=0,
            slippage_ppm=self.rate_ppm,
            depth_lots=self.depth_micros,
            linear_impact_ppm=self.linear_impact_ppm,
            root_impact_ppm=self.root_impact_ppm,
            sizes_ppm=self.sizes_ppm,
        )


class GroupCharges(Wire, frozen=True):
    """Charges on one risk group's net amounts, added to its loss. The defaults charge nothing."""

    basis: tuple[BasisMove, ...] = ()
    """The loss in the worst of these moves, in either direction."""
    delta: NetCharge = NetCharge()
    """On |net delta|: what all lots together gain when the index rises by its whole, at today's deltas."""
    vega: NetCharge = NetCharge()
    """On |net vega|: what all options together gain when volatility rises by the group's volatility range."""


NO_GROUP_CHARGES = GroupCharges()


def group_charge_checks(charges: GroupCharges) -> Iterator[Check]:
    """Ranges and order of every field."""
    yield "charges.basis", len(charges.basis), len(charges.basis) <= BASIS_MOVES_MAX
    for number, move in enumerate(charges.basis):
        at, points = f"charges.basis.{number}", move.points
        rising = all(near.tenor_ms < far.tenor_ms for near, far in pairwise(points))
        yield f"{at}.points", len(points), 1 <= len(points) <= BASIS_POINTS_MAX and rising
        yield f"{at}.perpetual_ppm", move.perpetual_ppm, abs(move.perpetual_ppm) <= PPM
        for place, point in enumerate(points):
            yield f"{at}.points.{place}.tenor_ms", point.tenor_ms, point.tenor_ms <= 10 * YEAR_MS
            yield f"{at}.points.{place}.shift_ppm", point.shift_ppm, abs(point.shift_ppm) <= PPM
    for name, charge in (("delta", charges.delta), ("vega", charges.vega)):
        at, sizes = f"charges.{name}", charge.sizes_ppm
        yield f"{at}.rate_ppm", charge.rate_ppm, charge.rate_ppm <= PPM
        yield f"{at}.depth_micros", charge.depth_micros, charge.depth_micros <= DEPTH_MICROS_MAX
        yield f"{at}.linear_impact_ppm", charge.linear_impact_ppm, charge.linear_impact_ppm <= PPM
        yield f"{at}.root_impact_ppm", charge.root_impact_ppm, charge.root_impact_ppm <= PPM
        rising = all(near < far for near, far in pairwise((0, *sizes)))
        good = 1 <= len(sizes) <= CHARGE_SIZES_MAX and rising and sizes[-1] <= SIZE_PPM_MAX
        yield f"{at}.sizes_ppm", len(sizes), good
