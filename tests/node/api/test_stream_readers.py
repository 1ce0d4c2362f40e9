"""Readers of streams: the client that comes back by itself, and `crossclear watch`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from cli.main import run
from member.client.node_refusal import NodeRefusal
from member.client.streams import StreamReader
from member.codes import NodeCode
from node.app.clock import clock_ms
from tests.kit.node.station import secret_file
from tests.kit.node.streams import ALICE_KEY, BOB_KEY, StreamingNode, serving_streams, streaming_node
from tests.kit.ports import free_port
from tests.kit.until import until


@pytest.fixture
def node(tmp_path: Path) -> Iterator[StreamingNode]:
    with streaming_node(tmp_path) as node:
        yield node


async def test_a_reader_goes_on_after_a_lost_connection_and_misses_nothing(node: StreamingNode) -> None:
    """The node ends and comes back with an empty log: the reader begins from snapshots, and says so."""
    frames: list[Any] = []
    port = free_port()
    async with trio.open_nursery() as nursery:
        async with serving_streams(node, clock_ms, port=port) as served:
            reader = StreamReader(served.url, node.view.network, ("heights", "receipts:1"), ALICE_KEY)
            nursery.start_soon(reader.read, frames.append)
            await until(lambda: len(frames) == 2)
            node.decide(2)
            await until(lambda: len(frames) == 4)
        async with serving_streams(node, clock_ms, port=port):
            await until(lambda: len(frames) == 6)
            node.decide(2)
            await until(lambda: len(frames) == 8)
            nursery.cancel_scope.cancel()
    assert [(each.kind, each.data["height"]) for each in frames if each.topic == "heights"] == [
        ("snapshot", 3),
        ("delta", 4),
        ("delta", 5),
        ("snapshot", 5),
        ("delta", 6),
        ("delta", 7),
    ]


async def test_a_refusal_that_asking_again_does_not_change_is_raised(node: StreamingNode) -> None:
    async with serving_streams(node, clock_ms) as served:
        reader = StreamReader(served.url, node.view.network, ("receipts:1",), BOB_KEY)
        with pytest.raises(NodeRefusal) as refused:
            await reader.read(lambda _: None)
        assert refused.value.code is NodeCode.API_FORBIDDEN


async def test_watch_prints_what_happens_until_it_has_printed_enough(
    node: StreamingNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = secret_file(tmp_path / "alice", ALICE_KEY)
    async with serving_streams(node, clock_ms) as served:

        async def watched(*words: str) -> tuple[int, str, str]:
            code = await trio.to_thread.run_sync(run, ["watch", *words, "--url", served.url])
            printed = capsys.readouterr()
            return code, printed.out, printed.err

        code, text, err = await watched("heights", "marks", "--frames", "2")
        assert code == 0
        assert "- heights: height 3, epoch" in text
        assert "BTC" in text
        assert "3:999999999 marks: " in text
        assert "--cursor 3:999999999" in err
        code, text, err = await watched("heights", "marks", "--frames", "1")
        assert (code, "--cursor" in err) == (0, False), "there is nothing to go on from"
        node.decide(2, trades=True)
        words = ("receipts:1", "heights", "--cursor", "4:0", "--frames", "2", "--output", "json")
        code, text, err = await watched(*words, "--secret-file", str(key))
        frames = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        assert (code, [each["topic"] for each in frames]) == (0, ["receipts:1", "heights"])
        assert f"--cursor {frames[-1]['cursor']}" in err
        for own in ("account:1", "account:member-1"):
            code, text, _ = await watched(own, "--frames", "1", "--secret-file", str(key))
            assert (code, " account:1: member-1 (account 1), " in text, "equity " in text) == (0, True, True)
        code, _, err = await watched("account:nobody", "--frames", "1", "--secret-file", str(key))
        assert (code, "TOPICS: no single account 'nobody'" in err) == (2, True)


@pytest.mark.parametrize(
    "words",
    [("nothing",), ("account",), ("nothing:alice",), ("heights", "--cursor", "x"), ("heights",) * 17, ("receipts:1",)],
)
def test_watch_refuses_what_no_node_takes(words: tuple[str, ...]) -> None:
    assert run(["watch", *words]) == 2
