"""Rules of the client: whatever answers, a call ends with typed data or a code, within bounds."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec
import pytest
import trio

from clearing.base.errors import CrossclearError, LocalFault, RemoteFault
from clearing.base.ids import NetworkId
from clearing.schema.blocks.transaction import transaction_hash
from clearing.schema.requests.accounts import CashTransfer
from member.api.types import hexed
from member.client import node_client as client_module
from member.client.ask import fetch_status
from member.client.collateral_events import follow_event
from member.client.node_client import NodeClient
from member.codes import NodeCode
from tests.kit.clearing.world import funded
from tests.kit.member.hostile_answers import made_answers
from tests.kit.node.fake_view import NOW, FakeView
from tests.kit.node.served_api import served_api
from tests.kit.refusals import refused

NETWORK = NetworkId(bytes(32))
CALLS = ("state", "newest_header", "readiness", "package", "header", "account", "receipts", "submit")


@asynccontextmanager
async def _answering(answer: bytes, *, forever: bytes = b"") -> AsyncIterator[NodeClient]:
    async def serve(stream: trio.SocketStream) -> None:
        try:
            await stream.receive_some(1 << 16)
            await stream.send_all(answer)
            while forever:
                await stream.send_all(forever)
                await trio.sleep(0.001)
        except trio.BrokenResourceError:
            return
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        port = listeners[0].socket.getsockname()[1]
        async with NodeClient(f"http://127.0.0.1:{port}", NETWORK, b"\x01" * 32) as client:
            yield client
        nursery.cancel_scope.cancel()


async def _call(client: NodeClient, name: str) -> None:
    arguments = {"header": (1,), "account": (1,), "receipts": (1,), "submit": ((),)}.get(name, ())
    await getattr(client, name)(*arguments)


def _http(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{more}\r\n".encode() + body


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        _http(b""),
        _http(b"[]"),
        _http(b"\xff\xfe"),
        _http(b"[" * 100_000),
        _http(b'{"header": "0xzz"}'),
        _http(b"\x1f\x8b\x08" + bytes(40), more="content-encoding: gzip\r\n"),
        _http(b"{}", "302 Found", "location: http://127.0.0.1:9/\r\n"),
        _http(b"oops", "500 Internal Server Error"),
    ],
)
async def test_nonsense_ends_with_a_code(name: str, answer: bytes) -> None:
    async with _answering(answer) as client:
        with pytest.raises(CrossclearError):
            await _call(client, name)


async def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PACKAGE_BYTES_MAX", 100_000)
    endless = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n"
    async with _answering(endless, forever=b"a" * 10_000) as client:
        with pytest.raises(RemoteFault) as fault:
            await client.package()
    assert fault.value.code is NodeCode.NODE_ANSWER


async def test_a_dripping_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "CALL_SECONDS_MAX", 0.3)
    async with _answering(b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n", forever=b"a") as client:
        with pytest.raises(LocalFault) as fault:
            await client.state()
    assert fault.value.code is NodeCode.NODE_UNREACHABLE


REQUEST = CashTransfer(1, 2, 0, 3, 4, 5, b"s" * 65)
OTHER = {"hash": "0x" + "77" * 32, "status": "accepted"}
OWN = {"hash": hexed(transaction_hash(REQUEST)), "status": "accepted"}


@pytest.mark.parametrize("results", [[], [OTHER], [OWN, OWN], [OWN, OTHER]], ids=["none", "other", "two", "more"])
async def test_an_answer_for_other_requests_than_were_submitted_ends_with_a_code(
    results: list[dict[str, str]],
) -> None:
    async with _answering(_http(msgspec.json.encode({"results": results}), "202 Accepted")) as client:
        with refused(NodeCode.NODE_ANSWER):
            await client.submit((REQUEST,))
    async with _answering(_http(msgspec.json.encode({"results": [OWN]}), "202 Accepted")) as client:
        assert (await client.submit((REQUEST,))).results[0].status == "accepted"


async def test_the_fate_of_another_transaction_is_not_this_ones() -> None:
    body = msgspec.json.encode({"hash": OTHER["hash"], "state": "applied", "height": 9})
    async with _answering(_http(body)) as client:
        with refused(NodeCode.NODE_ANSWER):
            await client.transaction(transaction_hash(REQUEST))
    async with _answering(_http(body)) as client:
        assert (await client.transaction(bytes.fromhex("77" * 32))).state == "applied"


ONE = {"account": 1, "nonce": 1, "chain_id": 1, "vault": bytes([0xAB]) * 20, "reference": "0x" + "ab" * 32}
"""What `made_answers` is about."""
ABOUT: dict[str, tuple[str, ...]] = {
    "account": ("account",),
    "trading": ("account",),
    "margin": ("account",),
    "withdrawals": ("account",),
    "withdrawal_proof": ("nonce",),
    "deposit": ("chain_id", "vault", "nonce"),
    "event_status": ("chain_id", "reference"),
}
ANOTHER = {"account": 2, "nonce": 2, "chain_id": 2, "vault": bytes(20), "reference": "0x" + "cd" * 32}


@pytest.mark.parametrize(("name", "part"), [(name, part) for name, parts in ABOUT.items() for part in parts])
def test_an_answer_about_something_else_than_was_asked_for_is_none(name: str, part: str) -> None:
    make = made_answers(shaped=False)

    def rewrite(path: str, status: int, value: Any) -> tuple[int, Any]:
        status, made = make(path, status, value)
        return status, made | ({"siblings": 32 * made["siblings"]} if "siblings" in made else {})

    with served_api(FakeView(funded(check=False).state), lambda: NOW, rewrite=rewrite) as url:

        async def ask(asked: dict[str, object]) -> object:
            async with NodeClient(url, NETWORK, b"\x01" * 32) as client:
                return await getattr(client, name)(*(asked[each] for each in ABOUT[name]))

        assert trio.run(ask, ONE)
        with refused(NodeCode.NODE_ANSWER):
            trio.run(ask, ONE | {part: ANOTHER[part]})


@pytest.mark.parametrize("about", [{"chain_id": 2}, {"reference": "0x" + "cd" * 32}])
async def test_no_wait_for_a_deposit_ends_with_another_one(about: dict[str, object]) -> None:
    credited = {"chain_id": 1, "reference": "0x" + "ab" * 32, "height": 1, "progress": "credited", "total_power": 3}
    wait = (1, credited["reference"])
    async with _answering(_http(b"data: " + msgspec.json.encode(credited) + b"\n\n")) as client:
        assert (await follow_event(client, *wait)).progress == "credited"
    async with _answering(_http(b"data: " + msgspec.json.encode(credited | about) + b"\n\n")) as client:
        with refused(NodeCode.NODE_ANSWER):
            await follow_event(client, *wait)


async def test_the_statement_of_another_day_is_not_this_ones() -> None:
    sums = {"first_height": 1, "last_height": 2, "last_time_ms": 3, "accounts": []}
    body = msgspec.json.encode({"network": "", "member": 1, "day": "2026-11-25", "complete": True, **sums})
    async with _answering(_http(body)) as client:
        assert (await client.statement("2026-11-25")).complete
    async with _answering(_http(body)) as client:
        with refused(NodeCode.NODE_ANSWER):
            await client.statement("2026-11-26")


async def test_the_status_of_a_node_is_not_unpacked_out_of_a_small_answer() -> None:
    """What is compressed has no bound: `crossclear status` read all of it."""
    packed = gzip.compress(b'{"ready": true, "checks": []}' + b" " * (16 << 20))
    answers = {b"/readyz": _http(packed, more="content-encoding: gzip\r\n")}

    async def serve(stream: trio.SocketStream) -> None:
        path = (await stream.receive_some(1 << 16)).split(b" ")[1]
        await stream.send_all(answers.get(path, _http(b"busy", "503 Service Unavailable")))
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listener, *_ = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), serve, 0)
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        with refused(NodeCode.NODE_UNREACHABLE, LocalFault):
            await trio.to_thread.run_sync(fetch_status, url)
        answers[b"/readyz"] = _http(b'{"ready": true, "checks": []}')
        assert (await trio.to_thread.run_sync(fetch_status, url)).readiness.ready
        nursery.cancel_scope.cancel()
