"""Prometheus metrics of a node, named after CometBFT's where it has one, and collectors that are read when scraped.

Rule: one `Metrics` object with a registry of its own per node; label values come from bounded sets (chain ids, peers of
the validator set, codes), never from what strangers send.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from node.p2p.peers import NetworkStats, PeerStatus

NAMESPACE = "crossclear"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0)
_PROOF_SECONDS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)


class Metrics:
    """Every metric, as a field. `render` gives the exposition text."""

    def __init__(self, *collectors: Collector) -> None:
        """`collectors` add families of their own when scraped."""
        self.registry = CollectorRegistry()
        for collector in collectors:
            self.registry.register(collector)
        self._consensus()
        self._traffic()
        self._clearing()

    def render(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)

    def _consensus(self) -> None:
        self.height = self._gauge("consensus_height", "Height of the chain")
        self.rounds = self._gauge("consensus_rounds", "Rounds that the last height needed beyond the first")
        self.validators = self._gauge("consensus_validators", "Number of validators")
        self.validators_power = self._gauge("consensus_validators_power", "Total voting power")
        self.missing_validators = self._gauge(
            "consensus_missing_validators",
            "Validators that were neither in a certificate nor in time with their vote extension for 20 heights",
        )
        self.is_validator = self._gauge("consensus_is_validator", "1 while this node's key is in the validator set")
        self.byzantine_validators = self._gauge(
            "consensus_byzantine_validators", "Validators with evidence in the last block"
        )
        self.block_interval = self._histogram("consensus_block_interval_seconds", "Time between decided heights")
        self.block_latency = self._histogram("consensus_block_latency_seconds", "Start of a height to its decision")
        self.num_txs = self._gauge("consensus_num_txs", "Transactions in the last block")
        self.total_txs = self._counter("consensus_total_txs", "Transactions in all blocks")
        self.block_size = self._gauge("consensus_block_size_bytes", "Size of the last block")
        self.protocol_version = self._gauge("protocol_version", "Protocol version in force")
        self.protocol_release = self._gauge("protocol_release", "Newest protocol version that this release has")
        self.upgrade_height = self._gauge("upgrade_height", "Height of the scheduled upgrade; 0 for none")
        self.upgrade_needed = self._gauge(
            "upgrade_needed", "Protocol version for lack of which this node has stopped; 0 while it runs"
        )
        self.syncing = self._gauge("blocksync_syncing", "1 while this node catches up")

    def _traffic(self) -> None:
        self.peers = self._gauge("p2p_peers", "Connected peers")
        self.missing_links = self._gauge("p2p_missing_links", "Other validators that are not connected")
        self.bytes_sent = self._counter("p2p_message_send_bytes", "Bytes sent", ("channel",))
        self.bytes_received = self._counter("p2p_message_receive_bytes", "Bytes received", ("channel",))
        self.messages_dropped = self._counter("p2p_messages_dropped", "Messages dropped by a full queue", ("channel",))
        self.mempool_size = self._gauge("mempool_size", "Pending transactions")
        self.mempool_window = self._gauge("mempool_window", "Transactions that may wait before more are refused")
        self.mempool_bytes = self._gauge("mempool_size_bytes", "Bytes of pending transactions")
        self.failed_txs = self._counter("mempool_failed_txs", "Transactions refused by the mempool", ("code",))
        self.api_requests = self._counter("api_requests", "HTTP requests", ("route", "status"))
        self.service_failures = self._counter("service_failures", "Failures of services of this node", ("service",))
        self.services_down = self._gauge("services_down", "Services that failed and wait to be started again")

    def _clearing(self) -> None:
        self.receipts_refused = self._counter("clearing_refused", "Transactions refused in blocks", ("code",))
        self.liquidations = self._counter("clearing_liquidations", "Liquidations")
        self.feed_rung = self._gauge(
            "clearing_feed_rung", "0 usable, 1 no new risk, 2 no liquidation, 3 settled", ("feed",)
        )
        self.outliers = self._counter("clearing_outliers", "Price reports dropped as outliers", ("feed",))
        self.inflow_delayed = self._counter(
            "clearing_inflow_delayed", "Credited deposits that wait before they may leave", ("chain", "asset")
        )
        self.inflow_delayed_micros = self._counter(
            "clearing_inflow_delayed_micros", "Value of these deposits, in micros", ("chain", "asset")
        )
        self.inflow_waiting = self._gauge("clearing_inflow_waiting_micros", "Value that waits now, in micros")
        self.inflow_accounts = self._gauge("clearing_inflow_waiting_accounts", "Accounts with value that waits now")
        self.refunds_held = self._gauge(
            "clearing_refunds_held", "Refunds of deposits that wait at a vault now", ("chain",)
        )
        self.oracle_age = self._gauge("oracle_age_seconds", "Age of this node's price report", ("feed",))
        self.oracle_usable = self._gauge("oracle_sources_usable", "Sources that count for the feed", ("feed_name",))
        self.oracle_needed = self._gauge("oracle_sources_needed", "Sources without which none counts", ("feed_name",))
        source = ("feed_name", "source")
        self.oracle_source_usable = self._gauge("oracle_source_usable", "1 while the source counts", source)
        self.oracle_source_age = self._gauge("oracle_source_age_seconds", "Age of the source's price", source)
        self.oracle_source_faults = self._counter(
            "oracle_source_faults", "Failures of a source's connection or messages", (*source, "code")
        )
        self.surface_age = self._gauge("oracle_surface_age_seconds", "Age of this node's surface report", ("surface",))
        self.surface_expiries = self._gauge("oracle_surface_expiries", "Expiries of the report", ("surface",))
        self.surface_error = self._gauge(
            "oracle_surface_error", "Root mean square of the fit, in volatility of a year", ("surface",)
        )
        self.surface_fit = self._gauge("oracle_surface_fit_seconds", "How long the last fit took", ("surface",))
        option_source = ("surface", "source")
        self.surface_source_usable = self._gauge(
            "oracle_surface_source_usable", "1 while the source of option quotes counts", option_source
        )
        self.surface_source_quotes = self._gauge(
            "oracle_surface_source_quotes", "Usable option quotes of the source", option_source
        )
        self.surface_source_faults = self._counter(
            "oracle_surface_source_faults",
            "Failures of connection or answers of a source of option quotes",
            (*option_source, "code"),
        )
        self.chain_height = self._gauge("bridge_chain_final_height", "Final block seen", ("chain",))
        self.custody_proven = self._gauge(
            "bridge_custody_blocks_proven", "Blocks whose custody was proven by storage proofs since start", ("chain",)
        )
        self.custody_unproven = self._gauge(
            "bridge_custody_unproven", "1 while the newest custody block has no storage proof", ("chain",)
        )
        self.chain_withheld = self._gauge(
            "bridge_chain_withheld", "1 while nothing is attested because final blocks are in doubt", ("chain",)
        )
        self.chain_halted = self._gauge("bridge_chain_halted", "1 while the chain is halted", ("chain",))
        self.vault_strayed = self._gauge(
            "bridge_vault_on_other_branch", "1 after the vault accepted a header that is not this network's", ("chain",)
        )
        self.vault_ahead = self._gauge(
            "bridge_vault_checkpoints_waiting",
            "Headers of the vault above the own height",
            ("chain",),
        )
        self.chain_dissents = self._gauge(
            "bridge_chain_dissenting_endpoints", "Endpoints that contradict the quorum about a final block", ("chain",)
        )
        self.custody_unread = self._gauge(
            "bridge_custody_unread", "1 while no endpoint delivers the vault's counters", ("chain",)
        )
        self.token_short = self._gauge(
            "bridge_token_short", "1 while the vault has less of a token than it accounts for", ("chain",)
        )
        self.providers = self._gauge(
            "bridge_providers", "Different providers of endpoints that validators state", ("chain",)
        )
        self.providers_published = self._gauge(
            "bridge_providers_published", "Validators that state their providers", ("chain",)
        )
        self.providers_reach = self._gauge(
            "bridge_providers_reach_ratio",
            "Largest share of the power whose quorums so many providers reach together",
            ("chain", "providers"),
        )
        self.conflicts = self._gauge("bridge_conflicts", "Pairs of certified headers of one height that are known")
        self.conflicts_unfrozen = self._gauge(
            "bridge_conflicts_unfrozen", "Vaults that this node writes to and that a known conflict has not frozen"
        )
        self.header_signers = self._gauge(
            "bridge_header_signers", "Validators whose secp256k1 signature on the newest header for vaults is here"
        )
        self.header_certified = self._gauge(
            "bridge_header_certified_height", "Newest header that a quorum signed with secp256k1 keys"
        )
        self.header_waiting = self._gauge(
            "bridge_header_waiting_seconds", "How long a header has waited for a quorum's secp256k1 signatures"
        )
        self.chain_lag = self._gauge("bridge_chain_lag_seconds", "Time since a new final block was seen", ("chain",))
        self.relayer_balance = self._gauge(
            "relayer_balance_ether", "What this node's relayer has for gas, in the chain's coin", ("chain",)
        )
        self.relayer_rounds = self._gauge(
            "relayer_rounds_left", "Checkpoints with claims that this pays at the present price of gas", ("chain",)
        )
        self.light_height = self._gauge(
            "bridge_light_client_final_height", "Newest block that the light client proved final", ("chain",)
        )
        self.light_age = self._gauge(
            "bridge_light_client_age_seconds", "Age of the light client's newest final header", ("chain",)
        )
        self.light_stopped = self._gauge(
            "bridge_light_client_stopped", "1 after the light client saw two final branches", ("chain",)
        )
        self._endpoints()
        self.proof_epoch = self._gauge("proofs_epoch", "Epoch of the newest package")
        self.proof_time = self._histogram("proofs_proving_seconds", "Time to prove an epoch", _PROOF_SECONDS)
        self.proof_progress = self._gauge(
            "proofs_progress_ratio", "Share of the proof under way that is done; 0 when none is"
        )
        self.proof_seconds_left = self._gauge(
            "proofs_seconds_left", "About how long the proof under way still takes; 0 when none is"
        )
        self.proof_shards_lost = self._gauge(
            "proofs_shards_lost",
            "Shards computed again because their process or worker was lost, since the prover's start",
        )
        self.proof_shares_refused = self._gauge(
            "proofs_shares_refused", "Wrong shares of a cluster's workers, since the prover's start"
        )
        self.proofs_waiting = self._gauge("proofs_waiting", "Epochs that this validator still has to prove")
        self.proofs_wait = self._gauge(
            "proofs_wait_seconds", "How long the epoch that waits longest has waited for its package"
        )
        self.proofs_lost = self._gauge("proofs_lost", "Epochs that this validator gave up to prove, since its start")
        self.home_free = self._gauge("home_free_bytes", "Room on the disk of the home")
        self.proof_bytes = self._gauge("proofs_package_bytes", "Size of the newest package")

    def _endpoints(self) -> None:
        which = ("chain", "endpoint")
        self.endpoint_height = self._gauge(
            "bridge_endpoint_final_height", "Final block that an endpoint reports", which
        )
        self.endpoint_lag = self._gauge(
            "bridge_endpoint_lag_blocks", "Final blocks behind the endpoint that reports the most", which
        )
        self.endpoint_dissents = self._gauge(
            "bridge_endpoint_dissents", "1 while it contradicts the quorum about a final block", which
        )
        self.endpoint_answers = self._counter("bridge_endpoint_answers", "Requests that it answered", which)
        self.endpoint_seconds = self._counter("bridge_endpoint_answer_seconds", "Time its answers took together", which)
        self.endpoint_faults = self._counter("bridge_endpoint_faults", "Its faults, by name", (*which, "kind"))

    def _gauge(self, name: str, description: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(name, description, labels, namespace=NAMESPACE, registry=self.registry)

    def _counter(self, name: str, description: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(name, description, labels, namespace=NAMESPACE, registry=self.registry)

    def _histogram(self, name: str, description: str, buckets: tuple[float, ...] = _SECONDS) -> Histogram:
        return Histogram(name, description, (), namespace=NAMESPACE, registry=self.registry, buckets=buckets)


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
        """The families without values, so that registering reads no counters."""
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
_Family = tuple[str, str, tuple[str, ...], Iterable[Sample]]
"""Name, description, labels, samples."""


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
        named = [((peer.key.hex()[:16],), peer) for peer in peers]
        refused = [((code,), count) for code, count in sorted(stats.refused.items())]
        topics = [((topic,), counts) for topic, counts in sorted(stats.topics.items())]
        lost = [((*topic, cause), count) for topic, counts in topics for cause, count in sorted(counts.dropped.items())]
        channels, ended = (
            (peer.dropped_in for peer in stats.peers.values()),
            (peer.closed for peer in stats.peers.values()),
        )
        by_peer, by_code, by_topic = ("peer",), ("code",), ("topic",)
        gauges: tuple[_Family, ...] = (
            (
                "peer_score",
                "100 for a peer without faults; at 0 it is banned",
                by_peer,
                [(k, p.score) for k, p in named],
            ),
            ("peer_connected", "1 for a connected peer", by_peer, [(k, p.connected) for k, p in named]),
            ("peer_rtt_seconds", "Round trip of the last heartbeat", by_peer, [(k, p.rtt_ms / 1000) for k, p in named]),
        )
        counters: tuple[_Family, ...] = (
            ("peer_faults", "Faults charged to a peer", by_peer, [(k, p.faults) for k, p in named]),
            ("peer_bans", "Bans of a peer", by_peer, [(k, p.bans) for k, p in named]),
            ("messages_refused", "Messages that a consumer's full queue dropped", ("channel",), _summed(channels)),
            ("connections_closed", "Connections that ended, by reason", by_code, _summed(ended)),
            ("connections_refused", "Connections that never became a peer, by reason", by_code, refused),
            ("gossip_published", "Own gossip messages", by_topic, [(t, c.published) for t, c in topics]),
            ("gossip_delivered", "Valid new gossip messages", by_topic, [(t, c.delivered) for t, c in topics]),
            ("gossip_duplicates", "Repeated gossip messages", by_topic, [(t, c.duplicates) for t, c in topics]),
            ("gossip_dropped", "Gossip messages dropped, by cause", ("topic", "cause"), lost),
        )
        yield from _metrics(GaugeMetricFamily, gauges)
        yield from _metrics(CounterMetricFamily, counters)


def _metrics(kind: type[GaugeMetricFamily | CounterMetricFamily], families: Iterable[_Family]) -> Iterator[Metric]:
    for name, description, labels, samples in families:
        family = kind(_P2P + name, description, labels=labels)
        for values, number in samples:
            family.add_metric(values, number)
        yield family


def _summed(counters: Iterable[dict[str, int]]) -> Iterator[Sample]:
    total: dict[str, int] = {}
    for counter in counters:
        for label, count in counter.items():
            total[label] = total.get(label, 0) + count
    return (((label,), count) for label, count in sorted(total.items()))
