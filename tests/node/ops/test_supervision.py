"""Rules of supervised services: a failure is contained, shown and tried again; a broken invariant is not contained."""

from collections.abc import Awaitable, Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import trio

from clearing.base.errors import Bug
from node.supervision import CALL_SECONDS, PAUSE_SECONDS_MAX, PAUSE_SECONDS_MIN, STEADY_SECONDS, Supervisor

Outcome = BaseException | float | None
"""Of one run: a failure, so many seconds of work and then a failure, or the end."""


class Broken(Exception):
    """Any failure that nobody foresaw."""


def service_of(*outcomes: Outcome, at: list[float] | None = None) -> Callable[[], Awaitable[None]]:
    """A service whose runs end like this, one after another; `at` gets the times of its starts."""
    left = list(outcomes)

    async def run() -> None:
        if at is not None:
            at.append(trio.current_time())
        outcome = left.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        if outcome is not None:
            await trio.sleep(outcome)
            raise Broken("later")

    return run


@pytest.fixture
def supervisor() -> Supervisor:
    return Supervisor()


async def test_a_failed_service_starts_again_after_pauses_that_double(
    supervisor: Supervisor, autojump_clock: trio.testing.MockClock
) -> None:
    starts: list[float] = []
    await supervisor.keep("oracle", service_of(*[Broken()] * 12, None, at=starts))
    pauses = [later - earlier for earlier, later in pairwise(starts)]
    assert pauses == [min(PAUSE_SECONDS_MAX, PAUSE_SECONDS_MIN * 2**at) for at in range(12)]
    assert supervisor.standings[0].failures == 12


async def test_a_steady_time_forgives_earlier_failures(
    supervisor: Supervisor, autojump_clock: trio.testing.MockClock
) -> None:
    starts: list[float] = []
    await supervisor.keep("oracle", service_of(*[Broken()] * 5, STEADY_SECONDS, None, at=starts))
    assert starts[-1] - starts[-2] == STEADY_SECONDS + PAUSE_SECONDS_MIN


async def test_one_service_that_fails_for_ever_disturbs_no_other(
    supervisor: Supervisor, autojump_clock: trio.testing.MockClock
) -> None:
    done = trio.Event()

    async def other() -> None:
        await trio.sleep(1000)
        done.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.keep, "bad", service_of(*[Broken()] * 1000))
        nursery.start_soon(supervisor.keep, "good", other)
        await done.wait()
        nursery.cancel_scope.cancel()
    assert {standing.name: standing.failures > 0 for standing in supervisor.standings} == {"bad": True, "good": False}


@pytest.mark.parametrize("error", [Bug("sum"), ExceptionGroup("x", [Broken(), ExceptionGroup("y", [Bug("sum")])])])
async def test_a_broken_invariant_is_not_contained(supervisor: Supervisor, error: Exception) -> None:
    with pytest.raises(type(error)):
        await supervisor.keep("packages", service_of(error))
    with pytest.raises(type(error)):
        await supervisor.keep_started("api", lambda task_status: service_of(error)())

    def call() -> None:
        raise error

    with pytest.raises(type(error)):
        supervisor.guarded("metrics", call, None)()


async def test_readiness_shows_a_failure_until_the_service_has_run_steadily(
    supervisor: Supervisor, autojump_clock: trio.testing.MockClock
) -> None:
    def check() -> Any:
        (found,) = supervisor.checks()
        return found

    assert not supervisor.checks()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.keep, "oracle", service_of(ExceptionGroup("x", [Broken("no feed")]), 10_000.0))
        await trio.sleep(PAUSE_SECONDS_MIN / 2)
        assert (check().name, check().ok) == ("service-oracle", False)
        assert check().detail == "failed once, last 0 s ago: Broken: no feed; starts again in 0 s"
        await trio.sleep(STEADY_SECONDS)
        assert not check().ok
        await trio.sleep(PAUSE_SECONDS_MIN)
        assert check().ok
        nursery.cancel_scope.cancel()


async def test_a_start_that_fails_is_the_callers(
    supervisor: Supervisor, autojump_clock: trio.testing.MockClock
) -> None:
    async def serve(runs: list[int], *, task_status: Any) -> None:
        runs.append(1)
        if len(runs) > 1:
            task_status.started("port")
        await trio.sleep(1)
        if len(runs) < 4:
            raise Broken(len(runs))

    runs: list[int] = []
    with pytest.raises(Broken):
        await supervisor.keep_started("api", partial(serve, runs))
    async with trio.open_nursery() as nursery:
        assert await nursery.start(supervisor.keep_started, "api", partial(serve, runs)) == "port"
    assert (len(runs), supervisor.standings[0].failures) == (4, 2)


async def test_a_call_that_fails_returns_its_substitute_and_is_shown(
    supervisor: Supervisor, autojump_clock: trio.testing.MockClock
) -> None:
    call = supervisor.guarded("vote-extension", lambda number: 1 // number, 7)
    assert (call(1), call(0), call(1)) == (1, 7, 1)
    assert not supervisor.checks()[0].ok
    await trio.sleep(CALL_SECONDS)
    assert supervisor.checks()[0].ok
    assert "ZeroDivisionError" in supervisor.checks()[0].detail


async def test_cancelling_ends_a_service_that_waits_to_be_started_again(supervisor: Supervisor) -> None:
    with trio.move_on_after(0):
        await supervisor.keep("oracle", service_of(Broken(), None))
    assert supervisor.standings[0].is_waiting(trio.current_time())
