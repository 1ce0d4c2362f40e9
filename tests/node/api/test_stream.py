"""Streams: a snapshot, then every event once and in order; what a reader may see; and what a bad reader can't do."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection

from member.api.streams import SUBPROTOCOL, SUBPROTOCOL_SIGNED, TOPICS_MAX, StreamFrame, read_cursor
from member.codes import NodeCode
from node.api import stream, stream_blocks, stream_hub
from node.http import connections
from tests.kit.node.fake_view import STRANGER, status_and_code
from tests.kit.node.streams import (
    ALICE_KEY,
    BOB_KEY,
    Served,
    StreamingNode,
    open_socket,
    serving_streams,
    streaming_node,
    target,
)
from tests.kit.until import until

PRIVATE = "account:1,receipts:1"
START = "3:999999999"
"""The node begins to serve streams after height 3, whose events it does not keep."""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[StreamingNode]:
    with streaming_node(tmp_path) as node:
        yield node


def places(frames: list[Any]) -> list[tuple[int, int]]:
    return [(cursor.height, cursor.index) for each in frames if (cursor := read_cursor(each["cursor"])) is not None]


async def test_a_stream_begins_with_a_snapshot_and_goes_on_with_deltas(node: StreamingNode) -> None:
    async with serving_streams(node) as served, served.read("heights,marks") as reader:
        assert reader.response.headers["content-type"].startswith("text/event-stream")
        heights, marks = await reader.several(2)
        assert (heights["kind"], heights["data"]["height"]) == ("snapshot", 3)
        assert (marks["kind"], marks["topic"]) == ("snapshot", "marks")
        assert {each["name"] for each in marks["data"]["marks"]}, "all of them"
        node.decide(2)
        news = await reader.several(4)
    assert [(each["topic"], each["kind"], each["data"]["height"]) for each in news] == [
        ("heights", "delta", 4),
        ("marks", "delta", 4),
        ("heights", "delta", 5),
        ("marks", "delta", 5),
    ]
    feeds = {each["name"] for each in news[-1]["data"]["prices"]}
    assert feeds < {each["name"] for each in marks["data"]["prices"]}, "only what changed"
    for each in reader.frames:
        assert StreamFrame(**each)
    assert places(reader.frames) == sorted(places(reader.frames))


async def test_a_reader_that_comes_back_misses_nothing_and_gets_nothing_twice(node: StreamingNode) -> None:
    topics = "epochs,heights,marks,receipts:1"
    async with serving_streams(node) as served, served.read(topics, ALICE_KEY) as whole:
        await whole.several(4)
        node.decide(8, trades=True)
        while not whole.frames[-1]["cursor"].startswith("11:"):
            await whole.next()
        events = [each for each in whole.frames if each["kind"] == "delta"]
        assert {each["topic"] for each in events} >= {"heights", "marks", "receipts:1"}
        for at, event in enumerate(events[:-1]):
            expected = events[at + 1 :]
            async with served.read(topics, ALICE_KEY, cursor=event["cursor"]) as again:
                assert await again.several(len(expected)) == expected


async def test_a_reader_that_breaks_off_anywhere_among_the_snapshots_loses_nothing(node: StreamingNode) -> None:
    """A cursor would skip the snapshots that are missing: only the last one of them has one."""
    topics = ("governance", "heights", "marks", "receipts:1")
    async with serving_streams(node) as served, served.read(",".join(topics), ALICE_KEY) as whole:
        snapshots = await whole.several(4)
        assert [each["cursor"] for each in snapshots[:-1]] == [""] * 3, "begin anew"
        node.decide(2, trades=True)
        expected = [await whole.next()]
        while not expected[-1]["cursor"].startswith("5:"):
            expected.append(await whole.next())
        async with served.read(",".join(topics), ALICE_KEY, cursor=snapshots[-1]["cursor"]) as again:
            assert await again.several(len(expected)) == expected


async def test_snapshots_without_a_cursor_leave_a_socket_without_one(node: StreamingNode) -> None:
    async with serving_streams(node) as served, served.socket("heights,marks") as socket_:
        assert [each["cursor"] for each in json.loads(await socket_.get_message())] == ["", START]


async def test_a_cursor_in_the_header_counts_before_the_one_in_the_address(node: StreamingNode) -> None:
    async with serving_streams(node) as served:
        node.decide(4)
        async with served.read("heights", cursor="4:0", more={"Last-Event-ID": "6:0"}) as reader:
            assert (await reader.next())["cursor"] == "7:0"


async def test_the_same_comes_over_a_websocket(node: StreamingNode) -> None:
    topics = "heights,marks,receipts:1"
    async with serving_streams(node) as served:
        async with served.read(topics, ALICE_KEY) as reader, served.socket(topics, ALICE_KEY) as socket_:
            node.decide(3, trades=True)
            frames: list[Any] = []
            while not frames or frames[-1]["cursor"] != "6:2":
                frames += json.loads(await socket_.get_message())
            assert await reader.several(len(frames)) == frames
        async with served.socket("heights", cursor="5:0") as socket_:
            assert [each["cursor"] for each in json.loads(await socket_.get_message())] == ["6:0"]


async def test_an_account_is_a_value_of_which_the_changes_follow(node: StreamingNode) -> None:
    async with serving_streams(node) as served, served.read(PRIVATE, ALICE_KEY) as reader:
        first = await reader.several(2)
        snapshot = next(each["data"] for each in first if each["topic"] == "account:1")
        node.decide(1, trades=True)
        shown = dict(snapshot)
        while not shown["positions"]:
            frame = await reader.next()
            if frame["topic"] == "account:1":
                assert frame["kind"] == "delta"
                assert len(frame["data"]) < len(shown)
                shown |= frame["data"]
        assert shown["next_nonce"] == snapshot["next_nonce"]
        assert shown["cash"] or shown["tokens"]


async def test_members_topics_are_signed_and_an_account_is_its_owners(node: StreamingNode) -> None:
    async with serving_streams(node) as served, httpx.AsyncClient(timeout=60) as client:

        async def refusal(topics: str, key: bytes | None) -> tuple[int, str]:
            return status_and_code(await client.get(served.stream_url(topics), headers=served.headers(topics, key)))

        for topics in ("calls", "liquidations", "sales", "defaults", "fund", PRIVATE, "heights,calls"):
            assert await refusal(topics, None) == (401, "R0847")
            assert await refusal(topics, STRANGER) == (401, "R0847")
        assert await refusal(PRIVATE, BOB_KEY) == (403, "R0848")
        assert await refusal("account:99", BOB_KEY) == (403, "R0848"), "as another's"
        assert served.hub.open_streams == 0


async def test_a_key_that_is_replaced_no_longer_reads(node: StreamingNode, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving_streams(node) as served, served.read("receipts:1", ALICE_KEY) as reader:
        await reader.next()
        monkeypatch.setattr(stream, "owner_of", lambda _state, _account: BOB_KEY[:20])
        node.decide()
        end = await reader.next()
        assert (end["kind"], end["data"]["code"]) == ("end", NodeCode.API_FORBIDDEN.label)
        with pytest.raises(EOFError):
            await reader.next()


@pytest.mark.parametrize(
    "topics", ["", "height", "heights,", "heights;marks", "account", "account:-1", "receipts:x", "heights%0A"]
)
async def test_an_unknown_topic_is_refused(node: StreamingNode, topics: str) -> None:
    async with serving_streams(node) as served, httpx.AsyncClient(timeout=60) as client:
        assert status_and_code(await client.get(served.stream_url(topics))) == (400, "R0842")


async def test_so_many_topics_and_no_more(node: StreamingNode) -> None:
    async with serving_streams(node) as served, httpx.AsyncClient(timeout=60) as client:
        topics = ",".join(["heights"] * TOPICS_MAX)
        async with served.read(topics) as reader:
            assert (await reader.next())["topic"] == "heights", "once"
            node.decide()
            assert (await reader.next())["kind"] == "delta"
        assert status_and_code(await client.get(served.stream_url(f"{topics},marks"))) == (400, "R0842")


async def test_a_cursor_that_is_too_old_is_refused_with_the_oldest(
    node: StreamingNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_blocks, "BLOCKS_KEPT", 3)
    async with serving_streams(node) as served, httpx.AsyncClient(timeout=60) as client:
        node.decide(6)
        for cursor in ("6:0", "0:0", "3:1"):
            refused = await client.get(served.stream_url("heights", cursor))
            assert status_and_code(refused) == (410, NodeCode.STREAM_CURSOR_OLD.label)
            assert "7:0" in refused.json()["message"]
        async with served.read("heights", cursor="7:0") as reader:
            assert [each["cursor"] for each in await reader.several(2)] == ["8:0", "9:0"]


@pytest.mark.parametrize(
    ("cursor", "refusal"),
    [
        ("6:0", (503, NodeCode.STREAM_CURSOR_AHEAD.label)),
        ("999999999999999999:0", (503, NodeCode.STREAM_CURSOR_AHEAD.label)),
        ("5:999", (400, "R0842")),
        ("5:999999998", (400, "R0842")),
        ("3:0", (410, NodeCode.STREAM_CURSOR_OLD.label)),
        ("5", (400, "R0842")),
        ("-1:0", (400, "R0842")),
        ("5:0:0", (400, "R0842")),
        ("05:0", (400, "R0842")),
    ],
)
async def test_a_wrong_cursor_is_refused(node: StreamingNode, cursor: str, refusal: tuple[int, str]) -> None:
    async with serving_streams(node) as served, httpx.AsyncClient(timeout=60) as client:
        node.decide(2)
        assert status_and_code(await client.get(served.stream_url("heights", cursor))) == refusal


async def test_a_cursor_after_a_whole_block_is_good_wherever_the_block_ends(node: StreamingNode) -> None:
    async with serving_streams(node) as served:
        node.decide(3)
        for height in (3, 4, 5):
            async with served.read("heights", cursor=f"{height}:999999999") as reader:
                assert (await reader.next())["cursor"] == f"{height + 1}:0"


async def test_where_nothing_happens_heartbeats_carry_the_cursor(
    node: StreamingNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "QUIET_SECONDS", 0.02)
    async with serving_streams(node) as served:
        async with served.read("governance") as reader:
            assert (await reader.next())["kind"] == "snapshot"
            node.decide(2)
            while not (frame := await reader.next(heartbeats=True))["cursor"].startswith("5:"):
                assert frame["kind"] == "heartbeat"
            assert frame["kind"] == "heartbeat"
        async with served.read("governance", cursor="5:0") as reader:
            assert reader.response.status_code == 200


async def test_what_readers_may_see_alike_is_encoded_once(node: StreamingNode, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[str] = []
    real = stream_blocks.frame

    def counted(topic: str, *rest: Any) -> bytes:
        encoded.append(topic)
        return real(topic, *rest)

    monkeypatch.setattr(stream_blocks, "frame", counted)
    async with serving_streams(node) as served, trio.open_nursery() as nursery:
        seen: list[Any] = []
        begun: list[Any] = []

        async def read() -> None:
            async with served.read("heights,marks") as reader:
                begun.append(await reader.several(2))
                seen.append(await reader.several(2))

        for _ in range(20):
            nursery.start_soon(read)
        await until(lambda: len(begun) == 20)
        node.decide()
    assert len(seen) == 20
    assert all(each == seen[0] for each in seen)
    assert sorted(encoded) == ["heights", "marks"]


async def test_streams_are_bounded_in_total_and_of_an_address(node: StreamingNode) -> None:
    for limits, why in (({"streams_max": 2}, "open=2"), ({"streams_per_client_max": 2}, "of_one_address=2")):
        async with serving_streams(node, **limits) as served, httpx.AsyncClient(timeout=60) as client:
            async with served.read("heights") as reader, served.socket("heights"):
                await reader.next()
                await until(lambda: served.hub.open_streams == 2)
                refused = await client.get(served.stream_url("heights"))
                assert status_and_code(refused) == (429, NodeCode.STREAM_FULL.label)
                assert int(refused.headers["retry-after"]) > 0
                assert why in refused.json()["message"]
                with pytest.raises(ConnectionRejected) as rejected:
                    async with served.socket("heights"):
                        pass
                assert rejected.value.status_code == 429
                assert json.loads(rejected.value.body)["code"] == NodeCode.STREAM_FULL.label
            await until(lambda: served.hub.open_streams == 0)
            async with served.read("heights") as reader:
                await reader.next()


async def test_a_reader_that_takes_nothing_holds_up_nobody_and_is_left(
    node: StreamingNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log is short, its kernel takes little: the node forgets its place, decides on, and ends its stream."""
    monkeypatch.setattr(stream_blocks, "BLOCKS_KEPT", 4)
    monkeypatch.setattr(connections, "UNREAD_MS_MAX", 3_000)
    big = b"x" * (1 << 20)
    real = stream_blocks.frame
    monkeypatch.setattr(stream_blocks, "frame", lambda *given: real(*given[:-1], b'{"height":1,"x":"%b"}' % big))
    async with serving_streams(node) as served, served.read("heights") as reader:
        stuck = open_raw(served, "heights")
        await until(lambda: served.hub.open_streams == 2)
        await reader.next()
        for _ in range(12):
            node.decide()
            frame = await reader.next()
            assert frame["kind"] == "delta", "the other reader gets every block"
        await until(lambda: served.hub.open_streams == 1, "the stuck one is left")
        stuck.close()


