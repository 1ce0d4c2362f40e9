"""A node that was asked to end and has not says what still runs."""

import threading
from typing import Any

import pytest
import structlog
import structlog.testing
import trio
import trio.testing

from node.ops.end_watch import NAMED_MAX, EndWatch, running_tasks, running_threads
from tests.kit.until import until, until_now


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is logged, also by other threads."""
    capture = structlog.testing.LogCapture()
    monkeypatch.setattr("node.ops.end_watch.log", structlog.wrap_logger(None, processors=[capture]))
    return capture.entries


async def _stands_still() -> None:
    await trio.sleep_forever()


def test_a_node_that_does_not_end_names_its_tasks_and_threads_again_and_again(lines: list[dict[str, Any]]) -> None:
    async def run(watch: EndWatch) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stands_still, name="a session")
            watch.begin()
            watch.begin()
            await until(lambda: len(lines) >= 3)
            nursery.cancel_scope.cancel()

    with EndWatch(first_seconds=0.05) as watch:
        trio.run(run, watch)
    assert {(line["event"], line["log_level"]) for line in lines} == {("still ending", "warning")}
    for line in lines:
        (named,) = [part for part in line["tasks"].split("; ") if part.startswith("a session at ")]
        assert "ops/test_end_watch.py:" in named
        assert named.endswith(" _stands_still")
        assert "MainThread at " in line["threads"]
    assert "end-watch" not in {thread.name for thread in threading.enumerate()}


def test_an_event_loop_that_stands_still_is_named_with_where_it_stands(
    lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.ops.end_watch.ANSWER_SECONDS", 0.01)

    def block() -> None:
        until_now(lambda: len(lines) > 0)

    async def run(watch: EndWatch) -> None:
        watch.begin()
        block()

    with EndWatch(first_seconds=0.01) as watch:
        trio.run(run, watch)
    assert lines[0]["tasks"] == "the event loop stands still"
    assert "MainThread at " in lines[0]["threads"]
    assert "until" in lines[0]["threads"]


def test_a_node_that_ends_in_time_says_nothing(lines: list[dict[str, Any]]) -> None:
    async def run(watch: EndWatch) -> None:
        watch.begin()

    with EndWatch(first_seconds=600) as watch:
        trio.run(run, watch)
    assert lines == []


async def test_a_task_that_waits_for_those_it_started_is_not_named() -> None:
    async def starter() -> None:
        async with trio.open_nursery() as within:
            within.start_soon(_stands_still, name="leaf")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(starter, name="starter")
        await trio.testing.wait_all_tasks_blocked()
        names = [line.partition(" at ")[0] for line in running_tasks()]
        nursery.cancel_scope.cancel()
    assert "leaf" in names
    assert "starter" not in names


def test_many_are_counted_not_named(lines: list[dict[str, Any]]) -> None:
    async def run(watch: EndWatch) -> None:
        async with trio.open_nursery() as nursery:
            for number in range(3 * NAMED_MAX):
                nursery.start_soon(_stands_still, name=f"task {number}")
            watch.begin()
            await until(lambda: lines)
            nursery.cancel_scope.cancel()

    with EndWatch(first_seconds=0.01) as watch:
        trio.run(run, watch)
    *named, rest = lines[0]["tasks"].split("; ")
    assert len(named) == NAMED_MAX
    assert rest.startswith("and ")
    assert rest.endswith(" more")


def test_a_thread_is_named_with_the_line_of_the_program_that_it_is_at() -> None:
    ended = threading.Event()

    def wait_here() -> None:
        ended.wait()

    thread = threading.Thread(target=wait_here, name="a writer")
    thread.start()
    try:
        until_now(lambda: any("wait_here" in line for line in running_threads()))
        (line,) = [line for line in running_threads() if line.startswith("a writer")]
        assert line.endswith(" wait_here")
        assert not line.partition(" at ")[2].startswith("/")
    finally:
        ended.set()
        thread.join()
