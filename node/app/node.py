"""The composition root: the only place that knows all parts of a node.

Rule: services are constructed here, handed what they need, and subscribed after all are constructed. Starting order:
1. restore; 2. consensus log; 3. network; 4. everything that talks. Cancelling the nursery stops them all.
"""

import shutil
from collections.abc import Sequence
from functools import partial
from typing import Any

import structlog
import trio

from clearing.accounts.signatories import Signatory, signing_addresses
from clearing.base.errors import Rejected, RemoteFault
from clearing.governance.proposals import AdmittedRequest, check_admission
from clearing.governance.vault_detachment import genesis_without_detached
from clearing.schema.blocks.block import VoteExtension
from clearing.schema.blocks.deposit_batch import write_facts
from clearing.schema.terms.genesis import Genesis, network_id
from clearing.state.asset_halts import halted_assets
from clearing.state.state import State
from consensus.application import Misbehaviour
from consensus.blocks.store import load_committed, load_set
from consensus.evidence.attack import LightClientAttack
from consensus.outputs import Decided
from consensus.signing import CurveVerifier
from member.statements.saved_days import SavedDays, save_days
from member.vaults.conflict import conflict_of
from node.agreement.application import ClearingApplication, DecidedHeight, state_salt
from node.agreement.decided_transactions import DecidedTransactions
from node.agreement.engine import ConsensusGenesis, Engine, Hooks
from node.agreement.position_check import PositionWatch, valid_positions
from node.agreement.upgrade_watch import UpgradeWatch, refuse_release
from node.agreement.validator_addresses import AddressWatch, own_record, valid_address
from node.agreement.validator_membership import Membership
from node.api.view import NodeView
from node.app.chain_services import ChainServices
from node.app.clock import clock_ms
from node.app.epoch_services import EpochServices
from node.app.key_rotation import key_rotation
from node.app.price_services import PriceServices
from node.app.service_settings import pool_limits, replica_config, tune_gc
from node.chains.attestation_pool import AttestationPool
from node.chains.custody_evidence import CustodyEvidence
from node.config import NodeConfig
from node.epochs.packages import PackageService
from node.http.server import build_api, serve_api
from node.ops.health import HealthMonitor
from node.ops.height_lines import HeightLines
from node.ops.meters import Meters
from node.ops.metrics import Metrics, PeerCollector, SignerCollector
from node.ops.stream_collector import StreamCollector
from node.ops.stream_counts import StreamCounts
from node.p2p.config import network_config
from node.p2p.libp2p.host import check_port_free
from node.p2p.libp2p.network import LibP2PNetwork
from node.p2p.network import Topic
from node.pool.block_budget import BlockBudget, BudgetedPool, payload_work
from node.pool.fates import Fates, NotedBlock
from node.pool.journal import PoolJournal
from node.pool.mempool import Mempool
from node.pool.transaction_service import TransactionService, valid_batch_size
from node.signer.node_keys import NodeKeys, NodeSigner
from node.signer.remote import RemoteSigner
from node.store.blocks import StoredBlocks
from node.store.fate_table import FateTable
from node.store.pruning import Pruner
from node.store.store import Store
from node.store.wal import WalFile
from node.supervision import Service, Supervisor
from node.sync.restore import Restored, position_of, restore
from node.sync.snapshots import SnapshotService
from proofs.epoch.pool import EpochProver

HEIGHTS_PER_NEWS = 2
"""A price or fact is carried by the votes of one height, and acted on in the next."""

CURRENT_MS = 30_000
"""A height decided within this of the own clock is current, not an old one replayed by a peer."""

NOTHING_OBSERVED = VoteExtension(prices=(), facts=write_facts(()))
"""Said where the own prices and facts cannot be read: the vote itself must not fail."""

