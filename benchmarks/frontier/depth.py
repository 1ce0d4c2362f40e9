"""Market depth in a crash: how much dealers take in a block, and at what discount.

Rule: both follow the recent range of prices and the dealers' own inventory. s is the range of the last hour over
that of a calm hour, at least 1. In a block a dealer takes at most its share of `block_share` of all books / s, and its
inventory never exceeds its share of `inventory_share`. It wants its own discount x s, and more in proportion to its
inventory. Inventory halves every `half_life_blocks`: it is hedged or sold elsewhere. `factor` scales quantities.
Assumptions, not measurements: no order books were recorded. `docs/explanation/risk-parameters.md` has the sensitivity.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BLOCKS_OF_RANGE = 12
"""Blocks of five minutes whose prices make the recent range."""


@dataclass(frozen=True, slots=True)
class Depth:
    """Shares are of the notional of all books when opened, for all dealers together."""

    factor: float = 1.0
    discounts: tuple[float, ...] = (0.002, 0.005, 0.010, 0.015)
    """Of each dealer in a calm hour."""
    calm_range: float = 0.02
    """High over low of a calm hour, less one."""
    block_share: float = 0.10
    inventory_share: float = 0.60
    inventory_discount: float = 0.01
    """More discount with a full inventory."""
    half_life_blocks: int = 144

    @property
    def kept(self) -> float:
        """Of an inventory, from one block to the next."""
        return float(0.5 ** (1 / self.half_life_blocks))


def recent_range(prices: Floats) -> Floats:
    """[m] of [m, blocks, underlyings]: high over low less one, of the underlying that moved most."""
    spread: Floats = (prices.max(axis=1) / prices.min(axis=1) - 1).max(axis=1)
    return spread


def stress_of(depth: Depth, prices: Floats) -> Floats:
    """[m] how many times a calm hour's range the last hour had, at least 1. `prices`: [m, blocks, underlyings]."""
    times: Floats = np.maximum(recent_range(prices[:, -BLOCKS_OF_RANGE:]) / depth.calm_range, 1.0)
    return times


def wanted_discounts(depth: Depth, stress: Floats, inventory: Floats, whole: Floats) -> Floats:
    """[m, dealers] of the notional. `inventory`: [m, dealers], `whole`: [m] notional of all books when opened."""
    full = inventory_room(depth, whole)
    own: Floats = np.array(depth.discounts)[None] * stress[:, None]
    more: Floats = own + depth.inventory_discount * inventory / full[:, None]
    return more


def appetites(depth: Depth, stress: Floats, inventory: Floats, whole: Floats) -> Floats:
    """[m, dealers] notional that each takes in this block."""
    count = len(depth.discounts)
    in_block = depth.factor * depth.block_share * whole / count / stress
    left: Floats = np.clip(inventory_room(depth, whole)[:, None] - inventory, 0, in_block[:, None])
    return left


def inventory_room(depth: Depth, whole: Floats) -> Floats:
    """[m] the most that one dealer keeps."""
    room: Floats = depth.factor * depth.inventory_share * whole / len(depth.discounts)
    return room


class DealerBook:
    """The same for one network, block by block: recent prices and the inventory of each dealer."""

    def __init__(self, depth: Depth, dealers: Sequence[int]) -> None:
        self.depth, self.dealers = depth, tuple(dealers)
        self._recent: list[tuple[int, ...]] = []
        self._inventory = np.zeros((1, len(dealers)))
        self.whole = np.ones(1)
        """Notional of all books when opened, set when they are."""

    def see(self, ticks: tuple[int, ...]) -> None:
        """A block's prices; inventories shrink."""
        self._recent = [*self._recent[1 - BLOCKS_OF_RANGE :], ticks]
        self._inventory = self._inventory * self.depth.kept

    def take(self, dealer: int, notional: float) -> None:
        """Add what a dealer took."""
        self._inventory[0, self.dealers.index(dealer)] += notional

    def bids(self) -> list[tuple[int, float, float]]:
        """(dealer, discount wanted, notional it takes) now."""
        stress = stress_of(self.depth, np.array([self._recent], np.float64))
        wanted = wanted_discounts(self.depth, stress, self._inventory, self.whole)[0]
        sizes = appetites(self.depth, stress, self._inventory, self.whole)[0]
        return [(each, float(wanted[at]), float(sizes[at])) for at, each in enumerate(self.dealers)]
