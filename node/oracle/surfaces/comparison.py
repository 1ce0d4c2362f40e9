"""`ChainComparison`: which sources of one surface count, judged alone and by each other.

Rule: as for prices (`node.oracle.combination`): a source counts if it is near to more than half of those that are well
by themselves, itself included, and has not jumped while no other is where it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from clearing.base.units import PPM
from node.config_oracle import SurfaceConfig
from node.oracle.guard import Flaw
from node.oracle.source import OracleCode
from node.oracle.surfaces.chain_cell import ChainCell
from node.oracle.surfaces.chain_guard import CleanChain, clean

FORWARD_PART = 10
"""Forwards may be apart by this part of what volatilities may."""


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """One source: its usable quotes, or why it does not count; `flaw` is None for one that does."""

    name: str
    market: str
    chain: CleanChain | None
    age_ms: int
    flaw: Flaw | None


@dataclass(frozen=True, slots=True)
class _Anchor:
    chain: CleanChain
    time_ms: int


Distance = Callable[[CleanChain, CleanChain], int]


class ChainComparison:
    """Remembers the last usable quotes of each source, by which jumps are measured."""

    def __init__(self, config: SurfaceConfig) -> None:
        self._config = config
        self._anchors: dict[str, _Anchor] = {}

    def judge(self, cells: Sequence[ChainCell], feed_index: float | None, now_ms: int) -> tuple[ChainVerdict, ...]:
        """A verdict on each source. O(n²) in the sources, which are few."""
        config = self._config
        verdicts = [_alone(cell, feed_index, config, now_ms) for cell in cells]
        well = {each.name: each.chain for each in verdicts if each.chain is not None and each.flaw is None}
        flaws = self._jumps(well, now_ms)
        compared = {name: chain for name, chain in well.items() if name not in flaws}
        for name, chain in compared.items():
            near = self._near(chain, compared)
            if 2 * near <= len(compared):
                why = f"near to {near - 1} of {len(compared) - 1} others"
                flaws[name] = Flaw(OracleCode.VOLATILITY_DEVIATES, why)
        for name, chain in compared.items():
            if name not in flaws:
                self._anchors[name] = _Anchor(chain, now_ms)
        return tuple(
            ChainVerdict(each.name, each.market, each.chain, each.age_ms, flaws.get(each.name, each.flaw))
            for each in verdicts
        )

    def _jumps(self, chains: dict[str, CleanChain], now_ms: int) -> dict[str, Flaw]:
        found = {}
        for name, chain in chains.items():
            anchor = self._anchors.get(name)
            if anchor is None or not 0 <= now_ms - anchor.time_ms <= self._config.jump_ms:
                continue
            moved = volatility_distance_ppm(chain, anchor.chain)
            if moved > self._config.jump_ppm_max and self._near(chain, chains) < 2:
                found[name] = Flaw(OracleCode.VOLATILITY_JUMPED, f"by {moved} millionths")
        return found

    def _near(self, chain: CleanChain, chains: dict[str, CleanChain]) -> int:
        """How many are near to it, itself included."""
        limit = self._config.deviation_ppm_max
        return sum(
            volatility_distance_ppm(chain, other) <= limit
            and FORWARD_PART * forward_distance_ppm(chain, other) <= limit
            for other in chains.values()
        )


def _alone(cell: ChainCell, feed_index: float | None, config: SurfaceConfig, now_ms: int) -> ChainVerdict:
    state, source = cell.state, cell.config
    market = f"{source.venue} {source.market}"
    if state.chain is None:
        flaw = Flaw(state.fault or OracleCode.SOURCE_SILENT, state.why)
        return ChainVerdict(source.name, market, None, 0, flaw)
    found = clean(state.chain, state.arrived_ms, feed_index, config, now_ms)
    age = max(0, now_ms - min(state.chain.time_ms, state.arrived_ms))
    if isinstance(found, CleanChain):
        return ChainVerdict(source.name, market, found, age, None)
    if found.code is OracleCode.SOURCE_STALE and state.why:
        found = Flaw(found.code, f"{found.why}; {state.why}")
    return ChainVerdict(source.name, market, None, age, found)


def volatility_distance_ppm(one: CleanChain, other: CleanChain) -> int:
    """The median over all expiries of both, of the ratio of volatilities at the money less 1."""
    levels = ([each.at_money for each in chain.expiries] for chain in (one, other))
    return _distance_ppm(one, other, *levels)


def forward_distance_ppm(one: CleanChain, other: CleanChain) -> int:
    """The same of forwards over the index."""
    ratios = ([each.forward_ratio for each in chain.expiries] for chain in (one, other))
    return _distance_ppm(one, other, *ratios)


def _distance_ppm(one: CleanChain, other: CleanChain, values: Sequence[float], others: Sequence[float]) -> int:
    """Between two expiries in a straight line, beyond the last as there."""
    times, other_times = ([each.expiry_ms for each in chain.expiries] for chain in (one, other))
    all_times = sorted({*times, *other_times})
    a, b = np.interp(all_times, times, values), np.interp(all_times, other_times, others)
    return int(np.median(np.maximum(a / b, b / a) - 1.0) * PPM)
