"""What our cancellation does not reach ends all the same."""

from typing import Any

import pytest
import trio
import trio.lowlevel
import trio.testing
from trio.testing import MockClock

from clearing.base.errors import Bug
from node.ending import END_SECONDS, ShieldedTask, shielded


async def test_a_shielded_task_whose_start_is_cancelled_ends():
    begun = []

    async def task(stopping: trio.Event, task_status: Any) -> None:
        await trio.lowlevel.checkpoint()
        begun.append(True)
        task_status.started()
        await stopping.wait()

    await _run(ShieldedTask(task), trio.CancelScope(deadline=0))
    assert begun == [True]


async def test_a_shielded_task_goes_on_until_it_is_asked_to_end():
    ended = []

    async def task(stopping: trio.Event, task_status: Any) -> None:
        task_status.started("where it listens")
        await stopping.wait()
        await trio.lowlevel.checkpoint()
        ended.append(True)

    shield = ShieldedTask(task)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shield.run)
        assert await shield.begun() == "where it listens"
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await trio.testing.wait_all_tasks_blocked()
        assert ended == []
        shield.end()
    assert ended == [True]


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_shielded_task_that_does_not_end_is_cancelled(autojump_clock: MockClock, *, at_once: bool):
    async def task(stopping: trio.Event, task_status: Any) -> None:
        task_status.started()
        await trio.sleep_forever()

    began = trio.current_time()
    shield = ShieldedTask(task)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shield.run)
        await shield.begun()
        shield.end(at_once=at_once)
    assert trio.current_time() - began == (0 if at_once else END_SECONDS)


async def test_a_shielded_task_that_fails_before_it_begins_ends_the_wait_for_it():
    async def task(stopping: trio.Event, task_status: Any) -> None:
        raise OSError("no such port")

    with pytest.RaisesGroup(pytest.RaisesExc(OSError, match="no such port")):
        await _run(ShieldedTask(task), trio.CancelScope())


async def test_a_shielded_task_that_ends_before_it_begins_ends_the_wait_for_it():
    async def task(stopping: trio.Event, task_status: Any) -> None:
        await trio.lowlevel.checkpoint()

    with pytest.RaisesGroup(pytest.RaisesExc(Bug, match="before it had started")):
        await _run(ShieldedTask(task), trio.CancelScope())


async def test_what_is_closed_within_a_shield_is_cancelled_in_the_end(autojump_clock: MockClock):
    began = trio.current_time()
    with trio.CancelScope(deadline=began), shielded():
        await trio.sleep_forever()
    assert trio.current_time() - began == END_SECONDS


async def _run(shield: ShieldedTask, scope: trio.CancelScope) -> None:
    with scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(shield.run)
            try:
                await shield.begun()
            finally:
                shield.end()
