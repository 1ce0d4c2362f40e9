"""`Health`: whether the node does its work, as named conditions, and the same as metrics.

Rule: reads counters and ages; decides nothing. A condition that fails says what is wrong with numbers.
"""

from collections.abc import Callable, Sequence

from bridge.watcher import Watcher
from consensus.outputs import Decided
from node.api.shapes import Check
from node.bridge_service import BridgeService
from node.consensus.engine import Engine
from node.mempool import Mempool
from node.metrics import Metrics
from node.oracle.service import OracleService
from node.p2p.libp2p_network import LibP2PNetwork
from node.packages import PackageService

BLOCK_AGE_MS_MAX = 10_000
ORACLE_AGE_MS_MAX = 5_000


class Health:
    """Knows the services, and is known by the API alone."""

    def __init__(
        self,
        metrics: Metrics,
        engine: Engine,
        network: LibP2PNetwork,
        oracle: OracleService,
        bridge: BridgeService,
        packages: PackageService,
        pool: Mempool,
        validators: int,
        clock_ms: Callable[[], int],
    ) -> None:
        self._metrics = metrics
        self._engine = engine
        self._network = network
        self._oracle = oracle
        self._bridge = bridge
        self._packages = packages
        self._pool = pool
        self._validators = validators
        self._clock_ms = clock_ms
        self._decided_ms = 0
        self._proofs_told = 0

    def decided(self, decided: Decided) -> None:
        """Count one height."""
        now, metrics = self._clock_ms(), self._metrics
        if self._decided_ms:
            metrics.block_interval.observe((now - self._decided_ms) / 1000)
        self._decided_ms = now
        committed = decided.committed
        metrics.height.set(committed.block.header.height)
        metrics.rounds.set(decided.rounds - 1)
        metrics.validators.set(self._validators)
        metrics.block_size.set(len(committed.block.payload))
        metrics.missing_validators.set(
            self._validators - int.from_bytes(committed.certificate.signers, "big").bit_count()
        )
        metrics.syncing.set(1 if decided.fetched else 0)
        if not decided.fetched:
            metrics.block_latency.observe(decided.duration_ms / 1000)

    def checks(self) -> Sequence[Check]:
        """Peers, blocks, oracle, each chain."""
        now = self._clock_ms()
        peers, needed = len(self._network.peers), 2 * self._validators // 3
        block_age = now - self._decided_ms if self._decided_ms else -1
        reports = self._oracle.reports
        oracle_age = now - min(report.time_ms for report in reports) if reports else -1
        return (
            Check(name="peers", ok=peers >= needed, detail=f"{peers} connected, {needed} needed"),
            Check(name="blocks", ok=0 <= block_age <= BLOCK_AGE_MS_MAX, detail=f"newest decided {block_age} ms ago"),
            Check(name="oracle", ok=0 <= oracle_age <= ORACLE_AGE_MS_MAX, detail=f"own prices {oracle_age} ms old"),
            *(_chain(watcher) for _, watcher in sorted(self._bridge.watchers.items())),
        )

    def render_metrics(self) -> bytes:
        """Prometheus' text, with the gauges read now."""
        metrics, now = self._metrics, self._clock_ms()
        metrics.peers.set(len(self._network.peers))
        metrics.mempool_size.set(len(self._pool))
        metrics.mempool_bytes.set(self._pool.size)
        metrics.proof_epoch.set(self._packages.newest_epoch)
        metrics.proof_bytes.set(self._packages.newest_bytes)
        for seconds in self._packages.seconds[self._proofs_told :]:
            metrics.proof_time.observe(seconds)
        self._proofs_told = len(self._packages.seconds)
        for report in self._oracle.reports:
            metrics.oracle_age.labels(feed=str(report.feed)).set((now - report.time_ms) / 1000)
        for chain_id, watcher in self._bridge.watchers.items():
            metrics.chain_height.labels(chain=str(chain_id)).set(watcher.status.final_number)
        return metrics.render()


def _chain(watcher: Watcher) -> Check:
    status, name = watcher.status, f"chain-{watcher.chain.chain_id}"
    if status.halt is not None:
        return Check(name=name, ok=False, detail=f"halted: {status.halt.reason}")
    detail = f"scanned {status.scanned_number} of {status.final_number} final blocks"
    if status.last_fault:
        return Check(name=name, ok=False, detail=f"{detail}; {status.last_fault}")
    return Check(name=name, ok=status.scanned_number > 0, detail=detail)
