"""The Python client at a node that fails, is busy, forgets and lies: under asyncio and under trio."""

import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import httpx
import msgpack
import pytest

from crossclear_client import Client, Key, Retries, answers, errors, requests
from crossclear_client.streams import EVENT_BYTES_MAX, EventParser

KEY = Key(b"\x01" * 32)
NETWORK = b"\x2a" * 32
FAST = Retries(attempts=4, first_wait=0.001, longest_wait=0.002)
Handler = Callable[[httpx.Request], httpx.Response]
PROBLEM = {"code": "R0845", "message": "too many", "at": "request", "remedy": "wait"}


@pytest.fixture(params=["asyncio", "trio"])
def play(request: pytest.FixtureRequest) -> Callable[[Handler, Callable[[Client], Awaitable[Any]]], Any]:
    """Run a client's story against a node that is one function."""

    def run(node: Handler, story: Callable[[Client], Awaitable[Any]]) -> Any:
        async def played() -> Any:
            transport = httpx.MockTransport(lambda request: streamed(node(request)))
            async with Client("http://node", KEY, network=NETWORK, retries=FAST, transport=transport) as client:
                return await story(client)

        return anyio.run(played, backend=request.param)

    return run


def streamed(found: httpx.Response) -> httpx.Response:
    """As a network hands it over: not read yet."""
    return httpx.Response(found.status_code, headers=found.headers, stream=httpx.ByteStream(found.content))


def answer(status: int = 200, **values: Any) -> httpx.Response:
    return httpx.Response(status, json=values)


STATE = {"height": 7, "network": "0x" + NETWORK.hex()}
OPENING = requests.CashTransfer(account=1, recipient=2, cash_group=0, micros=3, nonce=4, not_after_ms=5)


def made() -> requests.CashTransfer:
    return anyio.run(lambda: Client("http://node", KEY, network=NETWORK).sign(OPENING))


