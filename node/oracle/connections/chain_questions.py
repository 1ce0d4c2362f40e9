"""`ChainQuestions`: the options of one underlying at a venue, asked over HTTP again and again.

Rule: all of a venue's answers make one chain, or none does. An answer that fails leaves the last chain to its age. A
venue that limits requests is left alone for as long as it says.
"""

from collections.abc import Callable, Sequence

import structlog
import trio

from clearing.base.errors import RemoteFault
from node.oracle.connections.parsing import threaded
from node.oracle.connections.venue_http import VenueHttp, ask_for_ever
from node.oracle.events import HttpAnswer
from node.oracle.option_quotes import ChainParser
from node.oracle.pauses import Pauses
from node.oracle.surfaces.chain_cell import ChainCell
from node.oracle.venues.deribit_options import DeribitOptions
from node.oracle.venues.okx_options import OkxOptions
from node.oracle.venues.wire import check_status
from node.supervision import Keep, run_plainly

PARSERS: dict[str, Callable[[str], ChainParser]] = {"deribit": DeribitOptions, "okx": OkxOptions}

log = structlog.get_logger(__name__)


class ChainQuestions:
    """Fills one cell."""

    def __init__(self, cell: ChainCell, clock_ms: Callable[[], int], pauses: Pauses | None = None) -> None:
        self._cell, self._clock_ms = cell, clock_ms
        self._config = cell.config
        self._at = f"{cell.config.surface}/{cell.config.name}"
        self._parser = PARSERS[cell.config.venue](cell.config.market)
        self._pauses = pauses or Pauses()

    async def run(self) -> None:
        """Ask for ever."""
        await ask_for_ever(self._config.url, self._at, self._round)

    async def _round(self, http: VenueHttp) -> int:
        """Every question once; the milliseconds until the next."""
        asked_ms = self._clock_ms()
        try:
            answers = [await self._answer(http, path) for path in self._parser.paths]
            chain = await threaded(lambda: self._parser.read(answers))
        except RemoteFault as fault:
            self._cell.failed(fault)
            wait_ms = max(self._config.poll_ms, self._pauses.after(fault))
            log.warning("option quotes not read", source=self._at, fault=str(fault), again_ms=wait_ms)
            return wait_ms
        # A quote is at least as old as the question.
        self._cell.take(chain, asked_ms)
        self._pauses.worked()
        return self._config.poll_ms

    async def _answer(self, http: VenueHttp, path: str) -> HttpAnswer:
        """A venue that limits requests is not asked the next question."""
        answer = await http.ask(path)
        if answer.status in (418, 429):
            check_status(answer, self._at)
        return answer


class ChainConnections:
    """The connections of all sources of surfaces, each a service of its own."""

    def __init__(self, cells: Sequence[ChainCell], clock_ms: Callable[[], int]) -> None:
        self._connections = {
            f"options-{cell.config.surface}-{cell.config.name}": ChainQuestions(cell, clock_ms) for cell in cells
        }

    async def run(self, keep: Keep = run_plainly) -> None:
        """For ever. `keep` runs each connection, and starts it again when it fails."""
        async with trio.open_nursery() as nursery:
            for name, each in self._connections.items():
                nursery.start_soon(keep, name, each.run)
