"""Forwards and rates of expiries: the index carried at one rate, or off a live surface's curve.

Rule: integers. A forward is a fraction of the index, so in a scenario it moves by the index's own fraction. Between two
expiries of a curve forward and rate are linear in time, before the first the forward begins at the index, beyond the
last it goes on at the same carry; the rate is that of the first or last. It must not know instruments' strikes.
"""

from collections.abc import Sequence
from typing import NamedTuple

from clearing.base.units import PPM, YEAR_MS
from clearing.schema.risk.live_surface import PPB, ExpiryCarry


class Carry(NamedTuple):
    """A forward of index + index x `numerator` / `denominator`, rounded down, at least one tick; and the discount's
    rate."""

    numerator: int
    denominator: int
    rate_ppm: int


def carry_to(curve: Sequence[ExpiryCarry], expiry_ms: int, rate_ppm: int, time_ms: int) -> Carry:
    """The carry to an expiry; `rate_ppm` is used where there is no curve. At or after expiry nothing is carried."""
    left_ms = expiry_ms - time_ms
    if not curve:
        return Carry(rate_ppm * max(left_ms, 0), PPM * YEAR_MS, rate_ppm)
    after = next((at for at, carry in enumerate(curve) if expiry_ms <= carry.expiry_ms), len(curve))
    far = curve[min(after, len(curve) - 1)]
    if left_ms <= 0:
        return Carry(0, PPB, far.rate_ppm)
    if far.expiry_ms == expiry_ms:
        return Carry(far.forward_ppb - PPB, PPB, far.rate_ppm)
    if after in (0, len(curve)):  # towards the index now, and beyond the last on the same line
        whole_ms = max(far.expiry_ms - time_ms, 1)
        return Carry((far.forward_ppb - PPB) * left_ms // whole_ms, PPB, far.rate_ppm)
    near = curve[after - 1]
    part_ms, whole_ms = expiry_ms - near.expiry_ms, far.expiry_ms - near.expiry_ms
    forward_ppb = near.forward_ppb + (far.forward_ppb - near.forward_ppb) * part_ms // whole_ms
    return Carry(forward_ppb - PPB, PPB, near.rate_ppm + (far.rate_ppm - near.rate_ppm) * part_ms // whole_ms)


def future_ticks(index_ticks: int, curve: Sequence[ExpiryCarry], expiry_ms: int, rate_ppm: int, time_ms: int) -> int:
    """What a future or forward is marked at: the forward that a `curve` states for its expiry; the index carried at
    `rate_ppm` where it states none.

    Only a forward that was agreed on moves money: between two expiries nobody quoted one.
    """
    own = tuple(carry for carry in curve if carry.expiry_ms == expiry_ms)
    return carried_ticks(index_ticks, carry_to(own, expiry_ms, rate_ppm, time_ms))


def carried_ticks(index_ticks: int, carry: Carry) -> int:
    """The forward of an index, in ticks."""
    return max(index_ticks + index_ticks * carry.numerator // carry.denominator, 1)
