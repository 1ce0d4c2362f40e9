"""`LiveConnections`: the connections of all sources, each a service of its own.

Rule: a source that fails in a way that nobody foresaw is started again by the supervisor; the others don't notice.
"""

from collections.abc import Callable, Sequence

import trio

from node.oracle.connections.questions import VenueQuestions
from node.oracle.connections.stream import VenueStream
from node.oracle.source_cell import SourceCell
from node.oracle.venues.parsers import answer_parser, is_stream, stream_parser
from node.supervision import Keep, run_plainly


class LiveConnections:
    """Raises LocalFault PRICE_SOURCE_UNUSABLE for a price that a venue does not have."""

    def __init__(self, cells: Sequence[SourceCell], clock_ms: Callable[[], int]) -> None:
        self._connections = {
            f"price-{cell.config.feed}-{cell.config.name}": connection(cell, clock_ms) for cell in cells
        }

    async def run(self, keep: Keep = run_plainly) -> None:
        """For ever. `keep` runs each connection, and starts it again when it fails."""
        async with trio.open_nursery() as nursery:
            for name, each in self._connections.items():
                nursery.start_soon(keep, name, each.run)


def connection(cell: SourceCell, clock_ms: Callable[[], int]) -> VenueStream | VenueQuestions:
    """By the address: a stream, or questions over HTTP. Raises as `LiveConnections`."""
    if is_stream(cell.config):
        return VenueStream(cell, stream_parser(cell.config), clock_ms)
    return VenueQuestions(cell, answer_parser(cell.config), clock_ms)
