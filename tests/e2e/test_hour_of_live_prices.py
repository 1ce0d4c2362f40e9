"""Four nodes with live sources of which some lie, stand still or flap: no agreed price is outside the honest range."""

from pathlib import Path

import pytest

from tests.kit.oracle.node_hour import NodeHour
from tests.kit.oracle.played_hour import PHASES, table

pytestmark = pytest.mark.network
CRASH = 10
"""Hour of the recording: BTC falls by 14 %."""


async def test_every_price_that_real_nodes_agreed_on_is_within_what_honest_venues_showed(tmp_path: Path) -> None:
    """At twice the speed of `python -m tests.oracle_hour --nodes`.

    Time is real here, so a busy machine may cost heights their price. `test_hour_of_faults` has none missing.
    """
    rows = await NodeHour(tmp_path, CRASH, speed=120).run()
    assert len(rows) == 2 * len(PHASES)
    assert all(row.heights for row in rows), "\n".join(table(rows))
    assert all(row.priced for row in rows[:2]), "\n".join(table(rows))
    assert any(row.priced for row in rows if row.faulty == 1), "\n".join(table(rows))
    assert [row for row in rows if row.outside] == [], "\n".join(table(rows))
