"""The HTTP side: servers that answer nonsense, too much, too slowly, or not at all."""

import gc
import json
import subprocess
import sys
import warnings
from contextlib import suppress
from functools import partial

import pytest
import trio
import trio.testing

from bridge.codes import BridgeCode
from bridge.rpc.endpoint import Endpoint, RpcCall
from bridge.rpc.quorum import EndpointQuorum
from clearing.base.errors import RemoteFault
from tests.kit.refusals import refused


def http(body, status="200 OK", headers=""):
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{headers}\r\n".encode() + body


def ok(value):
    return http(json.dumps(value).encode())


DRIP = object()
"""The answer that never ends: a space now and then."""


async def drip(stream):
    with suppress(trio.BrokenResourceError):
        await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n")
        while True:
            await trio.sleep(0.02)
            await stream.send_all(b" ")


@pytest.fixture
async def serve(nursery):
    """`await serve(answer)`: the URL of a server that sends these bytes to anybody who asks; None: nothing, ever."""

    async def start(answer):
        async def handle(stream):
            async with stream:
                await stream.receive_some(65536)
                if answer is None:
                    await trio.sleep_forever()
                if answer is DRIP:
                    await drip(stream)
                with suppress(trio.BrokenResourceError):
                    await stream.send_all(answer)

        listeners = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), handle, 0)
        return f"http://user:secret@127.0.0.1:{listeners[0].socket.getsockname()[1]}/key"

    return start


CASES = {
    "not json": (http(b"<html>busy</html>"), BridgeCode.MALFORMED_ANSWER),
    "not utf-8": (http(b'[{"id":0,"result":"\xff"}]'), BridgeCode.MALFORMED_ANSWER),
    "nested": (http(b"[" * 9_000), BridgeCode.MALFORMED_ANSWER),
    "not http": (b"hello\r\n\r\n", BridgeCode.ENDPOINT_UNREACHABLE),
    "cut off": (http(b"[]")[:-1], BridgeCode.ENDPOINT_UNREACHABLE),
    "number": (ok(7), BridgeCode.MALFORMED_ANSWER),
    "empty": (ok([]), BridgeCode.MALFORMED_ANSWER),
    "wrong id": (ok([{"id": 5, "result": 1}]), BridgeCode.MALFORMED_ANSWER),
    "id of another type": (ok([{"id": "0", "result": 1}]), BridgeCode.MALFORMED_ANSWER),
    "too many": (ok([{"id": 0, "result": 1}] * 2), BridgeCode.MALFORMED_ANSWER),
    "no result": (ok([{"id": 0}]), BridgeCode.MALFORMED_ANSWER),
    "a key twice": (http(b'[{"id":0,"result":"0x1","result":"0x2"}]'), BridgeCode.MALFORMED_ANSWER),
    "a key twice, escaped": (http(b'[{"id":0,"result":{"a":"0x1","\\u0061":"0x1"}}]'), BridgeCode.MALFORMED_ANSWER),
    "odd error": (ok([{"id": 0, "error": "no"}]), BridgeCode.MALFORMED_ANSWER),
    "error for all": (ok({"id": None, "error": {"code": -1, "message": "limit"}}), BridgeCode.ENDPOINT_REFUSED),
    "status": (http(b"slow down", "429 Too Many Requests"), BridgeCode.ENDPOINT_REFUSED),
    "oversize": (http(b" " * 2_000_000), BridgeCode.ANSWER_OVERSIZE),
    "compressed": (http(b"[]", headers="content-encoding: gzip\r\n"), BridgeCode.MALFORMED_ANSWER),
    "redirect": (http(b"", "302 Found", "location: http://127.0.0.1:1/\r\n"), BridgeCode.ENDPOINT_REFUSED),
    "silent": (None, BridgeCode.ENDPOINT_UNREACHABLE),
    "dripping": (DRIP, BridgeCode.ENDPOINT_UNREACHABLE),
}


@pytest.mark.parametrize("case", CASES)
async def test_nonsense_from_a_server_is_a_fault_with_a_code(serve, case):
    answer, code = CASES[case]
    seconds = 0.3 if answer in (None, DRIP) else 60.0  # what is never answered is given up; all else is read to its end
    async with Endpoint(await serve(answer), timeout_seconds=seconds, answer_bytes_max=10_000) as endpoint:
        with pytest.raises(RemoteFault) as caught:
            await endpoint.batch((RpcCall("eth_chainId"),))
    assert caught.value.code == code
    assert "secret" not in str(caught.value)
    assert "key" not in endpoint.name


async def test_an_answer_of_very_many_small_values_is_refused_before_they_are_built(serve, monkeypatch):
    """Three bytes of JSON are a hundred of memory."""
    monkeypatch.setattr("bridge.rpc.endpoint.VALUES_MAX", 1_000)
    monkeypatch.setattr("bridge.rpc.strict_json.msgspec.json.decode", None)
    for small in (b"[],", b"{},", b"1,"):
        async with Endpoint(await serve(http(b'[{"id":0,"result":[' + small * 1_000 + b"1]}]"))) as endpoint:
            with refused(BridgeCode.ANSWER_OVERSIZE):
                await endpoint.call("eth_chainId")


async def test_nesting_of_any_depth_is_a_fault_wherever_it_is_found_out():
    """What is just not too deep to be read must not be too deep to be shown."""

    class Nested:
        name = "nested"

        async def batch(self, calls):
            return [value] * len(calls)

    for depth in range(700, 1_000):
        value = []
        for _ in range(depth):
            value = [value]
        with pytest.raises(RemoteFault):
            await EndpointQuorum([Nested()], 1).check_chain(1)


async def test_nobody_there_is_a_fault(serve):
    async with Endpoint("http://127.0.0.1:1") as endpoint:
        with pytest.raises(RemoteFault) as caught:
            await endpoint.call("eth_chainId")
    assert caught.value.code == BridgeCode.ENDPOINT_UNREACHABLE


async def test_results_are_matched_by_id_not_by_place(serve):
    answer = ok([{"id": 1, "result": "b"}, {"id": 0, "error": {"code": "x", "message": 5}}])
    async with Endpoint(await serve(answer)) as endpoint:
        first, second = await endpoint.batch((RpcCall("a"), RpcCall("b")))
    assert (first.code, first.message) == (0, "")
    assert second == "b"


async def test_a_request_that_is_given_up_while_it_is_sent_leaves_nothing_behind(nursery):
    """A request that is cancelled midway must cause no warning, long afterwards and in another's place."""
    reached = trio.Event()

    async def deaf(stream):
        reached.set()
        await trio.sleep_forever()

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, deaf, [listener])
    port = listener.socket.getsockname()[1]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        async with Endpoint(f"http://127.0.0.1:{port}") as endpoint, trio.open_nursery() as asking:
            asking.start_soon(endpoint.call, "eth_call", "0" * (64 << 20))
            await reached.wait()
            await trio.testing.wait_all_tasks_blocked()
            asking.cancel_scope.cancel()
        gc.collect()
        await trio.testing.wait_all_tasks_blocked()
    assert [str(each.message) for each in warned] == []
    nursery.cancel_scope.cancel()


def test_the_watcher_needs_neither_web3_nor_keys():
    program = (
        "import sys, bridge.watch.watcher; print([name for name in ('web3', 'eth_account') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