class Node:
    """Answers in the order given; remembers what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        found = self._answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def result(status: str, hash_: str, problem: dict[str, str] | None = None) -> httpx.Response:
    refused = {"problem": problem} if problem else {}
    return answer(422 if problem else 202, results=[{"hash": hash_, "status": status, **refused}])


def test_the_sources_of_a_price_are_read_and_those_of_an_older_node_are_none(play: Any) -> None:
    feed = {"feed": 1, "name": "BTC", "reporting": 0, "lowest_ticks": "0", "highest_ticks": "0", "oldest_ms": 0}
    lost = {"name": "lost", "age_ms": None, "verdict": "venue_unreachable", "code": "R0990"}
    sources = [{"name": "good", "age_ms": 1_500, "verdict": "usable", "code": ""}, lost]
    view = {"height": 1, "time_ms": 1, "validators": 1, "chains": []}
    node = Node(answer(**view, feeds=[{**feed, "sources": sources}]), answer(**view, feeds=[feed]))

    async def story(client: Client) -> tuple[answers.ObservedView, answers.ObservedView]:
        return await client.observed(), await client.observed()

    newer, older = play(node, story)
    assert newer.feeds[0].sources == (
        answers.SourceObserved(name="good", age_ms=1_500, verdict="usable"),
        answers.SourceObserved(name="lost", age_ms=None, verdict="venue_unreachable", code="R0990"),
    )
    assert older.feeds[0].sources == ()


def test_a_question_is_asked_again_and_signed_again(play: Any) -> None:
    node = Node(
        httpx.ConnectError("down"),
        httpx.Response(503, json=PROBLEM),
        answer(seal_key="0x" + "00" * 32),
    )
    assert play(node, lambda client: client.ask("GET", "/x", dict, signed=True))["seal_key"]
    headers = [each.headers["authorization"] for each in node.asked]
    assert len(set(headers)) == 3, "a nonce is taken once"


def test_a_node_that_never_answers_is_unreachable(play: Any) -> None:
    node = Node(*[httpx.ConnectError("down")] * FAST.attempts)
    with pytest.raises(errors.NodeUnreachable) as raised:
        play(node, lambda client: client.health())
    assert (raised.value.code, len(node.asked)) == ("R0857", FAST.attempts)


def test_a_refusal_has_the_nodes_code_and_remedy_and_is_not_repeated(play: Any) -> None:
    node = Node(httpx.Response(403, json={**PROBLEM, "code": "R0848"}))
    with pytest.raises(errors.NodeRefused) as raised:
        play(node, lambda client: client.account(1))
    assert (raised.value.code, raised.value.status, raised.value.remedy) == ("R0848", 403, "wait")


@pytest.mark.parametrize("body", [b"<html>", b"\xff", b"[" * 100_000, b'{"code": 1}'])
def test_what_is_no_node_is_named(play: Any, body: bytes) -> None:
    for status in (200, 404):
        with pytest.raises(errors.BadAnswer) as raised:
            play(Node(httpx.Response(status, content=body)), lambda client: client.account(1))
        assert raised.value.code == "R0858"


def test_an_answer_without_bound_is_cut(play: Any) -> None:
    with pytest.raises(errors.BadAnswer, match="more than 10 bytes"):
        play(Node(httpx.Response(200, content=bytes(1 << 20))), lambda client: client.download("/x", limit=10))


def test_a_retry_after_beyond_patience_ends_the_attempts(play: Any) -> None:
    node = Node(httpx.Response(429, json=PROBLEM, headers={"retry-after": "3600"}))
    with pytest.raises(errors.NodeRefused):
        play(node, lambda client: client.account(1))
    assert len(node.asked) == 1


def test_a_request_is_sent_with_the_same_bytes_until_its_fate_is_known(play: Any) -> None:
    request = made()
    busy = {**PROBLEM, "code": "R0832"}
    unknown = httpx.Response(404, json={**PROBLEM, "code": "R0877"})
    applied = answer(hash=request.id, state="applied", height=9)
    node = Node(
        httpx.ReadTimeout("lost"),
        result("refused", request.id, busy),
        result("accepted", request.id),
        answer(hash=request.id, state="pending"),
        unknown,
        result("known", request.id),
        applied,
    )
    assert play(node, lambda client: client.settle(request)).height == 9
    sent = [each.content for each in node.asked if each.method == "POST"]
    assert len(sent) == 4
    assert set(sent) == {msgpack.packb([[msgpack.unpackb(request.canonical)]])}


@pytest.mark.parametrize("state", ["refused", "expired", "dropped"])
def test_the_fate_of_a_request_that_no_block_applies_is_its_code(play: Any, state: str) -> None:
    request, problem = made(), {**PROBLEM, "code": "R0203"}
    node = Node(result("accepted", request.id), answer(hash=request.id, state=state, problem=problem))
    with pytest.raises(errors.RequestRefused) as raised:
        play(node, lambda client: client.settle(request))
    assert (raised.value.code, raised.value.hash) == ("R0203", request.id)


def test_a_request_that_the_pool_refuses_has_its_code(play: Any) -> None:
    request = made()
    node = Node(result("refused", request.id, {**PROBLEM, "code": "R0201"}))
    with pytest.raises(errors.RequestRefused, match="R0201"):
        play(node, lambda client: client.settle(request))


def test_a_fate_that_is_not_known_in_time_is_no_refusal(play: Any) -> None:
    request = made()

    def node(asked: httpx.Request) -> httpx.Response:
        return result("accepted", request.id) if asked.method == "POST" else answer(hash=request.id, state="pending")

    with pytest.raises(errors.NoFate, match="R0941"):
        play(node, lambda client: client.settle(request, seconds=0.3))


def test_a_node_that_answers_for_another_request_is_named(play: Any) -> None:
    request = made()
    with pytest.raises(errors.BadAnswer, match="other requests"):
        play(Node(result("accepted", "0x" + "00" * 32)), lambda client: client.submit(request))


def test_the_fate_of_another_request_is_not_this_ones(play: Any) -> None:
    request = made()
    other = answer(hash="0x" + "77" * 32, state="applied", height=9)
    with pytest.raises(errors.BadAnswer, match="another request"):
        play(Node(result("accepted", request.id), other), lambda client: client.settle(request))
    with pytest.raises(errors.BadAnswer, match="another request"):
        play(Node(other), lambda client: client.fate(request.id))


DEPOSIT = {"chain_id": 1, "vault": "0x" + "ab" * 20, "nonce": 7, "height": 9, "status": "credited", "next": "nothing"}


@pytest.mark.parametrize("about", [{"chain_id": 2}, {"vault": "0x" + "cd" * 20}, {"nonce": 8}])
def test_an_answer_about_something_else_than_was_asked_for_is_none(play: Any, about: dict[str, Any]) -> None:
    asked = (1, "0x" + "AB" * 20, 7)
    assert play(Node(httpx.Response(200, json=DEPOSIT)), lambda client: client.deposit(*asked)).status == "credited"
    with pytest.raises(errors.BadAnswer, match=f"another {next(iter(about))}"):
        play(Node(httpx.Response(200, json=DEPOSIT | about)), lambda client: client.deposit(*asked))


@pytest.mark.parametrize(
    "body",
    [
        '{"hash": "HASH", "state": "pending", "state": "applied"}',
        '{"hash": "HASH", "state": "applied", "\\u0073tate": "applied"}',
        '{"hash": "HASH", "state": "applied", "values": {"a": "1", "a": "2"}}',
    ],
)
def test_a_name_that_an_object_has_twice_is_no_answer(play: Any, body: str) -> None:
    """Parsers disagree on its value, so two clients would read two answers."""
    request = made()
    node = Node(httpx.Response(200, content=body.replace("HASH", request.id).encode()))
    with pytest.raises(errors.BadAnswer, match="twice"):
        play(node, lambda client: client.fate(request.id))


def test_nonces_of_one_account_rise_without_waiting_for_blocks(play: Any) -> None:
    account: dict[str, Any] = dict.fromkeys(("account", "member", "height"), 1)
    amounts: dict[str, Any] = {f"{name}_micros": "0" for name in ("equity", "initial_margin", "maintenance_margin")}

    async def story(client: Client) -> list[int]:
        return [await client.next_nonce(1) for _ in range(3)]

    views = [answer(**account, **amounts, called=False, next_nonce=nonce) for nonce in (5, 5, 9)]
    assert play(Node(*views), story) == [5, 6, 9]


def test_without_a_key_nothing_is_signed() -> None:
    with pytest.raises(errors.NoKey):
        anyio.run(lambda: Client("http://node", network=NETWORK).sign(OPENING))


def events(*each: tuple[str, Any]) -> httpx.Response:
    text = "".join(f"id: {id_}\ndata: {json.dumps(data)}\n\n" for id_, data in each)
    return httpx.Response(200, content=text.encode(), headers={"content-type": "text/event-stream"})


def test_a_stream_goes_on_after_the_last_step_that_it_got(play: Any) -> None:
    node = Node(
        events(("a-1", {"n": 1}), ("a-2", {"n": 2})),
        httpx.ConnectError("down"),
        httpx.Response(503, json=PROBLEM),
        events(("a-3", {"n": 3})),
        httpx.Response(204),
    )

    async def story(client: Client) -> list[dict[str, int]]:
        async with client.stream("/s", dict[str, int]) as stream:
            return [event async for event in stream]

    assert play(node, story) == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert [each.headers.get("last-event-id") for each in node.asked] == [None, "a-2", "a-2", "a-2", "a-3"]


def frame(topic: str, cursor: str, kind: str, /, **data: Any) -> tuple[str, Any]:
    return cursor, {"topic": topic, "cursor": cursor, "kind": kind, "data": data}


ENDING = {"code": "R0965", "message": "the node ends", "at": "stream", "remedy": "wait"}


def test_topics_go_on_from_the_cursor_which_snapshots_have_once_all_of_them_came(play: Any) -> None:
    snapshots = frame("heights", "", "snapshot", height=7), frame("marks", "7:3", "snapshot", height=7)
    node = Node(
        events(snapshots[0]),
        events(*snapshots),
        httpx.ConnectError("down"),
        events(frame("", "7:4", "heartbeat"), frame("heights", "8:0", "delta", height=8)),
        events(frame("heights", "9:0", "delta", height=9), frame("", "9:2", "end", **ENDING)),
        events(frame("", "9:2", "end", **{**ENDING, "code": "R0848"})),
    )

    found = []

    async def story(client: Client) -> None:
        async with client.follow("heights", "marks") as frames:
            async for each in frames:
                found.append((each.topic, each.cursor))  # noqa: PERF401 - it ends by a refusal

    with pytest.raises(errors.NodeRefused, match="R0848"):
        play(node, story)
    assert found == [("heights", ""), ("heights", ""), ("marks", "7:3"), ("heights", "8:0"), ("heights", "9:0")]
    asked = [each.url.params.get("cursor") for each in node.asked]
    assert asked == [None, None, "7:3", "7:3", "8:0", "9:0"]
    assert all("authorization" in each.headers for each in node.asked)


@pytest.mark.parametrize(
    "forgotten",
    [
        httpx.Response(410, json={**PROBLEM, "code": "R0960"}),
        events(frame("", "8:0", "end", **{**ENDING, "code": "R0963"})),
    ],
)
def test_what_the_node_has_forgotten_is_a_gap_before_snapshots(play: Any, forgotten: httpx.Response) -> None:
    node = Node(
        events(frame("heights", "8:0", "delta")), forgotten, events(frame("heights", "9:9", "snapshot", height=9))
    )

    async def story(client: Client) -> list[tuple[str, str]]:
        async with client.follow("heights", cursor="7:0") as frames:
            return [(each.kind, each.cursor) for each in [await anext(frames) for _ in range(3)]]

    assert play(node, story) == [("delta", "8:0"), ("gap", "8:0"), ("snapshot", "9:9")]
    assert "cursor" not in node.asked[2].url.params


def test_a_line_without_end_is_refused_before_it_fills_the_memory(play: Any) -> None:
    async def story(client: Client) -> None:
        async with client.follow("heights") as frames:
            await anext(frames)

    with pytest.raises(errors.BadAnswer):
        play(Node(httpx.Response(200, content=b"data: " + b"x" * EVENT_BYTES_MAX)), story)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_in_three_ways(play: Any, end: str) -> None:
    async def story(client: Client) -> list[str]:
        async with client.stream("/s", dict[str, int]) as stream:
            return [str(event) async for event in stream]

    text = f": hallo{end}id: 1{end}data: {{}}{end}{end}"
    assert play(Node(httpx.Response(200, content=text.encode()), httpx.Response(204)), story) == ["{}"]


@pytest.mark.parametrize("each", [httpx.ConnectError("down"), "empty"], ids=["down", "closed at once"])
def test_a_stream_that_never_comes_back_is_lost(each: Exception | str, play: Any) -> None:
    """Neither is a node asked without a pause that closes each connection at once."""

    async def story(client: Client) -> None:
        async with client.stream("/s", dict) as stream:
            async for _ in stream:
                pass

    given = [events() if isinstance(each, str) else each for _ in range(FAST.attempts)]
    with pytest.raises(errors.StreamLost, match="R0942"):
        play(Node(*given), story)


def test_a_watch_shows_each_answer_once_and_outlives_a_node_that_is_down(play: Any) -> None:
    downs = [httpx.ConnectError("down")] * FAST.attempts
    node = Node(answer(n=1), answer(n=1), *downs, answer(n=2))

    async def story(client: Client) -> list[dict[str, int]]:
        found = []
        async for each in client.watch(lambda: client.ask("GET", "/x", dict[str, int]), seconds=0.001):
            found.append(each)
            if len(found) == 2:
                return found
        return []

    assert play(node, story) == [{"n": 1}, {"n": 2}]


def test_events_are_read_as_the_standard_says() -> None:
    parser = EventParser()
    lines = [": comment", "id: 1", "event: step", "data: a", "data:b", "", "data", "", "id: 2", "", "retry: 5"]
    found = [event for event in map(parser.line, lines) if event is not None]
    assert [(each.id, each.event, each.data) for each in found] == [("1", "step", "a\nb"), ("1", "message", "")]
    assert parser.last_id == "2"
    with pytest.raises(errors.BadAnswer):
        parser.line("data: " + "x" * EVENT_BYTES_MAX)


REFUSED = json.dumps({**PROBLEM, "code": "R0841"}).encode()


class Endless(httpx.AsyncByteStream):
    """A body of pieces, one after another, until it is closed; who reads them all has no bound."""

    def __init__(self, pieces: int, size: int, seconds: float = 0) -> None:
        self.left, self._piece, self._seconds, self._is_closed = pieces, b" " * size, seconds, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.left and not self._is_closed:
            self.left -= 1
            await anyio.sleep(self._seconds)
            yield self._piece

    async def aclose(self) -> None:
        self._is_closed = True


def _opened_at(backend: str, refusal: Callable[[], httpx.Response], socket: bool, timeout: float = 30) -> None:
    """Open a stream at a node that refuses it like this each time."""

    async def played() -> None:
        transport = httpx.MockTransport(lambda request: refusal())
        client = Client("http://node", KEY, network=NETWORK, retries=FAST, transport=transport, timeout=timeout)
        async with client, client.follow("heights", websocket=socket) as frames:
            await anext(frames)

    anyio.run(played, backend=backend)


@pytest.mark.parametrize("socket", [False, True], ids=["events", "socket"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_what_a_stream_is_refused_with_is_bounded(backend: str, status: int, socket: bool) -> None:
    body = Endless(1_000, 1 << 16)
    with pytest.raises(errors.BadAnswer, match="more than"):
        _opened_at(backend, lambda: httpx.Response(status, stream=body), socket)
    assert body.left > 800


@pytest.mark.parametrize("socket", [False, True], ids=["events", "socket"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_a_stream_is_refused_with_is_read_for_a_time_only(backend: str, socket: bool) -> None:
    with pytest.raises(errors.StreamLost):
        _opened_at(backend, lambda: httpx.Response(403, stream=Endless(10_000, 1, 0.01)), socket, 0.1)


@pytest.mark.parametrize("socket", [False, True], ids=["events", "socket"])
def test_what_a_stream_is_refused_with_is_not_unpacked(socket: bool) -> None:
    """Nobody asked for compression: a small answer could become a large one."""
    stream, headers = httpx.ByteStream(gzip.compress(REFUSED)), {"content-encoding": "gzip"}
    with pytest.raises(errors.NodeRefused, match="R0841"):
        _opened_at("asyncio", lambda: streamed(httpx.Response(403, content=REFUSED)), socket)
    with pytest.raises(errors.BadAnswer):
        _opened_at("asyncio", lambda: httpx.Response(403, headers=headers, stream=stream), socket)


@pytest.mark.parametrize("cursor", ["8:0&topics=account:2", "8:0 HTTP/1.1", "8:0\r\nx: y", "8", "-1:0", "8:00", "é:0"])
def test_a_cursor_that_is_none_is_not_asked_for(play: Any, cursor: str) -> None:
    """The next request is signed with it."""
    node = Node(events(frame("heights", cursor, "delta")))

    async def story(client: Client) -> None:
        async with client.follow("heights", cursor="7:0") as frames:
            await anext(frames)

    with pytest.raises(errors.BadAnswer):
        play(node, story)
    assert len(node.asked) == 1


@pytest.mark.parametrize(
    ("topic", "kind"),
    [("account:2", "delta"), ("", "delta"), ("Heights", "snapshot"), ("heights", "gap"), ("heights", "other")],
)
def test_a_frame_that_was_not_asked_for_is_no_answer(play: Any, topic: str, kind: str) -> None:
    """Who asks for one account takes each frame for that one's; and a gap is the client's own word."""
    node = Node(events(frame(topic, "8:0", kind)))

    async def story(client: Client) -> None:
        async with client.follow("heights", "account:1") as frames:
            await anext(frames)

    with pytest.raises(errors.BadAnswer):
        play(node, story)


@pytest.mark.parametrize(
    "after",
    [
        frame("heights", "6:0", "delta"),
        frame("heights", "7:5", "delta"),
        frame("heights", "", "delta"),
        frame("heights", "8:0", "snapshot"),
        frame("account:1", "7:4", "delta"),
        frame("", "6:9", "heartbeat"),
        frame("heights", "0:999999999", "delta"),
    ],
    ids=["before", "twice", "no cursor", "snapshot", "value before", "heartbeat before", "far before"],
)
def test_events_come_once_and_in_order(play: Any, after: tuple[str, Any]) -> None:
    node = Node(events(frame("heights", "7:5", "delta"), after))

    async def story(client: Client) -> None:
        async with client.follow("heights", "account:1", cursor="7:4") as frames:
            assert (await anext(frames)).cursor == "7:5"
            await anext(frames)

    with pytest.raises(errors.BadAnswer, match="in order"):
        play(node, story)


def test_values_and_heartbeats_come_at_any_place_that_is_not_before(play: Any) -> None:
    frames_ = (
        frame("heights", "", "snapshot"),
        frame("marks", "9:999999999", "snapshot"),
        frame("account:1", "9:999999999", "snapshot"),
        frame("account:1", "9:999999999", "delta"),
        frame("heights", "10:0", "delta"),
        frame("", "10:3", "heartbeat"),
        frame("account:1", "10:3", "snapshot"),
        frame("", "10:3", "heartbeat"),
        frame("heights", "100000000000000000:0", "delta"),
    )

    async def story(client: Client) -> list[str]:
        async with client.follow("heights", "marks", "account:1") as frames:
            return [(await anext(frames)).topic for _ in range(7)]

    assert len(play(Node(events(*frames_)), story)) == 7


RECEIPT = {"height": 8, "index": 0, "kind": "X"}


@pytest.mark.parametrize("kind", ["snapshot", "delta"])
@pytest.mark.parametrize(
    ("topic", "data"),
    [
        ("account:1", {"account": 2, "equity_micros": "5"}),
        ("account:1", {"account": "2"}),
        ("account:1", {"account": None}),
        ("receipts:1", {**RECEIPT, "details": {"account": "2", "lots": "1"}}),
        ("receipts:1", {**RECEIPT, "details": {"buyer": "2", "seller": "3"}}),
        ("receipts:1", {**RECEIPT, "details": {"account": "2", "paid": [["3", "11"]]}}),
        ("receipts:1", {**RECEIPT, "details": "1"}),
    ],
)
def test_data_of_another_account_is_no_answer(topic: str, data: dict[str, Any], kind: str) -> None:
    node = Node(events(frame(topic, "8:0", kind, **data)))
    with pytest.raises(errors.BadAnswer, match="another account"):
        _first_frame(node, topic)


@pytest.mark.parametrize(
    ("topic", "data"),
    [
        ("account:1", {"account": 1}),
        ("account:1", {"equity_micros": "5"}),
        ("receipts:1", {"height": 7}),
        ("receipts:1", {**RECEIPT, "details": {"account": "2", "recipient": "1"}}),
        ("receipts:1", {**RECEIPT, "details": {"account": "2", "paid": [["3", "9"], ["1", "4"]]}}),
        ("receipts:1", {**RECEIPT, "details": {"steps": [{"shares": [{"payer": "1"}]}]}}),
        ("receipts:1", {**RECEIPT, "details": {"paths": 3}}),
        ("calls", {**RECEIPT, "details": {"account": "2"}}),
    ],
)
def test_data_of_the_topics_account_is_taken(topic: str, data: dict[str, Any]) -> None:
    assert _first_frame(Node(events(frame(topic, "8:0", "delta", **data))), topic).data == data


def _first_frame(node: Node, topic: str) -> Any:
    async def played() -> Any:
        transport = httpx.MockTransport(lambda request: streamed(node(request)))
        async with (
            Client("http://node", KEY, network=NETWORK, retries=FAST, transport=transport) as client,
            client.follow(topic) as frames,
        ):
            return await anext(frames)

    return anyio.run(played)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_node_that_sends_comments_and_no_frame_is_left(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something comes every few seconds from a node that lives: what is no frame does not count."""
    monkeypatch.setattr("crossclear_client.streams.SILENT_SECONDS_MAX", 0.05)
    with pytest.raises(errors.StreamLost):
        _opened_at(backend, lambda: httpx.Response(200, stream=Endless(100_000, 1, 0.001)), socket=False)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_node_that_sends_comments_and_no_step_is_left(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with frames: the node itself ends a stream of steps before so long has passed."""
    monkeypatch.setattr("crossclear_client.streams.SILENT_SECONDS_MAX", 0.05)

    async def played() -> None:
        answered = httpx.MockTransport(lambda request: httpx.Response(200, stream=Endless(1_000, 1, 0.001)))
        async with (
            Client("http://node", KEY, network=NETWORK, retries=Retries(attempts=1), transport=answered) as client,
            client.stream("/v1/x", dict[str, int]) as steps,
        ):
            await anext(steps)

    with pytest.raises(errors.StreamLost, match="no event for"):
        anyio.run(played, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("steady", [True, False], ids=["steady", "brief"])
def test_a_stream_that_stood_without_a_step_is_no_failure(
    backend: str, steady: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node ends each after twenty seconds; a deposit waits a quarter of an hour for its chain's finality."""
    monkeypatch.setattr("crossclear_client.streams.STEADY_SECONDS", 0.02 if steady else 600.0)
    bodies = [Endless(3, 1, 0.01) for _ in range(8)]

    def answered(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=bodies.pop()) if bodies else streamed(events(("1", {"step": 1})))

    async def played() -> dict[str, int]:
        transport = httpx.MockTransport(answered)
        async with (
            Client("http://node", KEY, network=NETWORK, retries=FAST, transport=transport) as client,
            client.stream("/v1/x", dict[str, int]) as steps,
        ):
            return await anext(steps)

    if not steady:
        with pytest.raises(errors.StreamLost, match="closed the connection"):
            anyio.run(played, backend=backend)
    else:
        assert anyio.run(played, backend=backend) == {"step": 1}


class Clinging(httpx.MockTransport):
    """Closes late."""

    is_closed = False

    async def aclose(self) -> None:
        await anyio.sleep(2)
        self.is_closed = True


@pytest.mark.parametrize("is_cancelled", [False, True])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_connection_that_does_not_close_is_left(
    backend: str, is_cancelled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossclear_client.transport.END_SECONDS", 0.05)
    clinging = Clinging(lambda request: answer())

    async def played() -> None:
        with anyio.CancelScope() as scope:
            async with Client("http://node", KEY, network=NETWORK, transport=clinging):
                if is_cancelled:
                    scope.cancel()

    anyio.run(played, backend=backend)
    assert not clinging.is_closed


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_client_that_is_cancelled_closes_its_connections(backend: str) -> None:
    class Closing(Clinging):
        async def aclose(self) -> None:
            await anyio.sleep(0.01)
            self.is_closed = True

    closing = Closing(lambda request: answer())

    async def played() -> None:
        with anyio.CancelScope() as scope:
            async with Client("http://node", KEY, network=NETWORK, transport=closing):
                scope.cancel()

    anyio.run(played, backend=backend)
    assert closing.is_closed
