"""The settings of services out of `NodeConfig`, and of Python's garbage collector.

Rule: objects that exist when the node has started stay until it ends, so no later collection scans them: a vote must
not wait while 250,000 modules and tables are walked. Later cycles are collected less often.
"""

import gc

from consensus.replica.replica import ReplicaConfig
from consensus.timeouts import Timeouts
from node.config import NodeConfig
from node.oracle.generated import GeneratedSource
from node.oracle.several_sources import SeveralSources
from node.oracle.source import PriceSource, Quote, ReplaySource
from node.oracle.source_cell import SourceCell
from node.oracle.surfaces.chain_cell import ChainCell
from node.oracle.surfaces.generated_surfaces import GeneratedSurfaces
from node.oracle.surfaces.live import LiveSurfaces
from node.oracle.surfaces.recorded_surfaces import RecordedSurfaces, load_surfaces
from node.oracle.surfaces.surface_source import SurfaceSource, SurfaceStanding
from node.pool.mempool import PoolLimits


class _NoSource:
    """A validator without prices of its own reports none."""

    def read(self, now_ms: int) -> tuple[Quote, ...]:  # noqa: ARG002 - the interface's
        """Nothing."""
        return ()


class _NoSurfaces:
    """A validator without surfaces reports none, and loads no solver."""

    def read(self, now_ms: int) -> tuple[SurfaceStanding, ...]:  # noqa: ARG002 - the interface's
        """Nothing."""
        return ()


def replica_config(config: NodeConfig) -> ReplicaConfig:
    """For the consensus engine."""
    given = config.consensus
    return ReplicaConfig(
        timeouts=Timeouts(
            propose_ms=given.propose_ms,
            prevote_ms=given.prevote_ms,
            precommit_ms=given.precommit_ms,
            growth_ms=given.growth_ms,
            cap_ms=given.timeout_max_ms,
            adaptive=given.adaptive,
            propose_ms_min=given.propose_ms_min,
            vote_ms_min=given.vote_ms_min,
            base_ms_max=given.timeout_base_max_ms,
        ),
        block_interval_ms_min=given.block_interval_ms,
        heartbeat_ms=given.heartbeat_ms,
    )


def pool_limits(config: NodeConfig) -> PoolLimits:
    """For the mempool."""
    return PoolLimits(
        transactions_max=config.mempool.transactions_max,
        bytes_max=config.mempool.bytes_max,
        per_account_max=config.mempool.per_account_max,
        block_bytes_max=config.consensus.block_bytes_max,
    )


def price_source(config: NodeConfig) -> PriceSource:
    """For the oracle. Raises LocalFault PRICE_SOURCE_UNUSABLE."""
    oracle = config.oracle
    if oracle.source == "none":
        return _NoSource()
    if oracle.source == "generated":
        return GeneratedSource(oracle.feeds, oracle.seed)
    if oracle.source == "live":
        return SeveralSources(oracle.feeds, [SourceCell(each) for each in oracle.all_sources])
    return ReplaySource(config.path(config.oracle.file), config.path(config.oracle.schedule))


def surface_source(config: NodeConfig, prices: PriceSource) -> SurfaceSource:
    """For surfaces, beside the source of prices. Raises LocalFault PRICE_SOURCE_UNUSABLE."""
    oracle = config.oracle
    if not oracle.surfaces:
        return _NoSurfaces()
    if oracle.source == "generated":
        return GeneratedSurfaces(oracle.surfaces, oracle.seed)
    if isinstance(prices, SeveralSources):
        cells = [ChainCell(each) for each in oracle.options]
        return LiveSurfaces(oracle.surfaces, cells, oracle.feeds, prices.value_of)
    if isinstance(prices, ReplaySource) and oracle.surface_file:
        recorded = load_surfaces(config.path(oracle.surface_file))
        return RecordedSurfaces(oracle.surfaces, recorded, prices.schedule, oracle.surface_origin_ms)
    return _NoSurfaces()


YOUNG_OBJECTS = 20_000
"""New objects in sight between two collections of the youngest (Python: 700)."""
YOUNG_ROUNDS = 20
MIDDLE_ROUNDS = 50


def tune_gc() -> None:
    """Collect everything once (0.1 s), then leave what remains out of every later collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_ROUNDS, MIDDLE_ROUNDS)
