"""Who may connect follows the validator set, and who misbehaves is left alone for a time: on sockets and in memory."""

from dataclasses import replace

import pytest
import trio

from clearing.base.errors import RemoteFault
from consensus.codes import ConsensusCode
from node.p2p.codes import P2pCode
from node.p2p.config import NetworkConfig, Peer
from node.p2p.libp2p.network import LibP2PNetwork
from node.p2p.network import Network, PeerChannel, Topic
from node.p2p.peers import Role
from node.p2p.scores import BAN_SECONDS_FIRST
from tests.kit.node.memory_network import Hub
from tests.kit.refusals import refused
from tests.kit.until import until

TRADES = {Topic.TRADES: lambda _: True}
PROVEN = RemoteFault(ConsensusCode.DOUBLE_SIGN, "vote")
KEYS = [bytes([number]) * 32 for number in range(1, 5)]


async def test_who_leaves_the_set_is_disconnected_and_stays_out_until_it_is_admitted_again(cluster):
    async with cluster(4) as c:
        keys = [node.key for node in c]
        left, *others = c
        for node in c:
            node.network.admit(keys)
        for node in others:
            node.network.admit(keys[1:])
            node.network.admit(keys[1:])  # told at every height
        await until(lambda: not any(left.key in node.network.peers for node in others))
        for node in others:
            assert node.network.peers == {other.key for other in others if other is not node}
            assert node.network.stats.peer(left.key).closed[P2pCode.NO_LONGER_ADMITTED.label]
        await until(lambda: all(node.network.stats.refused[P2pCode.UNKNOWN_PEER.label] for node in others))
        await until(lambda: not left.network.peers)
        for node in others:
            node.network.admit(keys)
        await c.all_connected()


async def test_a_key_that_joins_the_set_may_connect_without_a_restart(cluster):
    async with cluster(2) as (one, other):
        joiner = LibP2PNetwork(
            NetworkConfig(secret=bytes(32), network=one.config.network, peers=(Peer(one.key, port=one.config.port),))
        )
        async with joiner.running():
            await until(lambda: bool(one.network.stats.refused[P2pCode.UNKNOWN_PEER.label]))
            one.network.admit([one.key, other.key, joiner.key])
            await until(lambda: joiner.key in one.network.peers)
            assert one.network.roster.role(joiner.key) is Role.VALIDATOR
            joiner.send(one.key, PeerChannel.CONSENSUS, b"here I am")
            assert (await one.network.receive(PeerChannel.CONSENSUS).receive()).sender == joiner.key


async def test_an_observer_of_the_configuration_stays_whatever_the_set_is(cluster):
    def observed(number: int, config: NetworkConfig) -> NetworkConfig:
        peer = config.peers[0]
        return replace(config, peers=(), observers=(peer.key,)) if number == 0 else config

    async with cluster(2, change=observed, connect=False) as c:
        validator, observer = c
        await c.all_connected()
        validator.network.admit([validator.key])
        validator.network.send(observer.key, PeerChannel.SYNC, b"a block")
        assert (await observer.network.receive(PeerChannel.SYNC).receive()).data == b"a block"
        (status,) = validator.network.status()
        assert (status.key, status.role, status.connected, status.score) == (observer.key, Role.OBSERVER, True, 100)


async def test_a_ban_closes_the_connection_refuses_the_next_ones_and_ends_by_itself(cluster, monkeypatch):
    monkeypatch.setattr("node.p2p.scores.BAN_SECONDS_FIRST", 1.0)
    async with cluster(4, topics=TRADES) as c:
        judge, liar, *others = c
        connections = judge.network.stats.peer(liar.key).connections
        judge.network.report(liar.key, PROVEN)
        assert not judge.network._sessions[liar.key].alive
        banned = next(each for each in judge.network.status() if each.key == liar.key)
        assert banned.bans == 1
        assert 0 < banned.banned_seconds <= 1.0
        assert "double_sign" in banned.last_fault
        closed = judge.network.stats.peer(liar.key).closed
        await until(lambda: bool(closed[P2pCode.BANNED.label]))
        for node in others:  # what others think of it is theirs to find out
            assert liar.key in node.network.peers
        liar.network.publish(Topic.TRADES, b"by way of others")
        assert (await judge.feeds[Topic.TRADES].receive()).sender == liar.key
        await until(lambda: judge.network.stats.peer(liar.key).connections > connections)
        await c.all_connected()
        assert judge.network.scores.score(liar.key, trio.current_time()) >= 50


