"""What strangers, liars and broken paths do to a node: they are refused by name and counted, others keep working."""

import time
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

import pytest
import trio
from libp2p.network.stream.exceptions import StreamError
from libp2p.pubsub.pb import rpc_pb2
from multiaddr import Multiaddr

from clearing.base import ed25519
from node.p2p.codes import P2pCode
from node.p2p.config import NetworkConfig, Peer
from node.p2p.libp2p.gossip import _signed_bytes
from node.p2p.libp2p.host import INBOUND_MAX, STREAMS_MAX, build_host, peer_id
from node.p2p.libp2p.network import LibP2PNetwork
from node.p2p.libp2p.session import open_stream
from node.p2p.network import LIMITS, TOPIC_MESSAGE_BYTES, PeerChannel, Topic
from tests.kit.until import until

TRADES = {Topic.TRADES: lambda _: True}


async def counted(node, code: P2pCode, count: int = 1) -> None:
    await until(lambda: node.network.stats.refused[code.label] >= count)


async def read_line(stream: trio.SocketStream) -> str:
    """Of multistream-select."""
    length = (await stream.receive_some(1))[0]
    text = b""
    while len(text) < length:
        text += await stream.receive_some(length - len(text))
    return text.decode().rstrip("\n")


async def write_line(stream: trio.SocketStream, text: str) -> None:
    await stream.send_all(bytes([len(text) + 1]) + f"{text}\n".encode())


async def negotiate(port: int, *protocols: str) -> list[str]:
    """Speak multistream-select by hand; what the other side answers to each protocol."""
    answers = []
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        for protocol in ("/multistream/1.0.0", *protocols):
            await write_line(stream, protocol)
            answers.append(await read_line(stream))
    return answers[1:]


async def test_plaintext_and_every_other_security_than_noise_are_refused(cluster):
    async with cluster(2, connect=False) as c:
        node, _ = c
        offered = ("/plaintext/2.0.0", "/tls/1.0.0", "/secio/1.0.0")
        assert await negotiate(node.config.port, *offered) == ["na"] * 3
        assert await negotiate(node.config.port, "/noise") == ["/noise"]
        await counted(node, P2pCode.NO_COMMON_PROTOCOL)
        await c.all_connected()


@pytest.mark.parametrize("offered", ["/plaintext/2.0.0", "/tls/1.0.0"])
async def test_a_dialed_peer_that_offers_anything_but_noise_is_refused(cluster, nursery, offered):
    """One that holds a peer's address, but not its key, must not pass as the peer."""
    asked = []

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                while True:
                    asked.append(await read_line(stream))
                    known = asked[-1] in ("/multistream/1.0.0", offered)
                    await write_line(stream, asked[-1] if known else "na")
            except (trio.BrokenResourceError, IndexError):
                return

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, serve, [listener])
    port = listener.socket.getsockname()[1]

    async with cluster(2, start=False) as c:
        node, peer = c
        node.config = replace(node.config, peers=(Peer(peer.key, port=port),))
        await c.start(node)
        await counted(node, P2pCode.NO_COMMON_PROTOCOL)
        assert node.network.peers == frozenset()
        assert "/noise" in asked
        assert offered not in asked


async def test_a_neighbour_that_takes_no_more_gossip_is_dropped_and_taken_up_again(cluster):
    async with cluster(3, topics=TRADES, settings={"write_seconds": 0.5}) as c:
        one, stalled, third = c
        one.network._gossip._writing[peer_id(stalled.key)] = trio.current_time() - 1.0  # a write that never ends
        closed = one.network.stats.peer(stalled.key).closed
        await until(lambda: bool(closed[P2pCode.WRITE_STALLED.label]))
        assert third.key in one.network.peers
        assert one.network.scores.score(stalled.key, trio.current_time()) == 100
        await c.all_connected()


