"""Our muxer says and hears what libp2p's yamux does, however the bytes are cut; a peer keeps to its credit and rate."""

import random
import struct
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
import trio
from libp2p.peer.id import ID
from libp2p.stream_muxer.yamux.yamux import (
    DEFAULT_WINDOW_SIZE,
    FLAG_SYN,
    TYPE_DATA,
    TYPE_PING,
    TYPE_WINDOW_UPDATE,
    YAMUX_HEADER_FORMAT,
    Yamux,
)

from node.p2p.libp2p import muxer
from node.p2p.libp2p.muxer import Muxer, QuickLock

PEER = ID(b"\x00\x24peer")


class Pipe:
    """One end of a secured connection; what is written arrives in pieces of random sizes."""

    is_initiator = True

    def __init__(self, send: trio.MemorySendChannel, receive: trio.MemoryReceiveChannel, chance: random.Random) -> None:
        self.send, self.receive, self.chance = send, receive, chance
        self.left = b""

    async def write(self, data: bytes) -> None:
        while data:
            size = self.chance.choice((1, 11, 12, 13, 500, 40_000, 1 << 20))
            await self.send.send(data[:size])
            data = data[size:]

    async def read(self, n: int | None = None) -> bytes:
        if not self.left:
            try:
                self.left = await self.receive.receive()
            except trio.EndOfChannel:
                return b""
        taken, self.left = (self.left, b"") if n is None else (self.left[:n], self.left[n:])
        return taken

    async def close(self) -> None:
        self.send.close()


@asynccontextmanager
async def joined(first_kind: type, second_kind: type, seed: int):
    there, here = trio.open_memory_channel(4096), trio.open_memory_channel(4096)
    chance = random.Random(seed)
    first = first_kind(Pipe(there[0], here[1], chance), PEER, is_initiator=True)
    second = second_kind(Pipe(here[0], there[1], chance), PEER, is_initiator=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(first.start)
        nursery.start_soon(second.start)
        await first.event_started.wait()
        await second.event_started.wait()
        yield first, second
        nursery.cancel_scope.cancel()


async def echo(stream, size: int) -> None:
    while size:
        data = await stream.read(64 << 10)
        await stream.write(data)
        size -= len(data)


async def read_all(stream, size: int) -> bytes:
    got = b""
    while len(got) < size:
        got += await stream.read(64 << 10)
    return got


@pytest.mark.parametrize(("ours", "theirs"), [(Muxer, Yamux), (Yamux, Muxer), (Muxer, Muxer)])
@pytest.mark.parametrize("seed", range(3))
async def test_streams_carry_more_than_a_window_both_ways_between_ours_and_libp2ps(ours, theirs, seed) -> None:
    data = random.Random(seed).randbytes(3 * DEFAULT_WINDOW_SIZE + 77)
    async with joined(ours, theirs, seed) as (first, second), trio.open_nursery() as nursery:
        for _ in range(2):
            near = await first.open_stream()
            nursery.start_soon(echo, await second.accept_stream(), len(data))
            nursery.start_soon(near.write, data)
            assert await read_all(near, len(data)) == data


async def test_a_stream_that_the_peer_ends_is_read_to_its_end_first() -> None:
    async with joined(Yamux, Muxer, 1) as (first, second):
        near = await first.open_stream()
        far = await second.accept_stream()
        await near.write(b"last words")
        await near.close()
        assert await read_all(far, 10) == b"last words"
        with pytest.raises(Exception, match=r"closed|EOF|removed"):
            await far.read(1)


async def test_who_sends_beyond_its_credit_loses_the_connection() -> None:
    async with joined(Yamux, Muxer, 2) as (first, second):
        near = await first.open_stream()
        await second.accept_stream()
        near.send_window = 1 << 30
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(near.write, bytes(2 * DEFAULT_WINDOW_SIZE))
                await second.event_closed.wait()
                scope.cancel()
        assert second.is_closed


async def test_the_end_of_the_connection_ends_the_muxer_and_its_readers() -> None:
    async with joined(Muxer, Muxer, 3) as (first, second):
        near = await first.open_stream()
        await second.accept_stream()
        await second.secured_conn.close()
        with pytest.raises(Exception, match=r"closed|EOF|removed|reset|shut"):
            await near.read(1)
        assert first.is_closed


async def test_a_quick_lock_lets_one_in_at_a_time_in_order_and_forgets_who_gave_up() -> None:
    lock, entered, inside = QuickLock(), [], 0

    async def enter(number: int) -> None:
        nonlocal inside
        async with lock:
            inside += 1
            assert inside == 1
            entered.append(number)
            await trio.sleep(0.001)
            inside -= 1

    async def give_up() -> None:
        with trio.move_on_after(0):
            await enter(-1)

    async with trio.open_nursery() as nursery, lock:
        for number in range(8):
            nursery.start_soon(give_up if number == 3 else enter, *([] if number == 3 else [number]))
            await trio.sleep(0.001)
    assert entered == [0, 1, 2, 4, 5, 6, 7]
    assert all(low < high for low, high in pairwise(entered))
    await enter(9)
    assert entered[-1] == 9


# Floods of frames: bounded memory, bounded turns


def header(kind: int, flags: int, stream_id: int, length: int) -> bytes:
    return struct.pack(YAMUX_HEADER_FORMAT, 0, kind, flags, stream_id, length)


async def test_a_stream_opens_with_the_first_credit_and_not_a_byte_more() -> None:
    for length, refused in ((DEFAULT_WINDOW_SIZE, False), (DEFAULT_WINDOW_SIZE + 1, True)):
        async with joined(Yamux, Muxer, 1) as (liar, victim):
            await liar.secured_conn.write(header(TYPE_DATA, FLAG_SYN, 1, length) + bytes(length))
            if refused:
                await victim.event_shutting_down.wait()
                assert not any(victim.stream_buffers.values())
            else:
                stream = await victim.accept_stream()
                assert len(await stream.read(length)) == length


@pytest.mark.parametrize(
    "frame", [header(TYPE_PING, FLAG_SYN, 0, 7), header(TYPE_WINDOW_UPDATE, 0, 99, 1), header(TYPE_DATA, 0, 99, 0)]
)
async def test_frames_beyond_the_rate_are_read_no_faster(
    frame: bytes, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Virtual time: it passes only where somebody sleeps."""
    monkeypatch.setattr(muxer, "TOKENS_PER_SECOND", 100.0)
    async with joined(Yamux, Muxer, 1) as (liar, victim):
        began = trio.current_time()
        liar.secured_conn.chance = random.Random(2)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(liar.secured_conn.write, frame * 1000)
            await trio.testing.wait_all_tasks_blocked()
        sieve = victim.secured_conn
        while sieve._rate.charge(trio.current_time(), 0) > 0 or sieve._buffer:  # noqa: ASYNC110
            await trio.sleep(0.1)
        assert trio.current_time() - began >= 1000 / 100 - 2 - 1
        stream = await liar.open_stream()
        there = await victim.accept_stream()
        await stream.write(b"still there")
        assert await there.read(11) == b"still there"
