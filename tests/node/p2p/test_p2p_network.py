"""Real sockets: what every user of the network may rely on."""

import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import trio
from libp2p.network.stream.exceptions import StreamClosed
from libp2p.pubsub.rpc_queue import RpcQueue

from clearing.base.errors import LocalFault
from node.p2p.codes import P2pCode
from node.p2p.config import NetworkConfig, Peer
from node.p2p.libp2p.host import peer_id
from node.p2p.libp2p.network import LibP2PNetwork
from node.p2p.network import LIMITS, TOPIC_MESSAGE_BYTES, Incoming, PeerChannel, Topic
from tests.kit.refusals import refused
from tests.kit.until import until

TRADES = {Topic.TRADES: lambda _: True}


async def test_four_nodes_connect_all_to_all_and_a_broadcast_arrives_once(cluster):
    async with cluster(4) as c:
        first, *others = c
        for channel in PeerChannel:
            first.network.broadcast(channel, b"to all on " + channel.name.encode())
            for node in others:
                inbox = node.network.receive(channel)
                assert await inbox.receive() == Incoming(first.key, b"to all on " + channel.name.encode())
        await trio.sleep(0.2)
        for node in c:
            for channel in PeerChannel:
                with pytest.raises(trio.WouldBlock):
                    node.network.receive(channel).receive_nowait()
        assert first.network.peers == {node.key for node in others}
        stats = first.network.stats.peer(others[0].key)
        assert stats.connected
        assert stats.connections >= 1
        assert stats.messages_out["CONSENSUS"] == 1
        assert stats.bytes_out["DATA"] > 0


async def test_messages_of_a_channel_arrive_in_order_and_whole(cluster):
    async with cluster(2) as (one, other):
        sent = [bytes([number % 251]) * (number * 97 % 5000) for number in range(1000)]
        for data in sent:
            assert one.network.send(other.key, PeerChannel.CONSENSUS, data)
        inbox = other.network.receive(PeerChannel.CONSENSUS)
        assert [(await inbox.receive()).data for _ in sent] == sent


