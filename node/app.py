"""The composition root: the only place that knows all parts of a node.

Rule: parts are made here and handed what they need; nothing else constructs a service. Starting order is restore,
then log, then network, then everything that talks; stopping is the nursery's end.
"""

import time

import structlog
import trio

from clearing.accounts.signatories import Signatory, keys_of
from clearing.base.errors import Rejected, RemoteFault
from clearing.extension import VoteExtension
from clearing.genesis import Genesis, network_id
from clearing.governance.admission import Ruling, judge_ruling
from clearing.governance.vaults import without_struck
from clearing.state.state import State
from consensus.blocks.store import load_committed, load_set
from consensus.outputs import Decided as DecidedHeight
from consensus.signing import CurveVerifier
from node.api.server import build_api, serve_api
from node.application import ClearingApplication, Decided
from node.bridge_service import BridgeService, valid_collateral
from node.config import NodeConfig
from node.consensus.engine import Engine, Hooks
from node.consensus.engine import Genesis as ChainStart
from node.consensus.wal import WalFile
from node.epochs.custody_evidence import CustodyEvidence
from node.epochs.own_exits import EpochExits
from node.epochs.own_holdings import EpochHoldings
from node.epochs.packages import PackageService
from node.epochs.service import AccountSeeds, EpochService
from node.fact_pool import FactPool
from node.heap import settle_heap
from node.keys.ring import NodeKeys
from node.membership import Membership
from node.oracle.service import OracleService, valid_gossip
from node.p2p.host import check_port_free
from node.p2p.libp2p_network import LibP2PNetwork
from node.p2p.network import Topic
from node.pool.block_budget import BlockBudget, BudgetedPool
from node.pool.journal import PoolJournal
from node.pool.mempool import Mempool
from node.pool.transaction_service import TransactionService, valid_batch_size
from node.positions import PositionWatch, valid_positions
from node.recorder import Recorder
from node.relayer_service import RelayerService
from node.replay import state_salt
from node.service_settings import (
    config_of_chains,
    network_config,
    pool_limits,
    price_source,
    replica_config,
)
from node.signer.choose import NodeSigner
from node.signer.metrics import SignerCollector
from node.signer.remote import RemoteSigner
from node.store.blocks import StoredBlocks
from node.store.store import Store
from node.sync.restore import position_of, restore
from node.sync.snapshots import SnapshotService
from node.telemetry.health import Health
from node.telemetry.meters import Meters
from node.telemetry.metrics import Metrics
from node.telemetry.peer_metrics import PeerCollector
from node.views.view import LiveView
from proofs.prover_pool import EpochProver

HEIGHTS_PER_NEWS = 2
"""A price or fact rides on the votes of one height, and is acted on in the next."""

CURRENT_MS = 30_000
"""A height that was decided here within so much of the own clock is not an old one that somebody shows us again."""

log = structlog.get_logger(__name__)


def clock_ms() -> int:
    """The wall clock; only ever told to others, never believed by the state machine."""
    return time.time_ns() // 1_000_000


