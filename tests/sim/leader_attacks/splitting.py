"""What a validator gains at leading by splitting its power into many keys.

Rule: the turns are the product's. A share is that of the heights of whole periods, over several periods, so that what
one order of keys gives and another takes does not count.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import gcd

from clearing.base.hashing import sha256
from clearing.base.validators import Validator, ValidatorSet
from consensus.leaders import PERIOD_HEIGHTS, Leaders
from consensus.turns import SLOTS_MAX, turns_of

Weights = Callable[[tuple[int, ...], int], tuple[int, ...]]


def seats(powers: Sequence[int]) -> ValidatorSet:
    """Validators without curves, with keys that tell nothing of their place."""
    return ValidatorSet(
        validators=tuple(
            Validator(
                envelope_key=index.to_bytes(4, "big") + sha256(index.to_bytes(4, "big"))[4:],
                bls_key=bytes(48),
                power=power,
                possession=bytes(96),
                evm_address=bytes(20),
                evm_possession=bytes(65),
            )
            for index, power in enumerate(powers)
        )
    )


@dataclass(frozen=True)
class Split:
    """Honest powers, and one validator beside them that has so much and splits it in equal parts."""

    honest: tuple[int, ...]
    power: int
    keys: int

    @property
    def powers(self) -> tuple[int, ...]:
        """The honest ones first."""
        parts = (self.power // self.keys + (index < self.power % self.keys) for index in range(self.keys))
        return (*self.honest, *parts)

    @property
    def power_share(self) -> float:
        """Of all power."""
        return self.power / (self.power + sum(self.honest))

    def turns_share(self, periods: int) -> float:
        """Of the heights of the first periods."""
        validators = seats(self.powers)
        led = sum(
            index >= len(self.honest) for period in range(periods) for index in leaders_of_heights(validators, period)
        )
        return led / (periods * PERIOD_HEIGHTS)

    def gain(self, periods: int) -> float:
        """How often it leads, in times of what its power is worth."""
        return self.turns_share(periods) / self.power_share


def leaders_of_heights(validators: ValidatorSet, period: int) -> list[int]:
    """Who has the turn in round 0 of each height of a period, by index."""
    first = period * PERIOD_HEIGHTS
    cycle = turns_of(validators, first, Leaders(period)).cycle
    return [cycle[height % len(cycle)] for height in range(first, first + PERIOD_HEIGHTS)]


def a_slot_for_each(powers: tuple[int, ...], _: int) -> tuple[int, ...]:
    """A weakness to plant: as slots were given before, at least one to each."""
    divisor = gcd(*powers)
    weights = tuple(power // divisor for power in powers)
    total = sum(weights)
    return weights if total <= SLOTS_MAX else tuple(max(1, weight * SLOTS_MAX // total) for weight in weights)


def largest_remainder(powers: tuple[int, ...], _: int) -> tuple[int, ...]:
    """A weakness to plant: the slots left over go to the largest remainders, which a splitter can arrange to have."""
    total = sum(powers)
    slots = [power * SLOTS_MAX // total for power in powers]
    order = sorted(range(len(powers)), key=lambda index: (-(powers[index] * SLOTS_MAX % total), index))
    for index in order[: SLOTS_MAX - sum(slots)]:
        slots[index] += 1
    return tuple(slots)


THIRTY = (1_000_000,) * 30
UNEVEN = tuple(1_000_000 + 77_777 * index for index in range(12))
SMALL = (1_010_000,) * 60
SPLITS = (
    Split(THIRTY, 300_000, 100),
    Split(THIRTY, 3_000_000, 100),
    Split(THIRTY, 14_000_000, 100),
    Split(UNEVEN, 1_000_000, 20),
    Split(UNEVEN, 1_000_000, 100),
    Split(SMALL, 3_200_000, 90),
)
