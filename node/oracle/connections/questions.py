"""`VenueQuestions`: one market of a venue, asked over HTTP again and again.

Rule: an answer that fails leaves the last price to its age. A venue that limits requests is left alone for as long as
it says.
"""

from collections.abc import Callable
from functools import partial

import structlog

from clearing.base.errors import RemoteFault
from node.config_oracle import SourceConfig
from node.oracle.connections.parsing import parsed
from node.oracle.connections.venue_http import VenueHttp, ask_for_ever
from node.oracle.events import AnswerParser
from node.oracle.pauses import Pauses
from node.oracle.source_cell import SourceCell

log = structlog.get_logger(__name__)


class VenueQuestions:
    """Fills a cell from one market's answers."""

    def __init__(
        self,
        cell: SourceCell,
        config: SourceConfig,
        parser: AnswerParser,
        clock_ms: Callable[[], int],
        pauses: Pauses | None = None,
    ) -> None:
        self._config = config
        self._cell, self._parser, self._clock_ms = cell, parser, clock_ms
        self._at = f"{config.feed}/{config.name}"
        self._pauses = pauses or Pauses()

    async def run(self) -> None:
        """Ask for ever."""
        await ask_for_ever(self._config.url, self._at, self._round)

    async def _round(self, http: VenueHttp) -> int:
        """One question; the milliseconds until the next."""
        asked_ms = self._clock_ms()
        try:
            answer = await http.ask(self._parser.path, self._parser.body)
            # A price without a time is at least as old as the question.
            events = await parsed(partial(self._parser.read, answer), len(answer.body))
            self._cell.take(events, asked_ms)
        except RemoteFault as fault:
            self._cell.failed(fault, reading_lost=False)
            wait_ms = max(self._config.poll_ms, self._pauses.after(fault))
            log.warning("price source failed", source=self._at, fault=str(fault), again_ms=wait_ms)
            return wait_ms
        self._pauses.worked()
        return self._config.poll_ms
