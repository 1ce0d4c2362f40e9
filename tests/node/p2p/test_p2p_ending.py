"""A network that is cancelled at any moment ends: also while it starts."""

from typing import Any

import pytest
import trio
import trio.testing


@pytest.mark.parametrize("turns", [*range(40), *range(40, 120, 8)])
async def test_a_network_that_is_cancelled_while_it_starts_ends(cluster, turns: int):
    """After so many turns of the event loop. Where it does not end, nor does the test."""
    async with cluster(1, start=False) as (node,), trio.open_nursery() as nursery:
        nursery.start_soon(_start, nursery, node)
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


async def _start(nursery: trio.Nursery, node: Any) -> None:
    await nursery.start(node.run)


async def test_a_connection_whose_muxer_stands_still_does_not_keep_its_network_from_ending(cluster, monkeypatch):
    monkeypatch.setattr("node.ending.END_SECONDS", 0.1)
    async with cluster(2) as (one, other), trio.open_nursery() as nursery:
        for session in [*one.network._all.values(), *other.network._all.values()]:
            nursery.start_soon(_hold, session.connection.muxed_conn.streams_lock)
        await trio.testing.wait_all_tasks_blocked()
        await one.stop()
        await other.stop()
        nursery.cancel_scope.cancel()


async def _hold(lock: Any) -> None:
    async with lock:
        await trio.sleep_forever()
