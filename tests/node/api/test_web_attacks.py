"""Attacks on the API by web pages, by thieves of requests, and by connections made to exhaust or confuse it."""

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio_websocket import ConnectionRejected

from clearing.base.hashing import sha256
from member.api.streams import SUBPROTOCOL, SUBPROTOCOL_SIGNED
from member.codes import NodeCode
from node.api import stream
from node.api.calls import Route
from node.http.routes import ROUTES
from tests.kit.node.fake_view import ALICE, NOW, FakeView, client_of, signed, status_and_code
from tests.kit.node.served_api import served_api
from tests.kit.node.streams import ALICE_KEY, StreamingNode, open_socket, serving_streams, streaming_node
from tests.kit.until import until

SCRIPT = "<script>alert(1)</script>"
TRADE = json.dumps({"transactions": [{"type": "trade"}]}).encode()


@pytest.fixture
def view() -> FakeView:
    return FakeView()


@pytest.fixture
def url(view: FakeView) -> Iterator[str]:
    with served_api(view, lambda: NOW) as url:
        yield url


@pytest.fixture
def node(tmp_path: Path) -> Iterator[StreamingNode]:
    with streaming_node(tmp_path) as node:
        yield node


@pytest.mark.parametrize(
    "media", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""]
)
def test_a_form_of_another_page_submits_nothing(url: str, media: str) -> None:
    """These are the media types that a page may send to another origin without asking first."""
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"} | (
        {"Content-Type": media} if media else {}
    )
    refused = httpx.post(f"{url}/v1/submit", content=TRADE, headers=headers, timeout=60)
    assert status_and_code(refused) == (415, NodeCode.API_MEDIA_TYPE.label)


def test_a_page_that_asks_first_is_given_no_leave(url: str) -> None:
    asked = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
        "Access-Control-Request-Private-Network": "true",
    }
    answer = httpx.options(f"{url}/v1/submit", headers=asked)
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("route", [each for each in ROUTES if each.method == "GET"], ids=lambda route: route.name)
def test_no_answer_sets_a_cookie_or_allows_credentials(url: str, route: Route) -> None:
    """A browser has nothing to add to a request that another page makes."""
    if route.path == "/v1/stream":
        return
    answer = httpx.get(
        url + route.path.replace("{", "").replace("}", ""), headers={"Origin": "https://evil.example"}, timeout=60
    )
    assert "set-cookie" not in answer.headers
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/v1/state", "/openapi.json", "/metrics", f"/{SCRIPT}", f"/v1/headers/{SCRIPT}"])
def test_no_answer_is_framed_or_read_as_a_page(url: str, path: str) -> None:
    answer = httpx.get(url + path, timeout=60)
    assert not answer.headers["content-type"].startswith("text/html")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "169.254.169.254", "localhost.evil.example", ""])
def test_a_name_that_is_bound_to_this_machine_later_is_refused(url: str, host: str) -> None:
    """DNS rebinding: to the browser a page of that name is of the node's own origin."""
    assert status_and_code(httpx.get(f"{url}/v1/state", headers={"Host": host}, timeout=60)) == (
        421,
        NodeCode.API_HOST.label,
    )


def test_a_node_behind_a_proxy_or_on_a_network_has_names_of_its_own(view: FakeView) -> None:
    for settings in ({"proxies": 1}, {"behind_tls": True}, {"host": "0.0.0.0"}):  # noqa: S104
        with served_api(view, lambda: NOW, **settings) as url:
            port = url.rpartition(":")[2]
            answer = httpx.get(f"http://127.0.0.1:{port}/v1/state", headers={"Host": "node.example"}, timeout=60)
            assert answer.status_code == 200


async def test_a_socket_of_a_name_that_is_bound_to_this_machine_later_is_refused(node: StreamingNode) -> None:
    async with serving_streams(node) as served:
        headers = [("Host", b"evil.example"), ("Origin", b"http://evil.example")]
        with pytest.raises(ConnectionRejected) as rejected:
            async with open_socket(served.stream_url("heights"), headers[1:], host="evil.example"):
                pass
        assert rejected.value.status_code == 421


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "http://localhost.evil.example", "file://"])
async def test_a_page_of_another_origin_opens_no_socket(node: StreamingNode, origin: str) -> None:
    async with serving_streams(node) as served:
        with pytest.raises(ConnectionRejected) as rejected:
            async with open_socket(served.stream_url("heights"), [("Origin", origin.encode())]):
                pass
        assert rejected.value.status_code == 403


