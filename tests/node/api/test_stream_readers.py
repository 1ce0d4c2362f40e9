"""Readers of streams: the client that comes back by itself, and `crossclear watch`."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from clearing.base.errors import RemoteFault
from clearing.base.ids import NetworkId
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


async def _read_from(answer: Callable[[bytes], bytes], topic: str = "heights") -> None:
    """Read a topic from a server that sends this to a handshake with this key."""

    async def serve(stream: trio.SocketStream) -> None:
        asked = b""
        while b"\r\n\r\n" not in asked:
            asked += await stream.receive_some()
        _, _, after = asked.lower().partition(b"sec-websocket-key: ")
        key = asked[len(asked) - len(after) :].partition(b"\r\n")[0]
        with suppress(trio.BrokenResourceError):
            await stream.send_all(answer(key))
            await stream.receive_some()

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        try:
            await StreamReader(url, NetworkId(bytes(32)), (topic,)).read(lambda _: None)
        finally:
            nursery.cancel_scope.cancel()


_SWITCH = b"HTTP/1.1 101 S\r\nupgrade: websocket\r\nconnection: upgrade\r\n"


def _accepted(key: bytes) -> bytes:
    proof = base64.b64encode(
        hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
    )
    return _SWITCH + b"sec-websocket-accept: " + proof + b"\r\n"


def _of_another_topic(key: bytes) -> bytes:
    message = b'[{"topic":"account:2","cursor":"1:1","kind":"delta","data":{}}]'
    return _accepted(key) + b"\r\n\x81" + bytes([len(message)]) + message


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: _SWITCH + b"\r\n",
        lambda _: _SWITCH + b"sec-websocket-accept: x\r\n\r\n",
        lambda key: _accepted(key) + b"sec-websocket-extensions: permessage-deflate\r\n\r\n",
        lambda key: _accepted(key) + b"sec-websocket-protocol: another\r\n\r\n",
        lambda _: _SWITCH + b"x: y\r\n" * 100_000,
        lambda _: b"nothing of HTTP\r\n\r\n",
        _of_another_topic,
    ],
    ids=["no proof", "a wrong proof", "an extension", "a protocol", "long headers", "no HTTP", "another topic"],
)
async def test_what_is_no_stream_of_what_was_asked_for_is_named(answer: Callable[[bytes], bytes]) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(RemoteFault, match="R0858"), allow_unwrapped=True, flatten_subgroups=True):
        await _read_from(answer)


@pytest.mark.parametrize(
    ("topic", "message", "why"),
    [
        (
            "account:1",
            b'[{"topic":"account:1","cursor":"1:1","kind":"snapshot","data":{"account":2}}]',
            "another account",
        ),
        (
            "receipts:1",
            b'[{"topic":"receipts:1","cursor":"1:1","kind":"delta","data":{"details":{"account":"2"}}}]',
            "another account",
        ),
        ("heights", b"[]", "no frame"),
        (
            "heights",
            b'[{"topic":"heights","cursor":"7:0","kind":"snapshot","data":{}},'
            b'{"topic":"heights","cursor":"6:0","kind":"delta","data":{}}]',
            "in order",
        ),
    ],
    ids=["another account", "another account's receipt", "no frame", "an event of before"],
)
async def test_a_message_of_something_else_is_named(topic: str, message: bytes, why: str) -> None:
    def answer(key: bytes) -> bytes:
        padded = message.ljust(126)  # the least of a length in two bytes
        return _accepted(key) + b"\r\n\x81\x7e" + len(padded).to_bytes(2, "big") + padded

    with pytest.RaisesGroup(
        pytest.RaisesExc(RemoteFault, match=f"R0858.*{why}"), allow_unwrapped=True, flatten_subgroups=True
    ):
        await _read_from(answer, topic)


@pytest.mark.parametrize("head", [b"content-length: 1000000\r\n\r\n", b"\r\n"], ids=["stated", "until the end"])
async def test_a_refusal_without_bound_is_not_kept(head: bytes) -> None:
    with pytest.RaisesGroup(
        pytest.RaisesExc(RemoteFault, match="R0858.*more than 65536"), allow_unwrapped=True, flatten_subgroups=True
    ):
        await _read_from(lambda _: b"HTTP/1.1 403 F\r\n" + head + b" " * 1_000_000)


@pytest.mark.parametrize(
    "words",
    [("nothing",), ("account",), ("nothing:alice",), ("heights", "--cursor", "x"), ("heights",) * 17, ("receipts:1",)],
)
def test_watch_refuses_what_no_node_takes(words: tuple[str, ...]) -> None:
    assert run(["watch", *words]) == 2
