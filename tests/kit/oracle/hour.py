"""The played hour in one process: the oracles of several validators, and clearing's rule for the agreed price.

Rule: everything is the program's own but the venues, the making of blocks, and the clock: streams, parsers, guards, and
the oracle service of each validator. The clock stands still while anything is left to do, so no result depends on how
busy the machine is.
"""

from types import SimpleNamespace
from typing import Any

import trio
from trio.testing import MockClock

from clearing.schema.blocks.block import VoteExtension
from clearing.schema.blocks.deposit_batch import write_facts
from node.oracle.connections.live import LiveConnections
from node.oracle.service import OracleService
from node.oracle.several_sources import SeveralSources
from node.oracle.source_cell import SourceCell
from tests.kit.clearing.genesis import BTC, ETH, POWERS, START_MS, make_genesis
from tests.kit.clearing.world import World
from tests.kit.oracle.jumps import pass_time
from tests.kit.oracle.played_hour import AGE_MS, BEAT_MS, READ_MS, REPORT_AGE_MS, VENUES, PlayedHour, Row
from tests.kit.until import until

HEIGHT_MS = 250
WINDOW_MS = AGE_MS + REPORT_AGE_MS + READ_MS + HEIGHT_MS + 2 * BEAT_MS


class Hour:
    """One run, in a loop that has `clock`. Other arguments as of `PlayedHour`."""

    def __init__(self, clock: MockClock, hour: int, speed: int, seed: int = 1) -> None:
        self._clock = clock
        self._played = PlayedHour(hour, speed, seed, self.clock_ms)

    def clock_ms(self) -> int:
        return START_MS + round(self._clock.current_time() * 1_000)

    async def run(self) -> list[Row]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pass_time, self._clock)
            await nursery.start(self._played.run)
            validators = [self._validator(nursery) for _ in POWERS]
            # The recording begins when every source of every validator has a price.
            await until(lambda: all(_is_whole(several) for _, several in validators), "every source")
            self._played.begin()
            world = World(make_genesis({"report_age_ms_max": REPORT_AGE_MS, "confidence_ppm_max": 20_000}), check=False)
            while not self._played.is_over:
                await trio.sleep(HEIGHT_MS / 1_000)
                self._height(world, validators)
            nursery.cancel_scope.cancel()
        return self._played.rows

    def _validator(self, nursery: trio.Nursery) -> tuple[OracleService, SeveralSources]:
        several = SeveralSources(self._played.feeds(), [SourceCell(source) for source in self._played.sources()])
        service = OracleService(several, self.clock_ms, READ_MS)
        nursery.start_soon(LiveConnections(several.all_cells, (), self.clock_ms).run)
        network: Any = SimpleNamespace(publish=lambda *_: None)
        nursery.start_soon(service.run, network, lambda: None)
        return service, several

    def _height(self, world: World, validators: list[tuple[OracleService, SeveralSources]]) -> None:
        now = self.clock_ms()
        said = [VoteExtension(prices=service.reports, facts=write_facts(())) for service, _ in validators]
        world.apply(world.make_block(extensions=said, after_ms=now - world.state.now.time_ms))
        for feed in (BTC, ETH):
            usable = [next((each.sources for each in one.prices if each.feed == feed), 0) for one in said]
            self._played.note(feed, world.state.feeds.get(feed), usable, now, WINDOW_MS)


def _is_whole(several: SeveralSources) -> bool:
    return bool(several.standings) and all(each.judgement.usable == len(VENUES) for each in several.standings)