async def test_half_open_connections_from_one_address_leave_room_for_others(cluster):
    """They never finish a handshake, and there are more of them than the node takes connections."""
    async with cluster(2, connect=False) as (node, _):
        port = node.config.port
        async with AsyncExitStack() as silent:
            for _ in range(INBOUND_MAX + 40):
                stream = await trio.open_tcp_stream("127.0.0.1", port, local_address="127.0.0.2")
                await silent.enter_async_context(stream)
            assert await negotiate(port, "/noise") == ["/noise"]


async def test_a_key_outside_the_allow_list_is_refused_before_it_can_say_anything(cluster):
    async with cluster(2) as (node, other):
        stranger = LibP2PNetwork(
            NetworkConfig(secret=bytes(32), network=node.config.network, peers=(Peer(node.key, port=node.config.port),))
        )
        async with stranger.running():
            await counted(node, P2pCode.UNKNOWN_PEER, 2)
            assert stranger.peers == frozenset()
            assert stranger.key not in node.network.peers
            assert stranger.key.hex() not in node.network.stats.peers
        assert node.network.peers == {other.key}


async def test_an_address_that_answers_with_another_key_is_refused(cluster):
    def wrong_key(number: int, config: NetworkConfig) -> NetworkConfig:
        if number == 0:
            return replace(config, peers=(Peer(ed25519.public_key(bytes(32)), port=config.peers[0].port),))
        return replace(config, peers=(Peer(config.peers[0].key),))

    async with cluster(2, change=wrong_key, connect=False) as (one, other):
        await until(lambda: one.network.stats.peer(one.config.peers[0].key).dials >= 2)
        assert one.network.peers == other.network.peers == frozenset()


@pytest.mark.parametrize(
    ("change", "code"),
    [({"network": bytes(32)}, P2pCode.WRONG_NETWORK), ({"version": 2}, P2pCode.WRONG_VERSION)],
)
async def test_another_network_or_version_is_refused_by_name_on_both_sides(cluster, change, code):
    def foreign(number: int, config: NetworkConfig) -> NetworkConfig:
        return replace(config, **change) if number == 2 else config

    async with cluster(3, change=foreign, connect=False) as (one, other, stranger):
        await counted(one, code)
        await counted(stranger, code, 2)
        await one.connected(1)
        await other.connected(1)
        assert one.network.peers == {other.key}
        assert stranger.network.peers == frozenset()


async def oversized(channel, liar, victim):
    too_long = LIMITS[channel].message_bytes + 1
    liar.network._sessions[victim.key]._outboxes[channel].put(too_long.to_bytes(4, "big") + b"and so on")


async def second_stream(liar, victim):
    await open_stream(liar.network._sessions[victim.key].connection, "/crossclear/consensus/1")


async def shapeless_gossip(liar, victim):
    queue = await gossip_queue(liar, victim)
    for _ in range(5):
        queue.push(rpc_pb2.RPC(publish=[rpc_pb2.Message()]))


DISCONNECTS = {
    **{
        f"an_oversized_frame_of_{each.name}": (partial(oversized, each), P2pCode.OVERSIZE_FRAME) for each in PeerChannel
    },
    "a_second_stream_of_a_kind": (second_stream, P2pCode.UNEXPECTED_STREAM),
    "gossip_without_shape": (shapeless_gossip, P2pCode.MISBEHAVED),
}


@pytest.mark.parametrize(("lie", "code"), DISCONNECTS.values(), ids=DISCONNECTS)
async def test_what_disconnects_its_sender_is_counted_and_others_stay(cluster, lie, code):
    async with cluster(3, topics=TRADES) as c:
        liar, victim, third = c
        closed = victim.network.stats.peer(liar.key).closed
        await lie(liar, victim)
        await until(lambda: closed[code.label] == 1)
        assert third.key in victim.network.peers
        await c.all_connected()  # it may come back, and behave