@pytest.mark.parametrize("name", ["authorization", "token", "signature", "access_token"])
def test_a_secret_in_an_address_is_refused(url: str, name: str) -> None:
    """Addresses stand in logs, histories and referrers."""
    header = signed(ALICE, "/v1/accounts/1")["Authorization"]
    refused = httpx.get(f"{url}/v1/accounts/1", params={name: header}, timeout=60)
    assert status_and_code(refused) == (400, NodeCode.API_PARAMETER.label)


def test_a_refusal_repeats_no_secret(url: str) -> None:
    secret = "ab" * 32
    for header in (f"Bearer {secret}", f"Crossclear {NOW}:{secret}:{secret}", secret):
        headers = {"Authorization": header}
        answers = (
            httpx.get(f"{url}/v1/accounts/1", headers=headers, timeout=60),
            httpx.post(f"{url}/v1/collateral-events", json={"chain_id": 1}, headers=headers, timeout=60),
        )
        for refused in answers:
            assert refused.status_code in (400, 401)
            assert secret not in refused.text


async def test_a_socket_repeats_no_signature(node: StreamingNode) -> None:
    async with serving_streams(node) as served:
        signature = served.headers("receipts:1", ALICE_KEY)["Authorization"].split(" ")[1].replace(":", ".")
        protocols = [SUBPROTOCOL, SUBPROTOCOL_SIGNED + signature]
        async with open_socket(served.stream_url("receipts:1"), [], protocols) as socket_:
            assert socket_.subprotocol == SUBPROTOCOL


@pytest.mark.parametrize(
    "change",
    [
        {"path": "/v1/accounts/2"},
        {"path": "/v1/accounts/1/margin"},
        {"path": "/v1/accounts/1?x=1"},
        {"method": "POST", "path": "/v1/accounts/1/margin/simulate"},
        {"network": sha256(b"another network")},
        {"later_ms": 60_001},
        {"later_ms": -60_001},
    ],
    ids=str,
)
async def test_a_stolen_request_is_good_for_nothing_else(view: FakeView, change: dict[str, Any]) -> None:
    given = {"network": change["network"]} if "network" in change else {}
    stolen = signed(ALICE, "/v1/accounts/1", **given)
    async with client_of(view, lambda: NOW + change.get("later_ms", 0)) as client:
        path, method = change.get("path", "/v1/accounts/1"), change.get("method", "GET")
        refused = await client.request(method, path, headers=stolen, **({"json": {}} if method == "POST" else {}))
    assert refused.status_code in (400, 401)


def test_a_stolen_request_changes_nothing_at_another_node() -> None:
    """What a key signs for the API is a question; what changes anything is signed in the request itself."""
    asks = {each.name for each in ROUTES if (each.signed or each.may_sign) and each.method != "GET"}
    assert asks == {"simulate_margin", "collateral_event"}, "a margin that might be, and a deposit to look for"


async def test_streams_are_bounded_of_a_member_too(node: StreamingNode) -> None:
    """With many addresses one member could take all places."""
    async with (
        serving_streams(node, streams_per_client_max=2, proxies=1) as served,
        httpx.AsyncClient(timeout=60) as client,
    ):

        def from_address(number: int) -> dict[str, str]:
            return {"X-Forwarded-For": f"10.0.0.{number}"}

        async with (
            served.read("receipts:1", ALICE_KEY, more=from_address(1)) as first,
            served.read("receipts:1", ALICE_KEY, more=from_address(2)) as second,
        ):
            await first.next()
            await second.next()
            headers = served.headers("receipts:1", ALICE_KEY) | from_address(3)
            refused = await client.get(served.stream_url("receipts:1"), headers=headers)
            assert status_and_code(refused) == (429, NodeCode.STREAM_FULL.label)
            async with served.read("heights", more=from_address(3)) as other:
                assert (await other.next())["topic"] == "heights", "others have room"
        await until(lambda: served.hub.open_streams == 0)
        async with served.read("receipts:1", ALICE_KEY, more=from_address(3)) as again:
            await again.next()


def raw(url: str, data: bytes) -> bytes:
    """All that comes back for these bytes until the node closes."""
    place = httpx.URL(url)
    with closing(socket.create_connection((place.host, int(place.port or 0)))) as connection:
        found = b""
        with suppress(ConnectionError):
            connection.sendall(data)
            while part := connection.recv(1 << 16):
                found += part
        return found


