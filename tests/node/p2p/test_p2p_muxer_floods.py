"""What a peer may make our muxer do with frames alone: bounded memory, bounded turns."""

import random
import struct

import pytest
import trio
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
from tests.kit.node.muxers import joined


def header(kind: int, flags: int, stream_id: int, length: int) -> bytes:
    return struct.pack(YAMUX_HEADER_FORMAT, 0, kind, flags, stream_id, length)


async def test_a_stream_opens_with_the_first_credit_and_not_a_byte_more() -> None:
    for length, refused in ((DEFAULT_WINDOW_SIZE, False), (DEFAULT_WINDOW_SIZE + 1, True)):
        with trio.fail_after(600):
            async with joined(Yamux, muxer.Muxer, 1) as (liar, victim):
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
    async with joined(Yamux, muxer.Muxer, 1) as (liar, victim):
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