async def test_a_small_vote_overtakes_bulk_data(cluster):
    async with cluster(2) as (one, other):
        arrived = []

        async def take(channel: PeerChannel, count: int) -> None:
            inbox = other.network.receive(channel)
            for _ in range(count):
                data = (await inbox.receive()).data
                arrived.append((channel, len(data)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take, PeerChannel.DATA, 4)
            nursery.start_soon(take, PeerChannel.CONSENSUS, 1)
            for _ in range(4):
                assert one.network.send(other.key, PeerChannel.DATA, bytes(2 << 20))
            await trio.sleep(0.005)
            before = len(arrived)
            assert one.network.send(other.key, PeerChannel.CONSENSUS, b"vote")
        assert arrived.index((PeerChannel.CONSENSUS, 4)) <= before + 1
        assert sorted(arrived) == [(PeerChannel.CONSENSUS, 4), *[(PeerChannel.DATA, 2 << 20)] * 4]


async def test_the_longest_message_of_each_channel_passes_and_one_byte_more_is_our_own_fault(cluster):
    async with cluster(2) as (one, other):
        for channel, limits in LIMITS.items():
            data = bytes(limits.message_bytes)
            assert one.network.send(other.key, channel, data)
            assert (await other.network.receive(channel).receive()).data == data
            with refused(P2pCode.OVERSIZE_MESSAGE, LocalFault):
                one.network.send(other.key, channel, data + b"!")
        with pytest.raises(LocalFault):
            one.network.publish(Topic.TRADES, bytes(TOPIC_MESSAGE_BYTES + 1))


async def test_150_gossip_messages_at_once_are_all_delivered_to_all_once(cluster):
    async with cluster(4, topics=TRADES) as c:
        first, *others = c
        sent = [b"batch %d" % number for number in range(150)]
        for data in sent:
            first.network.publish(Topic.TRADES, data)
        for node in others:
            got = [await node.feeds[Topic.TRADES].receive() for _ in sent]
            assert {one.sender for one in got} == {first.key}
            assert sorted(one.data for one in got) == sorted(sent)
        await trio.sleep(0.3)
        for node in c:
            with pytest.raises(trio.WouldBlock):
                node.feeds[Topic.TRADES].receive_nowait()
            assert not sum(node.network.stats.topic("trades").dropped.values())


async def test_gossip_that_its_validator_refuses_is_neither_delivered_nor_passed_on(cluster):
    topics = {Topic.PRICES: lambda one: not one.data.startswith(b"bad"), Topic.TRADES: lambda _: True}
    async with cluster(3, topics=topics) as c:
        first, *others = c
        first.network.publish(Topic.PRICES, b"bad price")
        first.network.publish(Topic.PRICES, b"price")
        for node in others:
            assert (await node.feeds[Topic.PRICES].receive()).data == b"price"
            assert node.network.stats.topic("prices").dropped["validator"] == 1
            assert node.network.stats.topic("prices").delivered == 1


async def test_a_validator_that_raises_costs_its_message_alone(cluster):
    def fails(one: Incoming) -> bool:
        return 1 // len(one.data) >= 0

    async with cluster(2, topics={Topic.TRADES: fails}) as c:
        one, other = c
        one.network.publish(Topic.TRADES, b"")
        one.network.publish(Topic.TRADES, b"good")
        assert (await other.feeds[Topic.TRADES].receive()).data == b"good"
        assert other.network.stats.topic("trades").dropped["fault"] == 1


async def test_a_restarted_node_sends_and_receives_again(cluster):
    async with cluster(4, topics=TRADES) as c:
        first, *_, last = c
        for _ in range(3):
            await last.stop()
            await until(lambda: last.key not in first.network.peers)
            assert not first.network.send(last.key, PeerChannel.CONSENSUS, b"nobody there")
            await c.start(last)
            await c.all_connected()
            first.network.broadcast(PeerChannel.CONSENSUS, b"welcome")
            assert (await last.network.receive(PeerChannel.CONSENSUS).receive()).data == b"welcome"
            last.network.broadcast(PeerChannel.CONSENSUS, b"back")
            inbox = first.network.receive(PeerChannel.CONSENSUS)
            assert await inbox.receive() == Incoming(last.key, b"back")
            await c.gossip_flows()
            for number in range(50):
                last.network.publish(Topic.TRADES, b"after restart %d" % number)
            got = {(await first.feeds[Topic.TRADES].receive()).data for _ in range(50)}
            assert len(got) == 50
        assert first.network.stats.peer(last.key).connections >= 4


async def test_nodes_that_dial_each_other_at_one_moment_keep_one_connection(cluster):
    async with cluster(2, start=False) as c:
        async with trio.open_nursery() as nursery:
            for node in c:
                nursery.start_soon(c.start, node)
        await c.all_connected()
        one, other = c
        assert one.network.peers == {other.key}
        one.network.send(other.key, PeerChannel.DATA, b"still there")
        assert (await other.network.receive(PeerChannel.DATA).receive()).data == b"still there"


async def test_a_node_that_is_dialed_by_one_side_only_is_connected_to_both(cluster):
    def no_address(number: int, config: NetworkConfig) -> NetworkConfig:
        return replace(config, peers=tuple(Peer(peer.key) for peer in config.peers)) if number == 0 else config

    async with cluster(2, change=no_address) as (one, other):
        assert (one.network.peers, other.network.peers) == ({other.key}, {one.key})


async def test_a_second_node_on_a_taken_port_is_refused(cluster):
    async with cluster(2, start=False) as c:
        one, other = c
        await c.start(one)
        with pytest.RaisesGroup(LocalFault, allow_unwrapped=True, flatten_subgroups=True):
            async with LibP2PNetwork(replace(other.config, port=one.config.port)).running():
                pass


async def test_a_preshared_key_must_be_known_to_both(cluster):
    def keys(number: int, config: NetworkConfig) -> NetworkConfig:
        return replace(config, preshared_key=bytes(32) if number < 2 else bytes([1]) * 32)

    async with cluster(3, change=keys, connect=False) as (one, other, stranger):
        await one.connected(1)
        await other.connected(1)
        await trio.sleep(1)
        assert one.network.peers == {other.key}
        assert stranger.network.peers == frozenset()


async def test_subscribing_twice_or_late_is_our_own_fault(cluster):
    async with cluster(2, topics=TRADES, connect=False) as (one, _):
        for topic in (Topic.TRADES, Topic.PRICES):
            with refused(P2pCode.ALREADY_SUBSCRIBED, LocalFault):
                one.network.subscribe(topic, lambda _: True)


@pytest.mark.parametrize(
    "bad",
    [{"secret": b"short"}, {"network": b""}, {"preshared_key": b"short"}, {"peers": (Peer(b"short"),)}],
)
def test_a_configuration_that_cannot_work_is_refused(bad):
    good = NetworkConfig(secret=bytes(32), network=bytes(32), peers=())
    LibP2PNetwork(good)
    with refused(P2pCode.BAD_CONFIG, LocalFault):
        LibP2PNetwork(replace(good, **bad))


def test_the_interface_is_imported_without_libp2p():
    code = "import sys, node.p2p.network, node.p2p.codes, node.p2p.config; print('libp2p' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_importing_libp2p_warns_of_exactly_what_pytest_ignores_and_leaves_the_root_logger_alone():
    code = (
        "import logging, warnings\n"
        "with warnings.catch_warnings(record=True) as seen:\n"
        "    warnings.simplefilter('always')\n"
        "    import node.p2p.libp2p.network\n"
        "print([(one.category.__name__, str(one.message)[:32]) for one in seen], logging.getLogger().handlers)"
    )
    shown = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    assert shown.stdout.strip() == "[('DeprecationWarning', 'websockets.legacy is deprecated;')] []"
    assert shown.stderr == ""


async def test_gossip_keeps_one_stream_to_each_peer_over_reconnections(cluster):
    async with cluster(3, topics=TRADES) as c:
        for _ in range(2):
            await c.nodes[2].stop()
            await c.start(c.nodes[2])
            await c.all_connected()
            await c.gossip_flows()
        for _ in range(2):  # as many as there must be, and no more come
            await until(lambda: all(len(node.network._all) == 2 and node.gossip_streams == 4 for node in c))
            await trio.sleep(0.5)
        for node in c:
            for session in node.network._all.values():
                other = next(each for each in c if each.key == session.key)
                assert session.dialed is not other.network._sessions[node.key].dialed, "each keeps another connection"


class Broken:
    """A stream of a connection that was closed because a newer one of the same peer took its place."""

    def __init__(self, peer) -> None:
        self.muxed_conn = SimpleNamespace(peer_id=peer)

    async def write(self, data: bytes) -> None:
        raise StreamClosed


async def test_a_broken_stream_of_a_replaced_connection_takes_nothing_from_the_newer_one(cluster):
    async with cluster(2, topics=TRADES) as c:
        one, other = c
        gossip, peer = one.network._gossip, peer_id(other.key)
        stream, late = gossip.peers[peer], RpcQueue()
        late.push(gossip.get_hello_packet())
        await gossip.handle_sending_messages(peer, Broken(peer), late)
        assert gossip.peers[peer] is stream
        assert peer in gossip.peer_topics[Topic.TRADES.value], "its subscription came once, over the newer connection"
        one.network.publish(Topic.TRADES, b"heard")
        assert (await other.feeds[Topic.TRADES].receive()).data == b"heard"


async def test_a_broken_stream_is_opened_anew_and_the_subscriptions_of_its_peer_stay(cluster):
    async with cluster(2, topics=TRADES) as c:
        one, other = c
        gossip, peer = one.network._gossip, peer_id(other.key)
        broken = gossip.peers[peer]
        await broken.reset()
        one.network.publish(Topic.TRADES, b"lost with the stream")
        await until(lambda: gossip.peers.get(peer) not in (None, broken))
        assert peer in gossip.peer_topics[Topic.TRADES.value]
        await until(lambda: one.gossips_with(1))
        one.network.publish(Topic.TRADES, b"heard")
        while (await other.feeds[Topic.TRADES].receive()).data != b"heard":
            pass


async def test_gossip_of_a_node_that_restarts_with_its_clock_set_back_is_delivered(cluster, monkeypatch):
    monkeypatch.setattr("node.p2p.libp2p.gossip_limits.WINDOW", 8)
    async with cluster(2, topics=TRADES) as c:
        steady, restarted = c
        feed = steady.feeds[Topic.TRADES]
        for number in range(20):
            restarted.network.publish(Topic.TRADES, b"before %d" % number)
        assert len({(await feed.receive()).data for _ in range(20)}) == 20
        await restarted.stop()
        await until(lambda: restarted.key not in steady.network.peers)
        monkeypatch.setattr(
            "node.p2p.libp2p.gossip.time", SimpleNamespace(time_ns=lambda: time.time_ns() - 300 * 10**9)
        )
        await c.start(restarted)
        await c.all_connected()
        await c.gossip_flows()
        for number in range(20):
            restarted.network.publish(Topic.TRADES, b"after %d" % number)
        assert len({(await feed.receive()).data for _ in range(20)}) == 20
        assert steady.network.stats.topic("trades").dropped == {}