async def test_reports_about_strangers_and_after_the_end_do_no_harm(cluster):
    async with cluster(2) as (one, other):
        one.network.report(b"s" * 32, PROVEN)
        assert one.network.peers == {other.key}
        assert b"s".hex() * 32 not in one.network.stats.peers
        await one.stop()
        one.network.report(other.key, PROVEN)
        one.network.admit([one.key])


async def test_connections_from_one_address_are_limited_before_any_handshake(cluster, monkeypatch):
    monkeypatch.setattr("node.p2p.libp2p.host.ARRIVALS_PER_SECOND", 1.0)
    async with cluster(2) as (node, other):
        for _ in range(40):
            stream = await trio.open_tcp_stream("127.0.0.1", node.config.port, local_address="127.0.0.3")
            await stream.aclose()
        await until(lambda: node.network.stats.refused[P2pCode.FLOOD.label] >= 5)
        assert node.network.peers == {other.key}


@pytest.mark.parametrize("changed", [{"observers": (b"short",)}, {"observers": ("own",)}])
def test_observers_are_keys_of_others(changed):
    from clearing.base.errors import LocalFault

    good = NetworkConfig(secret=bytes(32), network=bytes(32), peers=())
    own = tuple(good.key if each == "own" else each for each in changed["observers"])
    with refused(P2pCode.BAD_CONFIG, LocalFault):
        LibP2PNetwork(replace(good, observers=own))


async def test_memory_keeps_the_same_promises(nursery, autojump_clock):
    hub = Hub()
    networks = [hub.join(key) for key in KEYS]
    for network in networks:
        await nursery.start(network.run)
    one, liar, third, fourth = networks
    typed: Network = one
    typed.report(liar.key, PROVEN)
    assert one.peers == {third.key, fourth.key}
    assert liar.peers == {third.key, fourth.key}
    assert not liar.send(one.key, PeerChannel.CONSENSUS, b"lost")
    typed.report(third.key, PROVEN)  # of four, two may not be missing
    assert third.key in one.peers
    await trio.sleep(BAN_SECONDS_FIRST)
    assert one.peers == {liar.key, third.key, fourth.key}
    typed.admit([one.key, liar.key, third.key])
    assert one.peers == {liar.key, third.key}
    assert fourth.peers == {liar.key, third.key}
    typed.admit(KEYS)
    assert one.peers == set(KEYS[1:])


async def test_a_peer_may_be_named_and_one_whose_name_is_unknown_costs_nothing_but_attempts(cluster):
    names = {0: "localhost", 1: "no-such-host.invalid"}

    def named(number: int, config: NetworkConfig) -> NetworkConfig:
        peers = tuple(replace(peer, host=names[number]) for peer in config.peers)
        return replace(config, peers=peers)

    async with cluster(2, change=named, connect=False) as c:
        await c.all_connected()  # by the first one's attempts, or by none
        one, other = c
        assert one.network.stats.peer(other.key).dials
        await one.stop()
        await until(lambda: one.key not in other.network.peers)
        dials = other.network.stats.peer(one.key).dials
        await until(lambda: other.network.stats.peer(one.key).dials > dials)
        await c.start(one)
        await c.all_connected()


async def test_a_peer_that_only_the_configuration_names_is_let_in_while_the_state_may_be_old(cluster, monkeypatch):
    monkeypatch.setattr("node.p2p.libp2p.network.CURRENT_SECONDS", 1.0)
    async with cluster(3) as (one, other, third):
        one.network.admit([one.key, other.key])
        assert one.network.roster.role(third.key) is Role.CONFIGURED
        one.network.note_current()
        stats = one.network.stats.peer(third.key)
        await until(lambda: bool(stats.closed[P2pCode.NO_LONGER_ADMITTED.label]))
        assert other.key in one.network.peers
        await until(lambda: stats.connections == 2)  # nothing was decided for a while


async def test_a_validator_that_announces_its_address_is_dialed_without_a_configured_one(cluster):
    def unknown(number: int, config: NetworkConfig) -> NetworkConfig:
        """0 and 1 have no address of each other."""
        return config if number == 2 else replace(config, peers=config.peers[1:])

    async with cluster(3, change=unknown, connect=False) as c:
        one, other, both = c
        keys = [node.key for node in c]
        for node in c:
            node.network.admit(keys)
        await both.connected(2)
        assert other.key not in one.network.peers
        one.network.learn(Peer(b"s" * 32, port=other.config.port))
        one.network.learn(Peer(other.key, port=other.config.port))
        await c.all_connected()
        assert b"s" * 32 not in one.network._found
