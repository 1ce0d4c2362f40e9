"""The network without sockets keeps the promises of the real one."""

import pytest
import trio

from clearing.base.errors import LocalFault
from node.p2p.codes import P2pCode
from node.p2p.network import LIMITS, Incoming, Network, PeerChannel, Topic
from tests.kit.node.memory_network import Hub
from tests.kit.refusals import refused

KEYS = [bytes([number]) * 32 for number in range(4)]


def joined(hub: Hub) -> list[Network]:
    return [hub.join(key) for key in KEYS]


async def started(nursery, networks):
    for network in networks:
        await nursery.start(network.run)


async def test_a_broadcast_reaches_every_other_once(nursery):
    networks = joined(Hub())
    await started(nursery, networks)
    networks[0].broadcast(PeerChannel.CONSENSUS, b"vote")
    for network in networks[1:]:
        assert await network.receive(PeerChannel.CONSENSUS).receive() == Incoming(KEYS[0], b"vote")
    for network in networks:
        with pytest.raises(trio.WouldBlock):
            network.receive(PeerChannel.CONSENSUS).receive_nowait()
    assert networks[0].peers == frozenset(KEYS[1:])


async def test_a_partition_cuts_and_heals(nursery):
    hub = Hub()
    networks = joined(hub)
    await started(nursery, networks)
    hub.partition(KEYS[:2], KEYS[2:])
    assert networks[0].peers == {KEYS[1]}
    assert not networks[0].send(KEYS[2], PeerChannel.DATA, b"lost")
    hub.heal()
    assert networks[0].send(KEYS[2], PeerChannel.DATA, b"carried")
    assert (await networks[2].receive(PeerChannel.DATA).receive()).data == b"carried"


async def test_delay_is_taken_from_the_virtual_clock(nursery, autojump_clock):
    networks = joined(Hub(delay=lambda sender, receiver: 0.5))
    await started(nursery, networks)
    began = trio.current_time()
    networks[0].send(KEYS[1], PeerChannel.CONSENSUS, b"slow")
    await networks[1].receive(PeerChannel.CONSENSUS).receive()
    assert trio.current_time() - began == pytest.approx(0.5)


async def test_loss_is_the_same_for_the_same_seed(nursery, autojump_clock):
    async def received(seed: int) -> list[bytes]:
        networks = joined(Hub(loss=0.5, seed=seed))
        async with trio.open_nursery() as inner:
            await started(inner, networks)
            for number in range(100):
                networks[0].send(KEYS[1], PeerChannel.CONSENSUS, b"%d" % number)
            await trio.testing.wait_all_tasks_blocked()
            got = []
            while True:
                with trio.move_on_after(0.01) as scope:
                    got.append((await networks[1].receive(PeerChannel.CONSENSUS).receive()).data)
                if scope.cancelled_caught:
                    break
            inner.cancel_scope.cancel()
        return got

    assert await received(1) == await received(1) != await received(2)
    assert 20 < len(await received(1)) < 80


async def test_gossip_is_validated_and_not_delivered_to_oneself(nursery):
    networks = joined(Hub())
    feeds = [network.subscribe(Topic.PRICES, lambda one: one.data != b"bad") for network in networks]
    await started(nursery, networks)
    networks[0].publish(Topic.PRICES, b"bad")
    networks[0].publish(Topic.PRICES, b"good")
    for feed in feeds[1:]:
        assert await feed.receive() == Incoming(KEYS[0], b"good")
    with pytest.raises(trio.WouldBlock):
        feeds[0].receive_nowait()
    assert networks[1].stats.topic("prices").dropped["validator"] == 1


async def test_misuse_is_a_local_fault():
    network = Hub().join(KEYS[0])
    with refused(P2pCode.OVERSIZE_MESSAGE, LocalFault):
        network.broadcast(PeerChannel.CONSENSUS, bytes(LIMITS[PeerChannel.CONSENSUS].message_bytes + 1))
    network.subscribe(Topic.TRADES, lambda _: True)
    with refused(P2pCode.ALREADY_SUBSCRIBED, LocalFault):
        network.subscribe(Topic.TRADES, lambda _: True)


async def test_a_node_that_left_is_nobodys_peer(nursery):
    hub = Hub()
    networks = joined(hub)
    async with trio.open_nursery() as inner:
        await inner.start(networks[3].run)
        inner.cancel_scope.cancel()
    assert KEYS[3] not in networks[0].peers
    assert not networks[0].send(KEYS[3], PeerChannel.SYNC, b"gone")


@pytest.mark.parametrize("ticks", range(8))
async def test_who_sends_while_a_node_stops_is_not_harmed_by_it(ticks):
    hub = Hub(delay=lambda sender, receiver: 0.001)
    for _ in range(20):  # trio shuffles whose turn it is within a tick
        staying, stopping = hub.join(KEYS[0]), hub.join(KEYS[1])
        async with trio.open_nursery() as nursery:
            await nursery.start(stopping.run)
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                for _ in range(ticks):
                    await trio.lowlevel.checkpoint()
                staying.send(KEYS[1], PeerChannel.CONSENSUS, b"late")
        assert staying.peers == frozenset()
