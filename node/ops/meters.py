"""`Meters`: feeds the metrics, from decided heights as they come and from the services' own counters when asked.

Rule: it reads and counts; a metric that nothing feeds does not exist (a test says so).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import trio

from bridge.rpc.endpoint_health import EndpointHealth, lags
from clearing.schema.blocks.receipt import Refused
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.receipts.prices import OutliersDropped, PriceApplied, PriceStatusChanged
from clearing.schema.receipts.validators import MisbehaviourRecorded
from clearing.schema.receipts.withdrawals import InflowWaits
from clearing.schema.records.prices import PriceStatus
from clearing.state.state import State
from consensus.outputs import Decided
from node.agreement.application import DecidedHeight
from node.agreement.upgrade_watch import UpgradeStanding
from node.agreement.validator_membership import Membership
from node.chains.bridge_service import BridgeService
from node.chains.conflicts import ConflictStanding
from node.chains.header_signatures import SignatureCollection
from node.chains.provider_diversity import ProviderDiversity
from node.chains.relayer_purse import RelayerPurse
from node.epochs.packages import PackageService
from node.ops.metrics import Metrics
from node.ops.silent_validators import SilentValidators
from node.oracle.service import OracleService
from node.oracle.several_sources import SeveralSources
from node.oracle.surfaces.chain_cell import ChainCell
from node.oracle.surfaces.surface_source import SurfaceStanding
from node.p2p.libp2p.network import LibP2PNetwork
from node.pool.mempool import Mempool
from node.pool.transaction_service import TransactionService
from node.supervision import ServiceStanding

WEI = 10**18
"""Of one coin."""


class Meters:
    """Knows the services; known by the application's listeners and the API."""

    def __init__(
        self,
        metrics: Metrics,
        network: LibP2PNetwork,
        oracle: OracleService,
        bridge: BridgeService,
        packages: PackageService,
        pool: Mempool,
        transactions: TransactionService,
        membership: Membership,
        clock_ms: Callable[[], int],
        diversity: Callable[[], Sequence[ProviderDiversity]] = tuple,
        conflicts: Callable[[], Sequence[ConflictStanding]] = tuple,
        upgrade: Callable[[], UpgradeStanding | None] = lambda: None,
        collection: Callable[[], SignatureCollection | None] = lambda: None,
        services: Callable[[], Sequence[ServiceStanding]] = tuple,
        purses: Mapping[int, RelayerPurse] | None = None,
        free_bytes: Callable[[], int] = lambda: 0,
        prices: SeveralSources | None = None,
        surfaces: Callable[[], Sequence[SurfaceStanding]] = tuple,
        option_cells: Sequence[ChainCell] = (),
    ) -> None:
        """`prices` is None for a node whose prices have one source."""
        self._surfaces, self._option_cells = surfaces, option_cells
        self._prices = prices
        self._free_bytes = free_bytes
        self._purses = {} if purses is None else purses
        self._services = services
        self._metrics = metrics
        self._network = network
        self._oracle = oracle
        self._bridge = bridge
        self._packages = packages
        self._pool = pool
        self._transactions = transactions
        self._membership = membership
        self._clock_ms = clock_ms
        self._diversity = diversity
        self._conflicts = conflicts
        self._upgrade = upgrade
        self._collection = collection
        self._decided_ms = 0
        self._silent = SilentValidators()
        self._counted: dict[tuple[str, tuple[str, ...]], float] = {}

    def committed(self, decided: DecidedHeight) -> None:
        """Count what a block did, also one that a restart executes again."""
        metrics = self._metrics
        metrics.num_txs.set(len(decided.block.transactions))
        metrics.total_txs.inc(len(decided.block.transactions))
        accused = {
            receipt.envelope_key for receipt in decided.result.receipts if isinstance(receipt, MisbehaviourRecorded)
        }
        metrics.byzantine_validators.set(len(accused))
        for receipt in decided.result.receipts:
            if isinstance(receipt, Refused):
                metrics.receipts_refused.labels(code=f"R{receipt.code:04d}").inc()
            elif isinstance(receipt, Liquidated):
                metrics.liquidations.inc()
            elif isinstance(receipt, PriceApplied):
                metrics.feed_rung.labels(feed=str(receipt.feed)).set(PriceStatus.USABLE)
            elif isinstance(receipt, PriceStatusChanged):
                metrics.feed_rung.labels(feed=str(receipt.feed)).set(receipt.price_status)
            elif isinstance(receipt, OutliersDropped):
                metrics.outliers.labels(feed=str(receipt.feed)).inc(len(receipt.dropped))
            elif isinstance(receipt, InflowWaits):
                which = (str(receipt.chain_id), str(receipt.asset))
                metrics.inflow_delayed.labels(*which).inc()
                metrics.inflow_delayed_micros.labels(*which).inc(receipt.micros)
        self._measure_inflow(decided.state)

    def _measure_inflow(self, state: State) -> None:
        """What waits in a state. It keeps accounts and heights; of which chain and asset it came, the counters say."""
        waiting = [
            sum(part.micros for part in record.parts if part.until_height > state.now.height)
            for _, record in state.waiting_inflows.ordered()
        ]
        self._metrics.inflow_waiting.set(sum(waiting))
        self._metrics.inflow_accounts.set(sum(micros > 0 for micros in waiting))
        held = Counter(
            refund[0] for refund, record in state.held_refunds.ordered() if record.until_height > state.now.height
        )
        for chain_id in state.terms.chains:
            self._metrics.refunds_held.labels(chain=str(chain_id)).set(held[chain_id])

    def decided(self, decided: Decided) -> None:
        """Count a height that consensus decided while running."""
        now, metrics, block = self._clock_ms(), self._metrics, decided.committed.block
        if self._decided_ms:
            metrics.block_interval.observe((now - self._decided_ms) / 1000)
        self._decided_ms = now
        metrics.height.set(block.header.height)
        metrics.rounds.set(decided.rounds - 1)
        metrics.block_size.set(len(block.payload))
        metrics.missing_validators.set(self._silent.count(decided.committed, self._membership.sets.last))
        metrics.syncing.set(1 if decided.fetched else 0)
        if not decided.fetched:
            metrics.block_latency.observe(decided.duration_ms / 1000)

    def api_answered(self, route: str, status: int) -> None:
        """Count one answer of the API."""
        self._metrics.api_requests.labels(route=route, status=str(status)).inc()

    def render(self) -> bytes:
        """Prometheus' text, with the gauges read now."""
        metrics, now = self._metrics, self._clock_ms()
        metrics.peers.set(len(self._network.peers))
        metrics.missing_links.set(len(self._membership.others - self._network.peers))
        metrics.validators.set(len(self._membership.now.validators))
        metrics.is_validator.set(1 if self._membership.is_validator else 0)
        metrics.validators_power.set(self._membership.now.total_power)
        standing = self._upgrade()
        if standing is not None:
            show_upgrade(metrics, standing)
        metrics.mempool_size.set(len(self._pool))
        metrics.mempool_window.set(self._transactions.window)
        metrics.mempool_bytes.set(self._pool.size)
        metrics.proof_epoch.set(self._packages.newest_epoch)
        metrics.proof_bytes.set(self._packages.newest_bytes)
        metrics.proofs_waiting.set(len(self._packages.waiting))
        metrics.home_free.set(self._free_bytes())
        metrics.proofs_wait.set(self._packages.waited_seconds)
        metrics.proofs_lost.set(len(self._packages.lost))
        progress = self._packages.progress
        metrics.proof_progress.set(progress.done / max(progress.total, 1))
        metrics.proof_seconds_left.set(self._packages.seconds_left or 0)
        metrics.proof_shards_lost.set(progress.lost)
        metrics.proof_shares_refused.set(progress.refused)
        while self._packages.seconds:
            metrics.proof_time.observe(self._packages.seconds.popleft())
        for report in self._oracle.reports:
            metrics.oracle_age.labels(feed=str(report.feed)).set((now - report.time_ms) / 1000)
        self.measure_sources()
        self.measure_surfaces(now)
        for chain_id, watcher in self._bridge.watchers.items():
            status, chain = watcher.status, str(chain_id)
            metrics.chain_height.labels(chain=chain).set(status.final_number)
            metrics.chain_withheld.labels(chain=chain).set(1 if status.doubt else 0)
            metrics.custody_unread.labels(chain=chain).set(1 if status.custody_fault else 0)
            metrics.token_short.labels(chain=chain).set(1 if status.shortage else 0)
            metrics.chain_halted.labels(chain=chain).set(1 if status.halt else 0)
            metrics.chain_dissents.labels(chain=chain).set(len(watcher.dissents))
        for chain_id, branch in self._bridge.branches.items():
            metrics.vault_strayed.labels(chain=str(chain_id)).set(1 if branch.strayed else 0)
            metrics.vault_ahead.labels(chain=str(chain_id)).set(len(branch.waiting))
        for chain_id, keeper in self._bridge.keepers.items():
            metrics.custody_proven.labels(chain=str(chain_id)).set(keeper.proven)
            metrics.custody_unproven.labels(chain=str(chain_id)).set(1 if keeper.last_fault else 0)
        for chain_id, pulse in self._bridge.pulses.items():
            metrics.chain_lag.labels(chain=str(chain_id)).set(trio.current_time() - pulse.moved)
        for chain_id, purse in self._purses.items():
            metrics.relayer_balance.labels(chain=str(chain_id)).set(purse.balance_wei / WEI)
            metrics.relayer_rounds.labels(chain=str(chain_id)).set(purse.rounds)
        for chain_id, light in self._bridge.lights.items():
            metrics.light_height.labels(chain=str(chain_id)).set(light.newest or 0)
            metrics.light_age.labels(chain=str(chain_id)).set(light.seconds_behind)
            metrics.light_stopped.labels(chain=str(chain_id)).set(1 if light.is_stopped else 0)
        self._measure_endpoints()
        for each in self._diversity():
            chain = str(each.chain_id)
            metrics.providers.labels(chain=chain).set(each.providers)
            metrics.providers_published.labels(chain=chain).set(each.published)
            for together, ppm in enumerate(each.reached_ppm, 1):
                metrics.providers_reach.labels(chain=chain, providers=str(together)).set(ppm / 1_000_000)
        conflicts = self._conflicts()
        metrics.conflicts.set(len(conflicts))
        metrics.conflicts_unfrozen.set(
            sum(not answer.is_frozen for conflict in conflicts for answer in conflict.vaults)
        )
        if (collection := self._collection()) is not None:
            metrics.header_signers.set(collection.signed)
            metrics.header_certified.set(collection.certified_height)
            metrics.header_waiting.set(collection.waiting_seconds)
        services = self._services()
        metrics.services_down.set(sum(service.is_waiting(trio.current_time()) for service in services))
        self._raise("failures", metrics.service_failures, {(each.name,): each.failures for each in services})
        self._count_traffic()
        return metrics.render()

    def measure_sources(self) -> None:
        """Every source of every feed, as last read."""
        if self._prices is None:
            return
        metrics = self._metrics
        for standing in self._prices.standings:
            feed = standing.config.name
            metrics.oracle_usable.labels(feed).set(standing.judgement.usable)
            metrics.oracle_needed.labels(feed).set(standing.config.quorum)
            for verdict in standing.judgement.verdicts:
                metrics.oracle_source_usable.labels(feed, verdict.name).set(1 if verdict.flaw is None else 0)
                if verdict.price_e18 is not None:
                    metrics.oracle_source_age.labels(feed, verdict.name).set(verdict.age_ms / 1000)
            for cell in self._prices.cells[feed]:
                for code, count in cell.faults.items():
                    which = (feed, cell.config.name, code.label)
                    self._raise("source", metrics.oracle_source_faults, {which: count})

    def measure_surfaces(self, now_ms: int) -> None:
        """Every surface and its sources, as last read."""
        metrics = self._metrics
        for standing in self._surfaces():
            name, report = standing.config.name, standing.report
            if report is not None:
                metrics.surface_age.labels(name).set((now_ms - report.time_ms) / 1000)
                metrics.surface_expiries.labels(name).set(len(report.expiries))
                metrics.surface_error.labels(name).set(standing.error_ppm / 1_000_000)
                metrics.surface_fit.labels(name).set(standing.fit_ms / 1000)
            for verdict in standing.verdicts:
                used = verdict.chain.used if verdict.chain is not None else 0
                metrics.surface_source_usable.labels(name, verdict.name).set(1 if verdict.flaw is None else 0)
                metrics.surface_source_quotes.labels(name, verdict.name).set(used)
        for cell in self._option_cells:
            for code, count in cell.faults.items():
                which = (cell.config.surface, cell.config.name, code.label)
                self._raise("option source", metrics.surface_source_faults, {which: count})

    def _measure_endpoints(self) -> None:
        for chain_id, watcher in self._bridge.watchers.items():
            dissenting = {dissent.endpoint for dissent in watcher.dissents}
            self._measure_each(str(chain_id), watcher.endpoints, dissenting)
        for chain_id, light in self._bridge.lights.items():
            self._measure_each(str(chain_id), light.health, set())

    def _measure_each(self, chain: str, endpoints: Sequence[EndpointHealth], dissenting: set[str]) -> None:
        metrics = self._metrics
        for endpoint, lag in zip(endpoints, lags(endpoints), strict=True):
            which = (chain, endpoint.name)
            metrics.endpoint_height.labels(*which).set(endpoint.final_number)
            metrics.endpoint_lag.labels(*which).set(lag)
            metrics.endpoint_dissents.labels(*which).set(1 if endpoint.name in dissenting else 0)
            self._raise("answers", metrics.endpoint_answers, {which: endpoint.answers})
            self._raise("seconds", metrics.endpoint_seconds, {which: endpoint.answer_seconds})
            for kind, count in endpoint.faults.items():
                self._raise("faults", metrics.endpoint_faults, {(*which, kind): count})

    def _count_traffic(self) -> None:
        metrics = self._metrics
        peers = self._network.stats.peers.values()
        self._raise("sent", metrics.bytes_sent, _sums(peer.bytes_out for peer in peers))
        self._raise("received", metrics.bytes_received, _sums(peer.bytes_in for peer in peers))
        self._raise("dropped", metrics.messages_dropped, _sums(peer.dropped_out for peer in peers))
        self._raise("failed", metrics.failed_txs, _sums((self._transactions.refused,)))

    def _raise(self, name: str, counter: Any, values: Mapping[tuple[str, ...], float]) -> None:
        """Bring a counter up to what a service has counted itself, by labels."""
        for labels, value in values.items():
            before = self._counted.get((name, labels), 0)
            counter.labels(*labels).inc(value - before)
            self._counted[name, labels] = value


def _sums(counters: Any) -> dict[tuple[str, ...], float]:
    """Counters with one label, added up."""
    total: dict[tuple[str, ...], float] = {}
    for counter in counters:
        for label, value in counter.items():
            total[label,] = total.get((label,), 0) + value
    return total


def show_upgrade(metrics: Metrics, standing: UpgradeStanding) -> None:
    """Where the network and this release are."""
    metrics.protocol_version.set(standing.record.version)
    metrics.protocol_release.set(standing.release.newest)
    metrics.upgrade_height.set(standing.record.next_height)
    metrics.upgrade_needed.set(standing.missing or 0)