class Node:
    """One validator with all of its services, standing at its last decided height."""

    def __init__(
        self,
        config: NodeConfig,
        genesis: Genesis,
        keys: NodeKeys,
        store: Store,
        prover: EpochProver,
        signer: NodeSigner,
        journal: PoolJournal,
    ) -> None:
        self._config = config
        self._heights_wanted = HEIGHTS_PER_NEWS
        network, blocks, own_key = network_id(genesis), StoredBlocks(store), signer.envelope_key
        restored = restore(genesis, state_salt(keys.network_seed), store, blocks)
        # What chains and tokens there are by now.
        self._terms, amended = restored.state.terms, without_struck(restored.state)
        self._membership = Membership(own_key, restored.state)
        signer.listed_key = self._membership.listed_key

        self._facts = FactPool(own_key)
        self._oracle = OracleService(price_source(config), clock_ms, config.oracle.interval_ms)
        self._bridge = BridgeService(amended, config_of_chains(config), config.path("bridge"), self._facts)
        self._pool = Mempool(network, self._keys_of, pool_limits(config), self._judge_change)
        self._epochs = EpochService(
            prover,
            AccountSeeds(keys.network_seed),
            genesis.market.snapshot_delay_blocks,
            own_key,
            restored.epochs,
        )
        holdings = EpochHoldings(config.path("holdings"), self._epochs.seed_of)
        exits = EpochExits(config.path("exits"))
        self._recorder = Recorder(store, self._epochs, holdings=holdings, exits=exits)
        self._recorder.restored(restored.height, restored.state)
        self._positions = PositionWatch()
        self._budget = BlockBudget(config.consensus.block_bytes_max, config.consensus.propose_ms)
        self._application = ClearingApplication(
            genesis,
            restored.state,
            BudgetedPool(self._pool, self._budget),
            self._epochs,
            self._observe,
            restored.height,
            self._budget,
        )
        self._packages = PackageService(
            self._epochs,
            store,
            config.home,
            config.path(config.proofs.folder),
            lambda validators_hash: load_set(blocks, validators_hash),
            network,
            CustodyEvidence(self._bridge.evidence, self._bridge.keepers).of,
        )
        for listener in (self._membership.decided, self._on_committed, self._recorder.decided):
            self._application.listen(listener)

        self._network = LibP2PNetwork(network_config(config, network, keys))
        self._transactions = TransactionService(
            self._pool,
            network,
            keys.envelope,
            lambda: self._membership.keys,
            clock_ms,
            self._changed,
            journal,
            restored.height > 0,
        )
        self._snapshots = SnapshotService(
            network, store, config.path("snapshots"), signer, CurveVerifier(), self._network, self._on_peer_fault
        )
        self._engine = Engine(
            ChainStart(network, genesis.time_ms),
            position_of(restored),
            self._application,
            blocks,
            signer,
            WalFile(config.path(config.consensus.wal)),
            self._network,
            replica_config(config),
            Hooks(
                on_decided=self._on_decided,
                on_peer_fault=self._on_peer_fault,
                has_work=self._has_work,
                on_sync=self._snapshots.take,
            ),
        )
        # Heights that a restart executed were told to the listener before the network ran.
        self._application.listen(lambda decided: self._positions.decided(decided, self._network))
        self._network.admit(self._membership.keys)
        self._application.listen(lambda _: self._network.admit(self._membership.keys))
        self._health = Health(
            self._network,
            None if config.oracle.source == "none" else self._oracle,
            self._bridge,
            without_struck(self._application.state),
            self._membership,
            config.consensus.heartbeat_ms,
            clock_ms,
            (lambda: signer.connected) if isinstance(signer, RemoteSigner) else None,
        )
        self._application.listen(lambda decided: self._health.follow(without_struck(decided.state)))
        self._meters = Meters(
            Metrics(
                PeerCollector(self._network), SignerCollector(signer if isinstance(signer, RemoteSigner) else None)
            ),
            self._network,
            self._oracle,
            self._bridge,
            self._packages,
            self._pool,
            self._transactions,
            self._membership,
            clock_ms,
        )
        self._application.listen(self._meters.committed)
        self._relayer = RelayerService(
            amended, config_of_chains(config), keys.relayer, self._application, blocks, config.relayer.interval_ms
        )
        self._view = LiveView(
            genesis,
            self._application,
            store,
            blocks,
            config.home,
            submit=self._transactions.submit,
            kept=self._transactions.kept,
            look_for_event=self._bridge.look_for,
            submit_attack=self._engine.submit_attack,
            checks=self._health.checks,
            render_metrics=self._meters.render,
            peers=self._network.status,
            holdings=holdings,
            exits=exits,
        )
        committed = load_committed(blocks, self._application.height)
        if committed is not None:
            self._view.decided(committed.block.header)
        if config.proofs.enabled:
            self._packages.resume(blocks)
        log.info("restored", saved=restored.height, height=self._application.height)
        if not self._membership.is_validator:
            log.warning("not in the validator set: this node follows and signs nothing", key=own_key.hex())

    @property
    def working_at(self) -> tuple[int, int, str]:
        """Height, round and step that consensus works on."""
        return self._engine.running

    async def run(self) -> None:
        """Run until cancelled. Raises Bug, and LocalFault PORT_TAKEN before anything is signed."""
        if self._config.api.enabled:
            check_port_free(self._config.api.host, self._config.api.port)
        network = self._network
        trades = network.subscribe(Topic.TRADES, valid_batch_size)
        positions = network.subscribe(Topic.POSITIONS, valid_positions)
        prices = network.subscribe(Topic.PRICES, valid_gossip)
        collateral = network.subscribe(Topic.COLLATERAL, valid_collateral)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._recorder.run)
            nursery.start_soon(self._snapshots.run)
            if self._config.proofs.enabled:
                nursery.start_soon(self._packages.run)
            await nursery.start(network.run)
            again = self._transactions.resume()
            log.info("offered again", transactions=again)
            nursery.start_soon(self._transactions.listen, trades)
            nursery.start_soon(self._positions.listen, positions)
            nursery.start_soon(self._oracle.listen, prices)
            nursery.start_soon(self._bridge.listen, collateral)
            nursery.start_soon(self._transactions.run, network, self._config.mempool.batch_ms)
            nursery.start_soon(self._oracle.run, network, self._changed)
            nursery.start_soon(self._bridge.run, network, self._changed)
            await nursery.start(self._engine.run)
            if self._config.relayer.enabled:
                nursery.start_soon(self._relayer.run)
            if self._config.api.enabled:
                api = build_api(self._view, self._config.api, clock_ms, self._meters.api_answered)
                await nursery.start(serve_api, api, self._config.api)
            settle_heap()
            log.info("running", p2p_port=network.port, api_port=self._config.api.port)

    def tell_end(self) -> None:
        """Say what was measured, when everything has stopped."""
        durations = sorted(self._engine.stats.durations_ms)
        log.info(
            "stopped",
            height=self._application.height,
            heights=self._engine.stats.heights,
            fetched=self._engine.stats.heights_fetched,
            rounds_beyond_first=self._engine.stats.rounds_beyond_first,
            latency_ms_p50=durations[len(durations) // 2] if durations else 0,
            latency_ms_p99=durations[len(durations) * 99 // 100] if durations else 0,
        )

    def _observe(self, state: State) -> VoteExtension:
        return VoteExtension(prices=self._oracle.reports, facts=self._facts.pending(state))

    def _keys_of(self, who: Signatory) -> tuple[bytes, ...]:
        return keys_of(self._application.state, who)

    def _judge_change(self, ruling: Ruling) -> Rejected | None:
        return judge_ruling(self._application.state, ruling)

    def _changed(self) -> None:
        self._heights_wanted = HEIGHTS_PER_NEWS
        self._engine.notify_work()

    def _has_work(self) -> bool:
        return self._heights_wanted > 0 or len(self._pool) > 0

    def _on_committed(self, decided: Decided) -> None:
        self._heights_wanted = max(0, self._heights_wanted - 1)
        self._epochs.decided(decided.header)
        self._transactions.decided(decided.block.transactions, decided.block.time_ms)
        self._bridge.settle(decided.state)
        if decided.state.terms is not self._terms:
            self._terms = decided.state.terms
            self._bridge.follow(without_struck(decided.state))

    def _on_peer_fault(self, peer: bytes, fault: RemoteFault) -> None:
        log.warning("consensus message refused", peer=peer.hex(), fault=str(fault))

    def _on_decided(self, decided: DecidedHeight) -> None:
        self._budget.decided(len(decided.committed.block.payload), decided.rounds)
        self._view.decided(decided.committed.block.header)
        if self._config.proofs.enabled:
            self._packages.decided(decided)
        self._health.decided()
        if not decided.fetched and abs(clock_ms() - decided.committed.block.header.time_ms) < CURRENT_MS:
            self._network.note_current()
        self._meters.decided(decided)
        self._relayer.decided(decided)
