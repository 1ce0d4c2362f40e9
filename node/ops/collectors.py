"""`PeerCollector` and `SignerCollector`: counters of the network and of a remote signer, read when somebody scrapes."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from node.p2p.peers import NetworkStats, PeerStatus


class SilenceSource(Protocol):
    """`RemoteSigner`, as far as it is read here."""

    silences: int

    @property
    def connected(self) -> bool:
        """Whether a signer is at the other end."""
        ...


class SignerCollector(Collector):
    """`signer` is None for a node that signs itself."""

    def __init__(self, signer: SilenceSource | None) -> None:
        self._signer = signer

    def describe(self) -> Iterable[Metric]:
        """The families, so that registering asks nobody."""
        return self._families(connected=True, silences=0)

    def collect(self) -> Iterable[Metric]:
        """The families with their values now."""
        if self._signer is None:
            return self.describe()
        return self._families(connected=self._signer.connected, silences=self._signer.silences)

    def _families(self, *, connected: bool, silences: int) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "crossclear_signer_connected", "1 while votes can be signed", value=1.0 if connected else 0.0
        )
        yield CounterMetricFamily(
            "crossclear_signer_silences", "Signatures that the remote signer did not make in time", value=silences
        )


_P2P = "crossclear_p2p_"

Sample = tuple[tuple[str, ...], float]


class PeerStatusSource(Protocol):
    """The part of the network that is read."""

    stats: NetworkStats

    def status(self) -> tuple[PeerStatus, ...]:
        """Every peer that may connect."""
        ...


class PeerCollector(Collector):
    """One node's; `network` None has the families and no values, as the reference needs."""

    def __init__(self, network: PeerStatusSource | None) -> None:
        self._network = network

    def describe(self) -> Iterable[Metric]:
        """The families, so that registering does not need a running network."""
        return self._families(NetworkStats(), ())

    def collect(self) -> Iterable[Metric]:
        """The families with their values now."""
        if self._network is None:
            return self.describe()
        return self._families(self._network.stats, self._network.status())

    def _families(self, stats: NetworkStats, peers: tuple[PeerStatus, ...]) -> Iterator[Metric]:
        topics = sorted(stats.topics.items())
        told = [(each.key.hex()[:16], each) for each in peers]
        yield _gauge(
            "peer_score",
            "100 for a peer without faults; at 0 it is banned",
            ("peer",),
            (((key,), each.score) for key, each in told),
        )
        yield _gauge(
            "peer_connected", "1 for a connected peer", ("peer",), (((key,), each.connected) for key, each in told)
        )
        yield _gauge(
            "peer_rtt_seconds",
            "Round trip of the last heartbeat",
            ("peer",),
            (((key,), each.rtt_ms / 1000) for key, each in told),
        )
        yield _counter(
            "peer_faults", "Faults charged to a peer", ("peer",), (((key,), each.faults) for key, each in told)
        )
        yield _counter("peer_bans", "Bans of a peer", ("peer",), (((key,), each.bans) for key, each in told))
        yield _counter(
            "messages_refused",
            "Messages that a consumer's full queue dropped",
            ("channel",),
            _summed(peer.dropped_in for peer in stats.peers.values()),
        )
        yield _counter(
            "connections_closed",
            "Connections that ended, by reason",
            ("code",),
            _summed(peer.closed for peer in stats.peers.values()),
        )
        yield _counter(
            "connections_refused",
            "Connections that never became a peer, by reason",
            ("code",),
            (((code,), count) for code, count in sorted(stats.refused.items())),
        )
        yield _counter(
            "gossip_published",
            "Own gossip messages",
            ("topic",),
            (((topic,), each.published) for topic, each in topics),
        )
        yield _counter(
            "gossip_delivered",
            "Valid new gossip messages",
            ("topic",),
            (((topic,), each.delivered) for topic, each in topics),
        )
        yield _counter(
            "gossip_duplicates",
            "Repeated gossip messages",
            ("topic",),
            (((topic,), each.duplicates) for topic, each in topics),
        )
        yield _counter(
            "gossip_dropped",
            "Gossip messages dropped, by cause",
            ("topic", "cause"),
            (((topic, cause), count) for topic, each in topics for cause, count in sorted(each.dropped.items())),
        )


def _gauge(name: str, told: str, labels: tuple[str, ...], samples: Iterable[Sample]) -> Metric:
    family = GaugeMetricFamily(_P2P + name, told, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _counter(name: str, told: str, labels: tuple[str, ...], samples: Iterable[Sample]) -> Metric:
    family = CounterMetricFamily(_P2P + name, told, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _summed(counters: Iterable[dict[str, int]]) -> Iterator[Sample]:
    total: dict[str, int] = {}
    for counter in counters:
        for label, count in counter.items():
            total[label] = total.get(label, 0) + count
    return (((label,), count) for label, count in sorted(total.items()))
