"""The prices and surfaces that a node votes on: their sources, the connections to them, and what it reports."""

from collections.abc import Callable, Sequence
from functools import partial

from clearing.schema.blocks.block import VoteExtension
from clearing.schema.blocks.deposit_batch import write_facts
from clearing.state.state import State
from node.app.clock import clock_ms
from node.app.service_settings import price_source, surface_source
from node.chains.attestation_pool import AttestationPool
from node.config import NodeConfig
from node.oracle.connections.chain_questions import ChainConnections
from node.oracle.connections.live import LiveConnections
from node.oracle.service import OracleService, valid_gossip
from node.oracle.several_sources import FeedStanding, SeveralSources
from node.oracle.surfaces.listed import listed_expiries
from node.oracle.surfaces.live import LiveSurfaces
from node.oracle.surfaces.service import SurfaceService, encoded_size
from node.p2p.network import Network, Topic
from node.supervision import Keep, Service


class PriceServices:
    """Built by the settings alone; nothing is asked before the services run."""

    def __init__(self, config: NodeConfig) -> None:
        prices = price_source(config)
        self.oracle = OracleService(prices, clock_ms, config.oracle.interval_ms)
        self.sources = prices if isinstance(prices, SeveralSources) else None
        cells = self.sources.all_cells if self.sources is not None else ()
        self._connections = LiveConnections(cells, config.chains, clock_ms)
        surfaces = surface_source(config, prices)
        self.surfaces = SurfaceService(surfaces, clock_ms)
        self.option_cells = surfaces.all_cells if isinstance(surfaces, LiveSurfaces) else ()

    def feed_standings(self) -> Sequence[FeedStanding]:
        """The feeds of the settings with a verdict on each live source, as last read; none without such sources."""
        return self.sources.standings if self.sources is not None else ()

    def extension(self, state: State, facts: AttestationPool) -> VoteExtension:
        """What the next vote says: prices, surfaces, and the facts that have room beside them."""
        surfaces = self.surfaces.reports(partial(listed_expiries, state))
        pending = facts.pending(state, reserved=encoded_size(surfaces))
        return VoteExtension(prices=self.oracle.reports, facts=write_facts(pending), surfaces=surfaces)

    def services(self, network: Network, changed: Callable[[], None], keep: Keep) -> dict[str, Service]:
        """What runs beside consensus, by name; subscribes to the prices of others."""
        return {
            "oracle": partial(self.oracle.run, network, changed),
            "price-sources": partial(self._connections.run, keep),
            "surfaces": partial(self.surfaces.run, changed),
            "option-sources": partial(ChainConnections(self.option_cells, clock_ms).run, keep),
            "prices": partial(self.oracle.listen, network.subscribe(Topic.PRICES, valid_gossip)),
        }