async def test_streams_beyond_the_limit_are_reset_and_the_session_lives(cluster):
    async with cluster(2, topics=TRADES) as (liar, victim):
        session = liar.network._sessions[victim.key]
        streams = [await session.connection.new_stream() for _ in range(3 * STREAMS_MAX)]  # not even negotiated
        with pytest.raises(StreamError):
            await streams[-1].read(1)
        there = victim.network._sessions[liar.key].connection
        assert len(there.get_streams()) <= STREAMS_MAX + 1
        liar.network.send(victim.key, PeerChannel.CONSENSUS, b"vote")
        assert (await victim.network.receive(PeerChannel.CONSENSUS).receive()).data == b"vote"


def published(
    origin: bytes, secret: bytes, data: bytes = b"lie", topic: str = "trades", number: int | None = None
) -> rpc_pb2.Message:
    """A gossip message as a liar would make it."""
    seqno = time.time_ns() if number is None else number
    message = rpc_pb2.Message(
        data=data, topicIDs=[topic], from_id=peer_id(origin).to_bytes(), seqno=seqno.to_bytes(8, "big")
    )
    message.signature = ed25519.sign(secret, _signed_bytes(message))
    return message


async def gossip_queue(liar, victim):
    """What a liar gossips to its victim, when no other connection can take its place."""
    await until(lambda: liar.gossip_streams == 2 * len(liar.network.peers))
    return liar.network._gossip.peer_queues[peer_id(victim.key)]


async def test_gossip_that_lies_about_its_origin_or_shape_is_dropped_and_counted_by_cause(cluster, monkeypatch):
    monkeypatch.setattr("node.p2p.scores.HALF_LIFE_SECONDS", 1e9)  # however long this takes, nothing is forgiven
    async with cluster(3, topics=TRADES) as (liar, victim, third):
        queue = await gossip_queue(liar, victim)
        own, stranger = liar.config.secret, bytes(32)
        lies = [
            published(third.key, own),
            published(ed25519.public_key(stranger), stranger),
            published(victim.key, own),
            published(liar.key, own, data=bytes(TOPIC_MESSAGE_BYTES + 1)),
            published(liar.key, own, number=time.time_ns() - 3600 * 10**9),
            published(liar.key, own, topic="prices"),
            rpc_pb2.Message(data=b"x", topicIDs=["trades", "prices"], from_id=b"", seqno=bytes(8)),
            rpc_pb2.Message(data=b"y", topicIDs=["trades"], from_id=b"\x12\x20" + bytes(32), seqno=bytes(8)),
        ]
        for lie in lies:
            queue.push(rpc_pb2.RPC(publish=[lie]))
        queue.push(rpc_pb2.RPC(publish=[published(liar.key, own, b"true")]))
        feed = victim.feeds[Topic.TRADES]
        assert (await feed.receive()).data == b"true"
        stats = victim.network.stats
        assert stats.topic("trades").dropped == {"signature": 1, "sender": 3, "size": 1, "stale": 1}
        assert stats.topic("other").dropped == {"shape": 2}
        assert victim.network.scores.record(liar.key).faults == {P2pCode.BAD_GOSSIP.label: 4}
        assert victim.network.scores.score(liar.key, trio.current_time()) == 60
        assert (await third.feeds[Topic.TRADES].receive()).data == b"true"
        assert third.network.scores.record(victim.key).faults == {}


async def test_a_signed_message_told_again_is_delivered_once_whoever_tells_it(cluster):
    async with cluster(3, topics=TRADES) as (liar, victim, third):
        queue = await gossip_queue(liar, victim)
        message = published(third.key, third.config.secret, b"once")
        gossip = victim.network._gossip
        for _ in range(3):
            queue.push(rpc_pb2.RPC(publish=[message]))
        assert (await victim.feeds[Topic.TRADES].receive()).data == b"once"
        await until(lambda: victim.network.stats.topic("trades").duplicates == 2)
        gossip.seen_messages.cache.clear()  # libp2p forgets after two minutes
        queue.push(rpc_pb2.RPC(publish=[message]))
        await until(lambda: victim.network.stats.topic("trades").duplicates == 3)
        with pytest.raises(trio.WouldBlock):
            victim.feeds[Topic.TRADES].receive_nowait()


