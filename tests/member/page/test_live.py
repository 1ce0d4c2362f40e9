"""What happens reaches the page over the node's stream; where there is none, the page asks."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from tests.kit.clearing.genesis import ALICE
from tests.kit.clearing.signer import secret
from tests.kit.member.between_steps import between_steps
from tests.kit.member.driven_page import Scene, Step, drive, signed_in, view
from tests.kit.member.page_view import PageView, RisingView, now_ms, shown
from tests.kit.node.served_api import served_api
from tests.kit.node.station import MARKET
from tests.kit.node.streaming_process import streaming_process
from tests.kit.node.streams import StreamingNode, streaming_node

pytestmark = pytest.mark.usefixtures("built_page")
BLOCK_SECONDS = 0.5
OWN = ["see", "td", "trade novated"]
_ROWS = "[...document.querySelectorAll('tr')].filter((row) => row.textContent.includes('trade novated'))"
HEIGHTS: Step = ["evaluate", f"{_ROWS}.map((row) => row.cells[0].innerText)"]
"""Of the rows of trades."""


def deciding(node: StreamingNode) -> Callable[[], Awaitable[None]]:
    async def decide() -> None:
        while True:
            await trio.sleep(BLOCK_SECONDS)
            node.decide(trades=True)

    return decide


def questions(path: str) -> Step:
    """How often a path was asked for."""
    listed = "performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname)"
    return ["evaluate", f"{listed}.filter((path) => path === '{path}').length"]


def test_heights_come_as_they_are_decided_and_are_not_asked_for(tmp_path: Path) -> None:
    steps: list[Step] = [
        *view("network"),
        ["see", "#standing", "^live"],
        ["text", "#height"],
        ["wait", 4000],
        ["text", "#height"],
        questions("/v1/state"),
    ]
    with streaming_node(tmp_path) as node:
        (scene,) = shown(node.view, steps, beside=deciding(node))
    before, _, after, asked = scene.notes[-4:]
    assert int(after) - int(before) >= 3
    epochs = int(after) // MARKET.epoch_blocks
    assert asked <= 2 + epochs, "once at first, once when the stream opens, and once an epoch"


def test_a_node_that_opens_no_stream_is_asked() -> None:
    steps: list[Step] = [
        *view("network"),
        ["see", "#standing", "asking each second"],
        ["text", "#height"],
        ["wait", 4000],
        ["text", "#height"],
    ]
    rising = RisingView()
    (scene,) = shown(rising, steps, beside=rising.rising, streams_max=0)
    assert int(scene.notes[-1]) - int(scene.notes[-3]) >= 2
    assert "429 /v1/stream" in scene.refused


def test_a_broken_stream_is_taken_up_after_its_cursor(tmp_path: Path) -> None:
    """All events of the own account are in the list, once and in order: each block has one trade of the account."""
    steps: list[Step] = [
        *signed_in(ALICE, secret(1)),
        OWN,
        ["wait", 1500],
        ["offline", True],
        ["see", "#standing", "offline"],
        ["wait", 1500],
        ["offline", False],
        ["see", "#standing", "^live"],
        ["wait", 2500],
        HEIGHTS,
    ]
    with streaming_node(tmp_path) as node:
        scene = broken(node, steps)
    resumed = [each for each in scene.cursors if each]
    assert resumed, "a cursor was given"
    found = [int(each) for each in scene.notes[-1]]
    assert found == list(range(found[0], found[-1] - 1, -1))
    first = int(resumed[0].split(":")[0])
    assert found[0] > first + 3 > found[-1], "the break is within the list"


def test_a_node_that_is_killed_and_comes_back_leaves_the_page_whole(tmp_path: Path) -> None:
    """Its process is killed while it serves. The page says so and keeps what it showed; then each row is there once."""
    opened: list[Step] = [*signed_in(ALICE, secret(1)), OWN, ["see", "#standing", "^live"], ["wait", 2_000]]
    marked: list[Step] = [*opened, ["evaluate", "window.opened = 'once'"]]
    equity: Step = ["text", "#equity"]
    with streaming_process(tmp_path) as node, between_steps(kill=node.kill, start=node.start) as at:
        gone: list[Step] = [at["kill"], ["see", "#standing", "offline"], equity, HEIGHTS, ["wait", 3_000]]
        back: list[Step] = [equity, HEIGHTS, at["start"], ["see", "#standing", "^live"], ["wait", 3_000]]
        whole: Step = ["see", "#main:not(:has(.offline))", "Deposits"]
        read: list[Step] = [whole, HEIGHTS, ["evaluate", "window.opened"], ["text", "#standing"]]
        (scene,) = drive(node.url, [*marked, *gone, *back, *read])
    assert scene.complaints == []
    at_once, rows, _, later, same_rows, *_, all_rows, mark, standing = scene.notes[-12:]
    assert (later, same_rows) == (at_once, rows), "what was known stays"
    before, found = [int(each) for each in rows], [int(each) for each in all_rows]
    assert found == list(range(found[0], found[-1] - 1, -1)), "none is lost, none is there twice"
    assert found[0] > before[0] >= found[-1], "it went on, and the death is within the list"
    assert mark == "once", "the page was not loaded again"
    assert standing.startswith("live height")


def broken(node: StreamingNode, steps: list[Step]) -> Scene:
    """A scene in which the browser loses its network: what it asks then fails, and it says so."""
    settings = {"requests_burst": 100_000, "requests_per_second": 10_000}
    with served_api(node.view, now_ms, deciding(node), **settings) as url:
        (scene,) = drive(url, steps)
    assert scene.complaints == []
    return scene


def test_the_own_account_changes_without_a_question() -> None:
    steps: list[Step] = [*signed_in(ALICE, secret(1)), ["wait", 6000], questions(f"/v1/accounts/{ALICE}")]
    (scene,) = shown(PageView(), steps)
    assert scene.notes[-1] <= 3, "when signing in, and when the stream opens"
