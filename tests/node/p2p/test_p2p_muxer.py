"""Our muxer says and hears what libp2p's yamux does, however the bytes are cut; a peer keeps to its credit."""

import random
from itertools import pairwise

import pytest
import trio
from libp2p.stream_muxer.yamux.yamux import DEFAULT_WINDOW_SIZE, Yamux

from node.p2p.libp2p.muxer import Muxer, QuickLock
from tests.kit.node.muxers import joined


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
    with trio.fail_after(600):
        async with joined(ours, theirs, seed) as (first, second), trio.open_nursery() as nursery:
            for _ in range(2):
                near = await first.open_stream()
                nursery.start_soon(echo, await second.accept_stream(), len(data))
                nursery.start_soon(near.write, data)
                assert await read_all(near, len(data)) == data


async def test_a_stream_that_the_peer_ends_is_read_to_its_end_first() -> None:
    with trio.fail_after(600):
        async with joined(Yamux, Muxer, 1) as (first, second):
            near = await first.open_stream()
            far = await second.accept_stream()
            await near.write(b"last words")
            await near.close()
            assert await read_all(far, 10) == b"last words"
            with pytest.raises(Exception, match=r"closed|EOF|removed"):
                await far.read(1)


async def test_who_sends_beyond_its_credit_loses_the_connection() -> None:
    with trio.fail_after(600):
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
    with trio.fail_after(600):
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