BODY = b'{"transactions":[]}'
HEAD = b"POST /v1/submit HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
HIDDEN = b"GET /v1/state HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: 43\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"Content-Length: +0\r\n\r\n",
        b"Content-Length: 0\r\n X: y\r\n\r\n",
        b"Content-Length: 0\r\nTransfer-\x0bEncoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=lambda framing: framing.partition(b"\r\n\r\n")[0].decode("latin-1"),
)
def test_a_request_that_two_readers_would_cut_differently_hides_no_other(url: str, framing: bytes) -> None:
    """A node that closes with bytes unread may reset the connection before its refusal is read."""
    answers = raw(url, HEAD + framing + HIDDEN)
    assert answers.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501")) or not answers
    assert answers.count(b"HTTP/1.1 ") <= 1
    assert b'"height"' not in answers


def test_two_requests_that_everybody_cuts_alike_are_answered(url: str) -> None:
    """So the test above would see a hidden one."""
    last = HIDDEN.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    answers = raw(url, HEAD + b"Content-Length: 2\r\n\r\n{}" + last)
    assert answers.count(b"HTTP/1.1 ") == 2
    assert b'"height"' in answers


def test_a_head_without_end_is_cut(url: str) -> None:
    head = b"GET /v1/stream?topics=heights HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * (1 << 20)
    answer = raw(url, head)
    assert answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400")) or not answer


UPGRADE = (
    b"GET /v1/stream?topics=heights HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
MASK = b"\0\0\0\0"
LONG = b"\xfe" + struct.pack(">H", 4096) + MASK + b"x" * 4096


@pytest.mark.parametrize(
    "frames",
    [
        b"\x81\xff" + struct.pack(">Q", 1 << 40) + MASK + b"x" * (1 << 16),
        b"\x81\xff" + struct.pack(">Q", 1 << 63) + MASK,
        b"\x01\xfe"
        + struct.pack(">H", 4096)
        + MASK
        + b"x" * 4096
        + (b"\x00\xfe" + struct.pack(">H", 4096) + MASK + b"x" * 4096) * 20,
        b"\x81\x05hello",
        b"\xf1\x80" + MASK,
        b"\x89" + LONG,
    ],
    ids=["huge", "negative", "fragments", "unmasked", "reserved bits", "long ping"],
)
async def test_frames_that_are_huge_or_wrong_end_the_socket(
    node: StreamingNode, frames: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that never answers the close."""
    monkeypatch.setattr(stream, "QUIET_SECONDS", 0.1)
    async with serving_streams(node) as served:
        place = httpx.URL(served.url)
        connection = await trio.open_tcp_stream(place.host, int(place.port or 0))
        await connection.send_all(UPGRADE)
        found = b""
        while b'"kind"' not in found:
            found += await connection.receive_some()
        assert served.hub.open_streams == 1
        await connection.send_all(frames)
        await until(lambda: served.hub.open_streams == 0, "the socket to end")
        await connection.aclose()


REFUSED_HANDSHAKE = (
    b"GET /v1/stream?topics=nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
MESSAGE = b"\x81\x05hello"


@pytest.mark.parametrize("waits", [True, False], ids=["after the refusal", "with the handshake"])
def test_bytes_behind_a_refused_handshake_end_their_connection_alone(url: str, waits: bool) -> None:
    """The server's state machine has nothing to say to them any more: that ended every connection, and the node."""
    place = httpx.URL(url)
    for _ in range(20):
        with closing(socket.create_connection((place.host, place.port))) as thief, suppress(OSError):
            thief.settimeout(5)
            if waits:
                thief.sendall(REFUSED_HANDSHAKE)
                assert thief.recv(4096).startswith(b"HTTP/1.1 400")
                thief.sendall(MESSAGE)
            else:
                thief.sendall(REFUSED_HANDSHAKE + MESSAGE)
            thief.sendall(MESSAGE)
            while thief.recv(4096):
                pass
    assert httpx.get(f"{url}/v1/state", timeout=60).status_code == 200


async def test_a_half_open_handshake_holds_no_place(node: StreamingNode) -> None:
    async with serving_streams(node, streams_max=1) as served:
        place = httpx.URL(served.url)
        half = [await trio.open_tcp_stream(place.host, int(place.port or 0)) for _ in range(20)]
        for each in half:
            await each.send_all(UPGRADE[:-2])
        async with served.read("heights") as reader:
            assert (await reader.next())["kind"] == "snapshot"
        for each in half:
            await each.aclose()
