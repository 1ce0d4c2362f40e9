"""The relay: it changes no byte and no order, and a cut link is silent until it is healed, then goes on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
import trio

from tests.kit.ports import free_ports
from tests.testnets.relay import Link, Relay

PAIR = (0, 1)


@asynccontextmanager
async def linked(
    latency_ms: int = 0, jitter_ms: int = 0
) -> AsyncIterator[tuple[Relay, int, trio.MemoryReceiveChannel[trio.SocketStream]]]:
    """A relay, the port to dial, and the connections that come out of it."""
    port, to = free_ports(2)
    arrived, connections = trio.open_memory_channel[trio.SocketStream](8)
    ended = trio.Event()

    async def accept(stream: trio.SocketStream) -> None:
        await arrived.send(stream)
        await ended.wait()

    relay = Relay(seed=1)
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_tcp, accept, to)
        await nursery.start(relay.serve, Link(PAIR, port, to, latency_ms=latency_ms, jitter_ms=jitter_ms))
        yield relay, port, connections
        ended.set()
        nursery.cancel_scope.cancel()


async def read_exactly(stream: trio.SocketStream, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = await stream.receive_some(count - len(data))
        assert piece, "the connection ended early"
        data += piece
    return data


@pytest.mark.parametrize(("latency_ms", "jitter_ms"), [(0, 0), (5, 5)])
async def test_bytes_arrive_unchanged_and_in_order_both_ways(latency_ms: int, jitter_ms: int) -> None:
    asked, answered = Random(1).randbytes(300_000), Random(2).randbytes(300_000)
    async with linked(latency_ms, jitter_ms) as (_, port, connections):
        near = await trio.open_tcp_stream("127.0.0.1", port)
        far = await connections.receive()
        async with near, far, trio.open_nursery() as nursery:
            nursery.start_soon(near.send_all, asked)
            nursery.start_soon(far.send_all, answered)
            assert await read_exactly(far, len(asked)) == asked
            assert await read_exactly(near, len(answered)) == answered


async def test_latency_is_waited_in_each_direction() -> None:
    async with linked(latency_ms=80) as (_, port, connections):
        near = await trio.open_tcp_stream("127.0.0.1", port)
        far = await connections.receive()
        async with near, far:
            begin = trio.current_time()
            await near.send_all(b"ping")
            assert await read_exactly(far, 4) == b"ping"
            await far.send_all(b"pong")
            assert await read_exactly(near, 4) == b"pong"
            assert trio.current_time() - begin >= 0.16


async def test_a_cut_link_is_silent_and_goes_on_where_it_was() -> None:
    async with linked() as (relay, port, connections):
        near = await trio.open_tcp_stream("127.0.0.1", port)
        far = await connections.receive()
        async with near, far:
            await near.send_all(b"before")
            assert await read_exactly(far, 6) == b"before"
            relay.cut({PAIR})
            await near.send_all(b"while")
            with trio.move_on_after(0.3) as silence:
                await far.receive_some()
            assert silence.cancelled_caught
            relay.cut(set())
            assert await read_exactly(far, 5) == b"while"


async def test_who_dials_over_a_cut_link_reaches_nobody_until_it_is_healed() -> None:
    async with linked() as (relay, port, connections):
        relay.cut({PAIR})
        near = await trio.open_tcp_stream("127.0.0.1", port)
        async with near:
            await near.send_all(b"hello")
            with trio.move_on_after(0.3) as silence:
                await connections.receive()
            assert silence.cancelled_caught
            relay.cut(set())
            far = await connections.receive()
            async with far:
                assert await read_exactly(far, 5) == b"hello"


async def test_other_links_carry_while_one_is_cut() -> None:
    async with linked() as (relay, port, connections):
        relay.cut({(1, 0), (2, 1)})
        near = await trio.open_tcp_stream("127.0.0.1", port)
        far = await connections.receive()
        async with near, far:
            await near.send_all(b"x")
            assert await read_exactly(far, 1) == b"x"


async def test_the_end_of_one_side_is_the_end_of_the_other() -> None:
    async with linked() as (_, port, connections):
        near = await trio.open_tcp_stream("127.0.0.1", port)
        far = await connections.receive()
        await near.aclose()
        async with far:
            assert await far.receive_some() == b""


async def test_nobody_behind_the_link_ends_the_connection() -> None:
    port, nobody = free_ports(2)
    relay = Relay(seed=1)
    async with trio.open_nursery() as nursery:
        await nursery.start(relay.serve, Link(PAIR, port, nobody))
        async with await trio.open_tcp_stream("127.0.0.1", port) as near:
            assert await near.receive_some() == b""
        nursery.cancel_scope.cancel()
