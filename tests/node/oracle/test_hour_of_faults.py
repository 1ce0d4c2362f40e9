"""Prices through venues of which some lie, stand still or flap: none is outside the honest range, few are missing."""

import pytest
import trio.testing

from clearing.schema.records.prices import FeedState, FeedStatus
from tests.kit.clearing.genesis import BTC
from tests.kit.oracle.hour import Hour
from tests.kit.oracle.played_hour import PHASES, PlayedHour, table

CRASH, RISE = 10, 26
"""Hours of the recording: BTC falls by 14 %, and rises by 23 %."""


@pytest.mark.parametrize(("hour", "speed"), [(CRASH, 60), (RISE, 120)])
async def test_prices_are_honest_and_at_most_one_faulty_source_costs_no_height_its_price(
    hour: int, speed: int, mock_clock: trio.testing.MockClock
) -> None:
    """As `python -m tests.oracle_hour`. Of two faulty sources one has to recover first."""
    rows = await Hour(mock_clock, hour, speed).run()
    text = "\n".join(table(rows))
    assert len(rows) == 2 * len(PHASES)
    assert [row for row in rows if row.outside] == [], text
    assert [row for row in rows if row.missing] == [], text
    *before, recovered_btc, recovered_eth = [row for row in rows if row.faulty <= 1]
    assert all(row.owed == row.heights > 0 for row in before), text
    assert all(row.owed > 0 for row in (recovered_btc, recovered_eth)), text


def test_a_price_that_no_honest_venue_showed_is_counted_as_outside() -> None:
    played = PlayedHour(CRASH, speed=60, seed=1, clock_ms=lambda: 1_000)
    played.begin()
    for server in played.servers.values():
        server.price()
    honest = played.hour.opens[0]
    for ticks in (honest, honest * 9 // 10):
        played.note(BTC, FeedState(FeedStatus.OPEN, ticks, 1_000), [3] * 4, now_ms=1_000, window_ms=500)
    assert (played.rows[0].priced, played.rows[0].outside) == (2, 1)


def test_a_height_without_a_price_is_missing_one_unless_two_sources_are_or_just_were_faulty() -> None:
    now_ms = 0
    played = PlayedHour(CRASH, speed=60, seed=1, clock_ms=lambda: now_ms)
    played.begin()
    length = played.milliseconds / len(PHASES)
    for index in range(len(PHASES)):
        for part in (0.01, 0.5):
            now_ms = round((index + part) * length)
            played.note(BTC, None, [0] * 4, now_ms, window_ms=500)
    btc = [(row.faulty, row.owed, row.missing) for row in played.rows if row.feed == BTC]
    assert btc == [(0, 2, 2)] + [(1, 2, 2)] * 6 + [(2, 0, 0)] * 2 + [(3, 0, 0), (0, 1, 1)]
