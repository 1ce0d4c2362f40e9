"""Rules of what operators see of peers: a line each, and metrics whose labels are bounded."""

from prometheus_client import CollectorRegistry, generate_latest

from member.printing.network import peer_lines
from node.api.state import peer_view
from node.ops.metrics import Metrics, PeerCollector
from node.p2p.peers import NetworkStats, PeerStatus, Role


def peer(number: int, **changed: object) -> PeerStatus:
    fields: dict[str, object] = {
        "key": bytes([number]) * 32,
        "role": Role.VALIDATOR,
        "connected": True,
        "connections": 1,
        "rtt_ms": 1.5,
        "score": 100,
        "faults": 0,
        "last_fault": "",
        "bans": 0,
        "banned_seconds": 0.0,
    }
    return PeerStatus(**(fields | changed))  # type: ignore[arg-type]


class Network:
    """The part of the network that metrics read."""

    def __init__(self, *peers: PeerStatus) -> None:
        self.stats = NetworkStats()
        self._peers = peers

    def status(self) -> tuple[PeerStatus, ...]:
        return self._peers


def test_a_line_tells_connection_score_ban_and_last_fault() -> None:
    good = peer(1)
    banned = peer(2, connected=False, score=51, bans=2, banned_seconds=19.6, last_fault="R0520 double_sign at vote")
    first, second = peer_lines([peer_view(good), peer_view(banned)])
    assert first == f"ok   peer {'01' * 8} validator  score 100  2 ms"
    assert second.startswith(
        f"-    peer {'02' * 8} validator  score  51  not connected, banned for 20 s; last fault: R05"
    )


def test_the_networks_counters_are_metrics_under_bounded_labels() -> None:
    network = Network(peer(1, score=75, faults=3, bans=1))
    topic = network.stats.topic("prices")
    topic.published, topic.delivered, topic.duplicates = 5, 4, 3
    topic.dropped["origin rate"] += 2
    network.stats.refused["R0880"] += 7
    network.stats.peer(b"p" * 32).dropped_in["CONSENSUS"] += 9
    network.stats.peer(b"q" * 32).dropped_in["CONSENSUS"] += 1
    metrics = Metrics(PeerCollector(network))
    for _ in range(2):  # asking twice counts nothing twice
        told = metrics.render().decode()
        assert f'crossclear_p2p_peer_score{{peer="{"01" * 8}"}} 75.0' in told
        assert f'crossclear_p2p_peer_faults_total{{peer="{"01" * 8}"}} 3.0' in told
        assert 'crossclear_p2p_gossip_dropped_total{cause="origin rate",topic="prices"} 2.0' in told
        assert 'crossclear_p2p_gossip_delivered_total{topic="prices"} 4.0' in told
        assert 'crossclear_p2p_connections_refused_total{code="R0880"} 7.0' in told
        assert 'crossclear_p2p_messages_refused_total{channel="CONSENSUS"} 10.0' in told


def test_the_families_are_the_same_with_and_without_a_network() -> None:
    without, running = CollectorRegistry(), CollectorRegistry()
    without.register(PeerCollector(None))
    running.register(PeerCollector(Network()))
    assert generate_latest(without) == generate_latest(running)
    assert len(list(without.collect())) == 12
