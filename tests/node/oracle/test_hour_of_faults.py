"""Prices through venues of which some lie, stand still or flap: no agreed price is outside the honest range."""

import pytest

from clearing.schema.records.prices import FeedState, FeedStatus
from tests.kit.clearing.genesis import BTC
from tests.kit.oracle.hour import Hour
from tests.kit.oracle.played_hour import PHASES, PlayedHour, table

CRASH, RISE = 10, 26
"""Hours of the recording: BTC falls by 14 %, and rises by 23 %."""


@pytest.mark.parametrize("hour", [CRASH, RISE])
async def test_every_agreed_price_is_within_what_honest_venues_showed(hour: int) -> None:
    """At four times the speed of `python -m tests.oracle_hour`."""
    rows = await Hour(hour, speed=240).run()
    assert len(rows) == 2 * len(PHASES)
    assert sum(row.heights for row in rows) > 0
    assert sum(row.priced for row in rows) > 0
    assert [row for row in rows if row.outside] == [], "\n".join(table(rows))


def test_a_price_that_no_honest_venue_showed_is_counted_as_outside() -> None:
    played = PlayedHour(CRASH, speed=60, seed=1, clock_ms=lambda: 1_000)
    played.begin()
    for server in played.servers.values():
        server.price()
    honest = played.hour.opens[0]
    for ticks in (honest, honest * 9 // 10):
        played.note(BTC, FeedState(FeedStatus.OPEN, ticks, 1_000), [3] * 4, now_ms=1_000, window_ms=500)
    assert (played.rows[0].priced, played.rows[0].outside) == (2, 1)