async def test_bytes_that_are_no_gossip_do_not_end_the_gossip_with_others(cluster):
    async with cluster(3, topics=TRADES) as (liar, victim, third):
        stream = liar.network._gossip.peers[peer_id(victim.key)]
        await stream.write(b"\xff" * 64)
        await trio.sleep(0.1)
        for node in (third, liar):
            delivered = False
            while not delivered:  # the liar's stream is opened anew
                node.network.publish(Topic.TRADES, b"from " + node.key)
                with trio.move_on_after(0.2):
                    while not delivered:
                        delivered = (await victim.feeds[Topic.TRADES].receive()).sender == node.key


async def test_a_gossip_flood_is_cut_at_the_rate_and_votes_pass(cluster):
    def slow(number: int, config: NetworkConfig) -> NetworkConfig:
        return replace(config, gossip_per_second=10**6 if number == 0 else 50)

    async with cluster(2, topics=TRADES, change=slow) as (liar, victim):
        began = trio.current_time()
        for number in range(2000):
            liar.network.publish(Topic.TRADES, b"%d" % number)
        liar.network.send(victim.key, PeerChannel.CONSENSUS, b"vote")
        assert (await victim.network.receive(PeerChannel.CONSENSUS).receive()).data == b"vote"
        stats = victim.network.stats.topic("trades")
        await until(lambda: bool(stats.dropped["origin rate"]))
        assert set(stats.dropped) <= {"rate", "origin rate"}
        seconds = trio.current_time() - began
        assert 100 <= stats.delivered <= 100 + 50 * seconds  # two seconds' worth of one origin, and the rate since
        assert 1 <= victim.network.scores.record(liar.key).faults[P2pCode.FLOOD.label] <= 1 + seconds
        assert victim.network.stats.peer(liar.key).messages_in["CONSENSUS"] == 1


async def test_forged_messages_use_up_nothing_of_whom_they_name(cluster):
    async with cluster(3, topics=TRADES, settings={"gossip_per_second": 50}) as (liar, victim, named):
        queue = await gossip_queue(liar, victim)
        forged = [published(named.key, liar.config.secret, b"%d" % number) for number in range(150)]
        queue.push(rpc_pb2.RPC(publish=forged))
        stats = victim.network.stats.topic("trades")
        await until(lambda: bool(stats.dropped["signature"]))
        named.network.publish(Topic.TRADES, b"true")
        assert (await victim.feeds[Topic.TRADES].receive()).data == b"true"
        assert not stats.dropped["origin rate"]
        assert victim.network.scores.score(named.key, trio.current_time()) == 100


async def test_a_node_signs_no_more_than_others_take_from_it(cluster):
    """They take twice as much at once: on a busy machine all may arrive together."""
    async with cluster(2, topics=TRADES) as (hasty, other):
        stats, began, tried = hasty.network.stats.topic("trades"), trio.current_time(), 0
        while stats.dropped["own rate"] < 100:
            hasty.network.publish(Topic.TRADES, b"%d" % tried)
            tried += 1
        assert stats.published + 100 == tried
        assert 200 <= stats.published <= 200 + 200 * (trio.current_time() - began)
        feed = other.feeds[Topic.TRADES]
        got = [(await feed.receive()).data for _ in range(stats.published - stats.dropped["outbound"])]
        assert len(set(got)) == len(got)
        assert not other.network.stats.topic("trades").dropped
        assert other.network.scores.score(hasty.key, trio.current_time()) == 100


async def test_a_message_to_a_subscriber_without_a_stream_yet_is_counted_as_lost(cluster):
    async with cluster(2, topics=TRADES) as (one, other):
        gossip, path = one.network._gossip, peer_id(other.key)
        queue = gossip.peer_queues.pop(path)
        one.network.publish(Topic.TRADES, b"too early")
        gossip.peer_queues[path] = queue
        assert one.network.stats.topic("trades").dropped == {"outbound": 1}