def open_raw(served: Served, topics: str) -> socket.socket:
    """A connection that asks and never reads."""
    place = httpx.URL(served.url)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect((place.host, place.port))
    sock.sendall(f"GET {target(topics)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return sock


async def test_a_reader_whose_place_is_forgotten_gets_a_code(
    node: StreamingNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_blocks, "BLOCKS_KEPT", 2)
    async with serving_streams(node) as served, served.read("heights") as reader:
        await reader.next()
        node.decide(5)  # before the reader's task runs again
        end = await reader.next()
        assert (end["kind"], end["data"]["code"]) == ("end", NodeCode.STREAM_SLOW.label)
        assert end["cursor"] == START


async def test_a_head_that_drips_counts_as_no_stream_and_holds_up_nobody(node: StreamingNode) -> None:
    async with serving_streams(node) as served:
        place = httpx.URL(served.url)
        dripping = await trio.open_tcp_stream(place.host, int(place.port or 0))
        await dripping.send_all(b"GET /v1/stream?topics=heights HTTP/1.1\r\nHost: localhos")
        async with served.read("heights") as reader:
            assert (await reader.next())["kind"] == "snapshot"
            assert served.hub.open_streams == 1
        await dripping.aclose()


async def test_a_body_that_drips_is_refused(node: StreamingNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BODY_SECONDS_MAX", 0.05)
    async with serving_streams(node) as served:
        place = httpx.URL(served.url)
        dripping = await trio.open_tcp_stream(place.host, int(place.port or 0))
        head = b"POST /v1/submit HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        await dripping.send_all(head + b"Content-Length: 9\r\n\r\n{")
        answer = b""
        while chunk := await dripping.receive_some():
            answer += chunk
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"too slow" in answer
        await dripping.aclose()


async def _read_on(socket_: WebSocketConnection) -> None:
    while True:
        await socket_.get_message()


@pytest.mark.parametrize("message", ["x", "x" * 100_000, b"\0" * 4096])
async def test_a_stream_takes_no_messages(node: StreamingNode, message: str | bytes) -> None:
    async with serving_streams(node) as served:
        async with served.socket("heights") as socket_:
            await socket_.get_message()
            await socket_.send_message(message)
            with pytest.raises(ConnectionClosed) as closed:
                await _read_on(socket_)
            assert closed.value.reason is not None
            assert closed.value.reason.code in (1008, 1009)
        await until(lambda: served.hub.open_streams == 0)


async def test_no_socket_is_compressed(node: StreamingNode) -> None:
    async with serving_streams(node) as served:
        place = httpx.URL(served.url)
        connection = await trio.open_tcp_stream(place.host, int(place.port or 0))
        await connection.send_all(
            f"GET {target('heights')} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n".encode()
            + b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            + b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
        )
        answer = await connection.receive_some()
        assert answer.startswith(b"HTTP/1.1 101")
        assert b"deflate" not in answer
        await connection.aclose()


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        ((), "https://elsewhere.example", False),
        ((), "null", False),
        (("https://page.example",), "https://page.example", True),
        (("https://page.example",), "https://page.example.evil", False),
        (("*",), "https://elsewhere.example", True),
    ],
)
async def test_pages_of_listed_origins_alone_open_sockets(
    node: StreamingNode, origins: tuple[str, ...], origin: str, allowed: bool
) -> None:
    async with serving_streams(node, origins=origins) as served:
        try:
            async with open_socket(served.stream_url("heights"), [("Origin", origin.encode())]) as socket_:
                await socket_.get_message()
                opened = True
        except ConnectionRejected as rejected:
            assert (rejected.status_code, json.loads(rejected.body)["code"]) == (403, NodeCode.STREAM_ORIGIN.label)
            opened = False
    assert opened is allowed


async def test_a_page_signs_by_a_subprotocol(node: StreamingNode) -> None:
    async with serving_streams(node) as served:
        header = served.headers("receipts:1", ALICE_KEY)["Authorization"].partition(" ")[2]
        url = served.stream_url("receipts:1")
        protocols = [SUBPROTOCOL, SUBPROTOCOL_SIGNED + header.replace(":", ".")]
        async with open_socket(url, [], protocols) as socket_:
            assert socket_.subprotocol == SUBPROTOCOL
            assert json.loads(await socket_.get_message())[0]["topic"] == "receipts:1"
        with pytest.raises(ConnectionRejected) as rejected:
            async with open_socket(url, [], protocols):
                pass
        assert json.loads(rejected.value.body)["code"] == NodeCode.API_REPLAYED.label


async def test_a_node_that_ends_says_so_on_every_stream(node: StreamingNode) -> None:
    ends: list[Any] = []
    async with trio.open_nursery() as nursery:
        begun = trio.Event()

        async def read_socket(served: Served) -> None:
            try:
                async with served.socket("heights") as socket_:
                    await socket_.get_message()
                    begun.set()
                    while True:
                        ends.extend(json.loads(await socket_.get_message()))
            except ConnectionClosed as closed:
                assert closed.reason is not None
                ends.append(closed.reason.code)

        async def read_events(served: Served) -> None:
            async with served.read("heights") as reader:
                await reader.next()
                ends.append(await reader.next())

        async with serving_streams(node) as served:
            nursery.start_soon(read_socket, served)
            await begun.wait()
            nursery.start_soon(read_events, served)
            await until(lambda: served.hub.open_streams == 2)
    codes = [each["data"]["code"] for each in ends if not isinstance(each, int)]
    assert codes == [NodeCode.STREAM_ENDING.label] * 2
    assert 1001 in ends


async def test_what_streams_did_is_counted(node: StreamingNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_blocks, "BLOCKS_KEPT", 3)
    async with serving_streams(node, streams_max=2) as served, httpx.AsyncClient(timeout=60) as client:
        counts = served.hub.counts
        async with served.read("heights,marks") as reader, served.socket("heights") as socket_:
            await reader.several(2)
            await socket_.get_message()
            node.decide()
            await reader.several(2)
            assert dict(counts.open) == {"events": 1, "socket": 1}
            assert (await client.get(served.stream_url("heights"))).status_code == 429
            await until(lambda: dict(counts.frames) == {"events": 4, "socket": 2})
            assert sum(counts.delays) == 2, "snapshots have none"
            await socket_.send_message("x")
            await until(lambda: counts.ended[NodeCode.STREAM_READ_ONLY.label] == 1)
            node.decide(5)  # before the reader's task runs again
            assert counts.lag() == 5
            await until(lambda: counts.ended[NodeCode.STREAM_SLOW.label] == 1)
        async with served.read("heights") as reader:
            await reader.next()
        await until(lambda: counts.ended["left"] == 1)
        assert (await client.get(served.stream_url("heights", "4:0"))).status_code == 410
    assert dict(counts.refused) == {NodeCode.STREAM_FULL.label: 1, NodeCode.STREAM_CURSOR_OLD.label: 1}


def test_the_log_is_bounded_by_blocks_and_by_receipts(node: StreamingNode, monkeypatch: pytest.MonkeyPatch) -> None:
    log = stream_blocks.StreamLog()
    blocks: list[stream_blocks.StreamBlock] = []

    def follow(decided: Any) -> None:
        blocks.append(stream_blocks.StreamBlock(decided.header, decided.result.receipts, None))

    node.view.followers.append(follow)
    node.decide(9)
    monkeypatch.setattr(stream_blocks, "BLOCKS_KEPT", 5)
    for block in blocks:
        log.add(block)
    assert (log.first_height, log.block(7), log.block(8)) == (8, None, blocks[4])
    monkeypatch.setattr(stream_blocks, "RECEIPTS_KEPT", 0)
    log.add(blocks[-1])
    assert log.newest is blocks[-1], "a block that is no successor begins anew"
    assert log.first_height == blocks[-1].height


async def test_a_value_is_looked_at_once_for_all_its_readers(
    node: StreamingNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    begun: list[None] = []
    real = stream_hub.value_of

    def counted(state: Any, topic: str) -> Any:
        looked.append(topic)
        return real(state, topic)

    monkeypatch.setattr(stream_hub, "value_of", counted)
    async with serving_streams(node) as served, trio.open_nursery() as nursery:

        async def read() -> None:
            async with served.read("account:1,sales", ALICE_KEY) as reader:
                await reader.several(2)
                begun.append(None)
                await reader.next()

        for _ in range(5):
            nursery.start_soon(read)
        await until(lambda: len(begun) == 5)  # one that is open and has not begun would begin with the next block
        assert sorted(looked) == ["account:1", "sales"], "each value once for all its readers"
        node.decide(1, trades=True)
    assert looked.count("account:1") == 2
