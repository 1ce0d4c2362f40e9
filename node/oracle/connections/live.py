"""`LiveConnections`: the connections of all sources, each a service of its own.

Rule: a source that fails in a way that nobody foresaw is started again by the supervisor; the others don't notice.
"""

from collections.abc import Callable, Sequence

import trio

from clearing.base.errors import LocalFault
from node.config import ChainConfig
from node.config_oracle import ContractConfig, SourceConfig
from node.oracle.connections.questions import VenueQuestions
from node.oracle.connections.stream import VenueStream
from node.oracle.contracts.reader import ContractReader
from node.oracle.source import OracleCode
from node.oracle.source_cell import SourceCell
from node.oracle.venues.parsers import answer_parser, is_stream, stream_parser
from node.supervision import Keep, run_plainly


class LiveConnections:
    """Raises LocalFault PRICE_SOURCE_UNUSABLE: a price that a venue does not have, a chain that has no settings."""

    def __init__(self, cells: Sequence[SourceCell], chains: Sequence[ChainConfig], clock_ms: Callable[[], int]) -> None:
        self._connections: dict[str, VenueStream | VenueQuestions | ContractReader] = {}
        on_chains: dict[int, list[SourceCell]] = {}
        for cell in cells:
            if isinstance(cell.config, ContractConfig):
                on_chains.setdefault(cell.config.chain_id, []).append(cell)
            else:
                name = f"price-{cell.config.feed}-{cell.config.name}"
                self._connections[name] = connection(cell, cell.config, clock_ms)
        listed = {chain.chain_id: chain for chain in chains}
        for chain_id, group in sorted(on_chains.items()):
            if chain_id not in listed:
                why = f"no table of [[chains]] has the chain id {chain_id}"
                raise LocalFault(OracleCode.PRICE_SOURCE_UNUSABLE, "oracle.contracts", why=why)
            self._connections[f"prices-chain-{chain_id}"] = ContractReader(listed[chain_id], group, clock_ms)

    async def run(self, keep: Keep = run_plainly) -> None:
        """For ever. `keep` runs each connection, and starts it again when it fails."""
        async with trio.open_nursery() as nursery:
            for name, each in self._connections.items():
                nursery.start_soon(keep, name, each.run)


def connection(cell: SourceCell, config: SourceConfig, clock_ms: Callable[[], int]) -> VenueStream | VenueQuestions:
    """By the address: a stream, or questions over HTTP. Raises as `LiveConnections`."""
    if is_stream(config):
        return VenueStream(cell, config, stream_parser(config), clock_ms)
    return VenueQuestions(cell, config, answer_parser(config), clock_ms)