async def test_only_one_task_writes_to_a_neighbours_gossip_stream(cluster):
    """What a neighbour missed is queued: a second writer cuts into long writes, and nothing after can be read."""
    async with cluster(2, topics=TRADES) as (one, other):
        gossip, path = one.network._gossip, peer_id(other.key)
        queue = gossip.peer_queues.pop(path)
        one.network.publish(Topic.TRADES, b"missed")
        gossip.peer_queues[path] = queue
        stream = gossip.peers.pop(path)
        gossip.peers[path] = None  # a task that would write to it itself fails
        await gossip.router.send_recent_messages(path, "trades")
        assert (await other.feeds[Topic.TRADES].receive()).data == b"missed"
        gossip.peers[path] = stream


class Path:
    """A TCP path to a port that can be frozen: nothing passes, nothing is closed."""

    def __init__(self, port: int) -> None:
        self.to = port
        self.port = 0
        self._open = trio.Event()
        self.thaw()

    def freeze(self) -> None:
        self._open = trio.Event()

    def thaw(self) -> None:
        self._open.set()

    async def run(self, task_status=trio.TASK_STATUS_IGNORED) -> None:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listener.socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(self._serve, [listener])

    async def _serve(self, here: trio.SocketStream) -> None:
        try:
            async with here, await trio.open_tcp_stream("127.0.0.1", self.to) as there, trio.open_nursery() as nursery:
                nursery.start_soon(self._copy, here, there, nursery)
                nursery.start_soon(self._copy, there, here, nursery)
        except OSError:
            pass

    async def _copy(self, source: trio.SocketStream, sink: trio.SocketStream, nursery: trio.Nursery) -> None:
        try:
            while data := await source.receive_some(65536):
                await self._open.wait()
                await sink.send_all(data)
        except trio.BrokenResourceError:
            pass
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"heartbeat_seconds": 0.2}, P2pCode.HEARTBEAT_LOST),
        ({"heartbeat_seconds": 60.0, "write_seconds": 0.5}, P2pCode.WRITE_STALLED),
    ],
)
async def test_a_path_that_goes_silent_is_noticed_dropped_and_taken_up_again(cluster, nursery, change, code):
    async with cluster(2, start=False) as c:
        one, other = c
        path = Path(other.config.port)
        await nursery.start(path.run)
        one.config = replace(one.config, peers=(Peer(other.key, port=path.port),), **change)
        if "write_seconds" in change:  # the watch looks once a heartbeat
            one.config = replace(one.config, heartbeat_seconds=0.5)
        other.config = replace(other.config, peers=(Peer(one.key),), heartbeat_seconds=0.2)
        await c.start(one, other)
        await c.all_connected()
        path.freeze()
        for _ in range(4):
            one.network.send(other.key, PeerChannel.DATA, bytes(LIMITS[PeerChannel.DATA].message_bytes))
        closed = one.network.stats.peer(other.key).closed
        await until(lambda: bool(closed))
        assert closed[code.label] == 1
        await until(lambda: not (other.network.peers))
        path.thaw()
        await c.all_connected()
        inbox, again = other.network.receive(PeerChannel.CONSENSUS), None
        while again is None:  # a message may still be lost with one of the connections that the thaw let through
            one.network.send(other.key, PeerChannel.CONSENSUS, b"again")
            with trio.move_on_after(0.2):
                again = await inbox.receive()
        assert again.data == b"again"


async def test_a_dialer_that_never_says_hello_is_dropped(cluster):
    async with cluster(2, settings={"handshake_seconds": 0.3}, start=False) as c:
        victim, mute = c
        victim.config = replace(victim.config, peers=(Peer(mute.key),))
        await c.start(victim)
        quiet = build_host(mute.config, lambda _: True, lambda _: None)
        async with quiet.run([]):
            address = Multiaddr(f"/ip4/127.0.0.1/tcp/{victim.config.port}")
            await quiet.get_network().dial_addr(address, peer_id(victim.key))
            await counted(victim, P2pCode.HANDSHAKE_TIMEOUT)
            assert victim.network.peers == frozenset()