log = structlog.get_logger(__name__)


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
        fates: FateTable,
    ) -> None:
        """Construct, then subscribe, then execute the blocks above the saved state. Raises LocalFault, Bug."""
        self._config, self._genesis, self._keys, self._store, self._signer = config, genesis, keys, store, signer
        self._blocks, self._network_id = StoredBlocks(store), network_id(genesis)
        self._heights_wanted = HEIGHTS_PER_NEWS
        self._supervisor = Supervisor()
        limits = config.mempool
        self._fates = Fates(fates, clock_ms, limits.fates_days, limits.fates_max)
        restored = restore(genesis, state_salt(keys.network_seed), store, self._blocks)
        self._construct_state_machine(restored, prover)
        self._construct_network(restored, journal)
        self._construct_status()
        self._subscribe()
        self._engine.restore()
        refuse_release(self._application.state)
        # Only now: positions of heights that a restart executes are not gossiped.
        self._application.listen(lambda decided: self._positions.decided(decided, self._network))
        if config.proofs.enabled:
            self._packages.resume()
        log.info("restored", saved=restored.height, height=self._application.height)
        self._upgrades.announce()
        if not self._membership.is_validator:
            log.warning("not in the validator set: this node follows and signs nothing", key=signer.envelope_key.hex())

    def _construct_state_machine(self, restored: Restored, prover: EpochProver) -> None:
        """The application, with the sources of its blocks and what it leaves on disk."""
        config, own_key = self._config, self._signer.envelope_key
        self._membership = Membership(own_key, restored.state)
        self._facts = AttestationPool(own_key)
        self._prices = PriceServices(config)
        self._pool = Mempool(
            self._network_id, self._keys_of, pool_limits(config), self._judge_change, self._fates.expired
        )
        self._budget = BlockBudget(config.consensus.block_bytes_max, config.consensus.propose_ms)
        self._further_bytes = 0
        """Of the last block's bundles, for the budget."""
        self._epochs = EpochServices(
            config,
            self._genesis,
            self._network_id,
            self._keys,
            own_key,
            self._store,
            prover,
            restored,
            self._supervisor.guarded("saved-statements", self._statement_record, None),
        )
        self._application = ClearingApplication(
            self._genesis,
            restored.state,
            BudgetedPool(self._pool, self._budget),
            self._epochs.epochs,
            self._observe,
            restored.height,
            self._budget,
        )
        self._chains = ChainServices(
            config, self._keys, self._network_id, self._blocks, self._application, self._membership, self._facts
        )
        self._rotation = key_rotation(config, self._keys, self._signer, self._membership, self._chains.signatures)
        bridge = self._chains.bridge
        self._packages = PackageService(
            self._epochs.epochs,
            self._store,
            config.home,
            config.path(config.proofs.folder),
            partial(load_set, self._blocks),
            self._network_id,
            self._blocks,
            clock_ms,
            CustodyEvidence(bridge.evidence, bridge.keepers).of,
        )

    def _construct_network(self, restored: Restored, journal: PoolJournal) -> None:
        """Peers, and the services that talk to them: transactions, positions, snapshots, consensus."""
        config, network = self._config, self._network_id
        self._network = LibP2PNetwork(network_config(config, network, self._keys))
        self._positions = PositionWatch()
        self._addresses = AddressWatch(
            own_record(config.p2p.announce, clock_ms()), self._membership, self._network.learn
        )
        self._transactions = TransactionService(
            self._pool,
            network,
            self._keys.envelope,
            lambda: self._membership.keys,
            clock_ms,
            self._changed,
            journal,
            restored.height > 0,
            self._fates,
        )
        self._executed_before = restored.height
        self._snapshots = SnapshotService(
            network,
            self._store,
            config.path("snapshots"),
            self._signer,
            CurveVerifier(),
            self._network,
            self._on_peer_fault,
        )
        self._engine = Engine(
            ConsensusGenesis(network, self._genesis.time_ms),
            position_of(restored),
            self._application,
            self._blocks,
            self._signer,
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

    def _construct_status(self) -> None:
        """What operators and members see: health, metrics, and the view behind the API."""
        config = self._config
        self._upgrades = UpgradeWatch(self._application.state, self._store, lambda: self._engine.peers_height)
        remote = self._signer if isinstance(self._signer, RemoteSigner) else None
        self._health = HealthMonitor(
            self._network,
            None if config.oracle.source == "none" else self._prices.oracle,
            self._chains.bridge,
            genesis_without_detached(self._application.state),
            self._membership,
            config.consensus.heartbeat_ms,
            clock_ms,
            (lambda: remote.connected) if remote is not None else None,
            self._chains.providers.diversity,
            self._chains.conflicts.standings,
            lambda: self._upgrades.standing,
            self._chains.signatures.collection,
            self._supervisor.checks,
            self._packages if config.proofs.enabled else None,
            self._chains.relayer.purses,
            self._free_bytes,
            self._prices.feed_standings,
            lambda: self._prices.surfaces.standings,
        )
        self._stream_counts = StreamCounts()
        collectors = PeerCollector(self._network), SignerCollector(remote), StreamCollector(self._stream_counts)
        self._meters = Meters(
            Metrics(*collectors),
            self._network,
            self._prices.oracle,
            self._chains.bridge,
            self._packages,
            self._pool,
            self._transactions,
            self._membership,
            clock_ms,
            self._chains.providers.diversity,
            self._chains.conflicts.standings,
            lambda: self._upgrades.standing,
            self._chains.signatures.collection,
            lambda: self._supervisor.standings,
            self._chains.relayer.purses,
            self._free_bytes,
            self._prices.sources,
            lambda: self._prices.surfaces.standings,
            self._prices.option_cells,
        )
        self._lines = HeightLines(lambda: len(self._network.peers), lambda: self._engine.peers_height)
        committed = load_committed(self._blocks, self._application.height)
        self._view = NodeView(
            application=self._application,
            store=self._store,
            home=config.home,
            newest=committed.block.header if committed is not None else None,
            submit=self._transactions.submit,
            journaled=self._transactions.journaled,
            look_for_event=self._chains.bridge.look_for,
            submission_status=self._chains.bridge.submission_status,
            submit_attack=self._submit_attack,
            checks=self._health.checks,
            render_metrics=self._meters.render,
            peers=self._network.status,
            holdings=self._epochs.holdings,
            exits=self._epochs.exits,
            find_fate=self._fates.find,
            is_waiting=self._pool.holds,
            fates_complete=lambda: self._fates.complete,
            ticks_per_unit={feed.feed: feed.ticks_per_unit for feed in config.oracle.feeds},
            feeds=self._prices.feed_standings,
            proving=self._packages.proving,
            resumed=self._epochs.statements.at(self._application.state),
        )

    def _subscribe(self) -> None:
        """Listeners of every height that is executed, also by a restart; the membership comes first. Onlookers are
        guarded: their failure must not end a height that others have decided."""
        guarded = self._supervisor.guarded
        self._signer.listed_key = self._membership.listed_key
        self._network.admit(self._membership.keys)
        for listener in (
            self._membership.decided,
            self._on_committed,
            self._upgrades.decided,
            lambda _: self._network.admit(self._membership.keys),
            guarded("readiness", lambda decided: self._health.follow(genesis_without_detached(decided.state)), None),
            guarded("halts", lambda decided: self._health.show_halts(halted_assets(decided.state)), None),
            guarded("metrics", self._meters.committed, None),
            guarded("lines", self._lines.committed, None),
            guarded("statements", self._view.decided, None),
            self._epochs.persister.decided,
        ):
            self._application.listen(listener)

    @property
    def working_at(self) -> tuple[int, int, str]:
        """Height, round and step that consensus works on."""
        return self._engine.running

    async def run(self, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled; started once the API serves. Raises Bug, and LocalFault PORT_TAKEN before anything is
        signed."""
        if self._config.api.enabled:
            check_port_free(self._config.api.host, self._config.api.port)
        # Subscribed before the network runs: nothing that it brings is lost.
        services = self._services()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._epochs.persister.run)
            await nursery.start(self._network.run)
            log.info("offered again", transactions=self._transactions.resume())
            for name, service in services.items():
                nursery.start_soon(self._supervisor.keep, name, service)
            await nursery.start(self._engine.run)
            if self._config.relayer.enabled:
                nursery.start_soon(
                    self._supervisor.keep, "relayers", partial(self._chains.relayer.run, self._supervisor.keep)
                )
            if self._config.api.enabled:
                counted = self._meters.api_answered
                api = build_api(self._view, self._config.api, clock_ms, counted, self._stream_counts)
                await nursery.start(
                    self._supervisor.keep_started, "api", partial(serve_api, api, self._config.api, self._config.home)
                )
            tune_gc()
            log.info("running", p2p_port=self._network.port, api_port=self._config.api.port)
            task_status.started()

    def _services(self) -> dict[str, Service]:
        """What runs beside consensus, by name. None of it ends the node when it fails."""
        network, subscribe, keep = self._network, self._network.subscribe, self._supervisor.keep
        services: dict[str, Service] = {
            "snapshots": self._snapshots.run,
            "transactions": partial(self._transactions.listen, subscribe(Topic.TRADES, valid_batch_size)),
            "fates": partial(self._fates.run, DecidedTransactions(self._store), self._executed_before),
            "batches": partial(self._transactions.run, network, self._config.mempool.batch_ms),
            "positions": partial(self._positions.listen, subscribe(Topic.POSITIONS, valid_positions)),
            "address-news": partial(self._addresses.listen, subscribe(Topic.ADDRESSES, valid_address)),
            "addresses": partial(self._addresses.run, network),
            "keys": self._rotation.run,
            "pruning": Pruner(
                self._store,
                self._config.home,
                self._config.storage.blocks_kept,
                self._config.storage.packages_kept,
                self._needed_from,
            ).run,
            **self._prices.services(network, self._changed, keep),
            **self._chains.services(network, self._changed, keep),
        }
        if self._config.proofs.enabled:
            services["packages"] = self._packages.run
        return services

    def _statement_record(self, decided: DecidedHeight) -> SavedDays | None:
        """The statements after a height, beside the state that is saved there; None where they were not added up."""
        days = self._view.statements
        return save_days(days, decided.state.now.epoch) if days.height == decided.header.height else None

    def _free_bytes(self) -> int:
        """Room on the disk of the home."""
        return shutil.disk_usage(self._config.home).free

    def _needed_from(self) -> int:
        """The lowest height whose block is needed: by a proof that waits, or by vaults that wait for a set."""
        change = self._application.state.set_changes.get(0)
        return min(self._packages.needed_from, self._application.height if change is None else change.height)

    def log_end(self) -> None:
        """Log what was measured, when everything has stopped."""
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

    def _submit_attack(self, attack: LightClientAttack) -> Sequence[Misbehaviour]:
        """To the vaults, too, whomever it accuses. Raises as the engine does."""
        self._chains.learn_conflict(conflict_of(attack))
        return self._engine.submit_attack(attack)

    def _observe(self, state: State) -> VoteExtension:
        return self._supervisor.guarded("vote-extension", self._extension, NOTHING_OBSERVED)(state)

    def _extension(self, state: State) -> VoteExtension:
        return self._prices.extension(state, self._facts)

    def _keys_of(self, who: Signatory) -> tuple[bytes, ...]:
        return signing_addresses(self._application.state, who)

    def _judge_change(self, ruling: AdmittedRequest) -> Rejected | None:
        return check_admission(self._application.state, ruling)

    def _changed(self) -> None:
        self._heights_wanted = HEIGHTS_PER_NEWS
        self._engine.notify_work()

    def _has_work(self) -> bool:
        return self._heights_wanted > 0 or len(self._pool) > 0

    def _on_committed(self, decided: DecidedHeight) -> None:
        self._heights_wanted = max(0, self._heights_wanted - 1)
        self._epochs.epochs.decided(decided.header)
        self._further_bytes = payload_work(0, decided.block.transactions)
        hashes = self._transactions.decided(decided.block.transactions, decided.block.time_ms)
        height, time_ms = decided.header.height, decided.block.time_ms
        self._fates.decided(NotedBlock(height, time_ms, hashes, decided.result.receipts))
        self._supervisor.guarded("chain-records", self._chains.follow, None)(decided.state)

    def _on_peer_fault(self, peer: bytes, fault: RemoteFault) -> None:
        log.warning("consensus message refused", peer=peer.hex(), fault=str(fault))

    def _on_decided(self, decided: Decided) -> None:
        self._budget.decided(len(decided.committed.block.payload) + self._further_bytes, decided.rounds)
        guarded = self._supervisor.guarded
        if self._config.proofs.enabled:
            guarded("epochs-to-prove", self._packages.decided, None)(decided)
        self._health.decided()
        if not decided.fetched and abs(clock_ms() - decided.committed.block.header.time_ms) < CURRENT_MS:
            self._network.note_current()
        guarded("height-metrics", self._meters.decided, None)(decided)
        guarded("height-lines", self._lines.decided, None)(decided)
        guarded("newest-header", self._chains.relayer.decided, None)(decided)
        guarded("header-signing", self._chains.signatures.decided, None)(decided.committed.block.header)
