"""Prices through venues of which some lie, stand still or flap: no agreed price is outside the honest range."""

import pytest

from tests.kit.oracle.hour import PHASES, Hour, table

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
