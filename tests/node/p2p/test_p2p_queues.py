"""Bounded queues and frames, without a socket."""

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.codec import encode
from node.p2p.codes import P2pCode
from node.p2p.config import PROTOCOL_VERSION, PeerHello, check_hello
from node.p2p.libp2p.session import FrameReader, frame
from node.p2p.network import ChannelLimits, Incoming, Overflow
from node.p2p.queues import HANDOVER, BoundedDeque, FairInbox, Outbox
from tests.kit.refusals import refused

OLDEST = ChannelLimits(100, 3, 250, Overflow.DROP_OLDEST)
NEWEST = ChannelLimits(100, 3, 250, Overflow.REFUSE_NEWEST)
A, B = bytes(32), bytes([1]) * 32


@given(st.lists(st.binary(max_size=40), max_size=20), st.data())
def test_frames_survive_any_cut_of_the_stream(messages, data):
    stream = b"".join(frame(message) for message in messages)
    reader, read = FrameReader("test", 40), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        read += reader.feed(stream[:cut])
        stream = stream[cut:]
    assert read == messages


def test_a_frame_above_the_limit_is_refused_by_its_length_alone():
    reader = FrameReader("test", 40)
    assert list(reader.feed(frame(bytes(40)))) == [bytes(40)]
    with refused(P2pCode.OVERSIZE_FRAME) as caught:
        list(reader.feed((41).to_bytes(4, "big")))
    assert caught.value.values == {"bytes": 41, "limit": 40}


@pytest.mark.parametrize(
    ("limits", "puts", "lost", "left"),
    [
        (OLDEST, [b"a", b"b", b"c", b"d"], [0, 0, 0, 1], [b"b", b"c", b"d"]),
        (NEWEST, [b"a", b"b", b"c", b"d"], [0, 0, 0, 1], [b"a", b"b", b"c"]),
        (OLDEST, [bytes(100), bytes(100), b"x" * 100], [0, 0, 1], [bytes(100), b"x" * 100]),
        (NEWEST, [bytes(100), bytes(100), b"x" * 100, b"y"], [0, 0, 1, 0], [bytes(100), bytes(100), b"y"]),
        (OLDEST, [b"a", bytes(251)], [0, 1], []),
    ],
)
def test_a_full_queue_keeps_its_policy_and_tells_what_is_lost(limits, puts, lost, left):
    queue = BoundedDeque(limits)
    assert [queue.put(data) for data in puts] == lost
    assert [queue.take() for _ in range(len(queue))] == left


@given(st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=30), st.integers(1, 50))
def test_writes_join_small_frames_and_cut_long_ones_without_changing_a_byte(frames, coalesce):
    async def main() -> None:
        outbox = Outbox(ChannelLimits(100, 100, 10_000, Overflow.DROP_OLDEST), coalesce)
        for one in frames:
            outbox.put(one)
        whole, written = b"".join(frames), b""
        while len(written) < len(whole):
            write = await outbox.next_write()
            assert len(write) == min(coalesce, len(whole) - len(written))
            written += write
        assert written == whole

    trio.run(main)


async def test_an_outbox_waits_until_something_is_put(autojump_clock):
    outbox = Outbox(OLDEST, 10)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def put_later() -> None:
            await trio.sleep(1)
            outbox.put(b"late")

        assert await outbox.next_write() == b"late"


async def test_a_flooding_sender_loses_its_own_messages_and_nobody_elses(nursery):
    lost = []
    inbox = FairInbox(OLDEST, lambda sender, count: lost.append((sender, count)))
    nursery.start_soon(inbox.pump)
    for number in range(HANDOVER + 10):
        inbox.put(A, b"a%d" % number)
    for number in range(3):
        inbox.put(B, b"b%d" % number)
    await trio.testing.wait_all_tasks_blocked()
    got = [await inbox.consumer.receive() for _ in range(HANDOVER + 3 + 3)]
    assert [one for one in got if one.sender == B] == [Incoming(B, b"b%d" % number) for number in range(3)]
    assert got[-1].data == b"b2" or got[-1].data == b"a%d" % (HANDOVER + 9)
    assert {sender for sender, _ in lost} == {A}
    assert sum(count for _, count in lost) == 7
    nursery.cancel_scope.cancel()


async def test_messages_of_one_sender_stay_in_order_when_the_consumer_is_slow(nursery):
    inbox = FairInbox(ChannelLimits(100, 10_000, 1 << 20, Overflow.DROP_OLDEST), lambda *_: None)
    nursery.start_soon(inbox.pump)
    got = []
    for number in range(500):
        inbox.put(A, b"%d" % number)
        if number % 3 == 0:
            got.append(await inbox.consumer.receive())
    while len(got) < 500:
        got.append(await inbox.consumer.receive())
    assert [int(one.data) for one in got] == list(range(500))
    nursery.cancel_scope.cancel()


async def test_a_consumer_that_left_costs_messages_but_nothing_else(nursery):
    lost = []
    inbox = FairInbox(OLDEST, lambda sender, count: lost.append(count))
    nursery.start_soon(inbox.pump)
    inbox.consumer.close()
    inbox.put(A, b"nobody reads this")
    assert lost == [1]
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("hello", "code"),
    [
        (PeerHello(version=PROTOCOL_VERSION + 1, network=A, boot=A), P2pCode.WRONG_VERSION),
        (PeerHello(version=PROTOCOL_VERSION, network=B, boot=A), P2pCode.WRONG_NETWORK),
    ],
)
def test_a_foreign_hello_is_refused_by_name_with_both_values(hello, code):
    with refused(code) as caught:
        check_hello(encode(hello), A)
    assert set(caught.value.values) == {"theirs", "ours"}


@given(st.binary(max_size=300))
def test_bytes_that_are_no_hello_are_refused(data):
    with refused(P2pCode.BAD_HELLO):
        check_hello(data, A)
