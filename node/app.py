"""The composition root: the only place that knows all parts of a node.

Rule: parts are made here and handed what they need; nothing else constructs a service. Starting order is restore,
then log, then network, then everything that talks; stopping is the nursery's end. A `Bug` leaves with exit code 70
and nothing is signed after it.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import structlog
import trio

from clearing.accounts.signatories import Signatory, keys_of
from clearing.base.errors import CrossclearError, LocalFault, Rejected, RemoteFault
from clearing.extension import VoteExtension
from clearing.genesis import Genesis, check_genesis, genesis_from_json, network_id
from clearing.state.state import State
from clearing.validators.changes import judge_change
from clearing.validators.requests import ValidatorChange
from consensus.outputs import Decided as DecidedHeight
from consensus.signing import CurveVerifier
from consensus.store import load_committed, load_set
from node.api.server import build_api, serve_api
from node.application import ClearingApplication, Decided
from node.block_budget import BlockBudget, BudgetedPool
from node.bridge_service import BridgeService, valid_collateral
from node.codes import NodeCode
from node.config import NodeConfig
from node.consensus.engine import Engine, Hooks
from node.consensus.engine import Genesis as ChainStart
from node.consensus.sign_state import SignStateFile
from node.consensus.wal import WalFile
from node.crash import Standing, bugs_in, write_crash
from node.epochs import AccountSeeds, EpochService
from node.fact_pool import FactPool
from node.health import Health
from node.heap import settle_heap
from node.joining import begin_from_peers
from node.keys.ring import NodeKeys, open_node_keys
from node.logs import configure_logs
from node.membership import Membership, newest_set
from node.mempool import Mempool
from node.meters import Meters
from node.metrics import Metrics
from node.oracle.service import OracleService, valid_gossip
from node.p2p.host import check_port_free
from node.p2p.libp2p_network import LibP2PNetwork
from node.p2p.network import Topic
from node.packages import PackageService
from node.peer_metrics import PeerCollector
from node.pool_journal import PoolJournal
from node.positions import PositionWatch, valid_positions
from node.provers import NodeProver
from node.recorder import Recorder
from node.relayer_service import RelayerService
from node.replay import state_salt
from node.restore import position_of, restore
from node.service_settings import (
    config_of_chains,
    network_config,
    pool_limits,
    price_source,
    replica_config,
)
from node.signer.choose import NodeSigner, node_signer
from node.signer.metrics import SignerCollector
from node.signer.remote import RemoteSigner
from node.snapshots import SnapshotService
from node.store.blocks import StoredBlocks
from node.store.store import Store
from node.transaction_service import TransactionService, valid_batch_size
from node.view import LiveView
from proofs.prover_pool import EpochProver

HEIGHTS_PER_NEWS = 2
"""A price or fact rides on the votes of one height, and is acted on in the next."""

CURRENT_MS = 30_000
"""A height that was decided here within so much of the own clock is not an old one that somebody shows us again."""

_STOPPED = (0, -1, "STOPPED")

log = structlog.get_logger(__name__)


def run(config: NodeConfig, *, until_stdin_closes: bool = False) -> int:
    """Run a validator until SIGTERM or SIGINT, or the end of standard input if asked to; 0 after a clean stop.

    Raises LocalFault, or Bug.
    """
    try:
        configure_logs(config.logging, node=config.node.name)
    except OSError as error:
        raise LocalFault(NodeCode.LOG_UNUSABLE, "logging.file", why=str(error)) from None
    trio.run(_run, config, until_stdin_closes)
    return 0


async def _run(config: NodeConfig, until_stdin_closes: bool) -> None:
    if config.state_sync.enabled and not await _begin(config, until_stdin_closes):
        return
    with open_node(config) as node:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_on_signal, nursery.cancel_scope)
            if until_stdin_closes:
                nursery.start_soon(_stop_without_owner, nursery.cancel_scope)
            await node.run()
            nursery.cancel_scope.cancel()
        node.tell_end()


async def _begin(config: NodeConfig, until_stdin_closes: bool) -> bool:
    """Fetch a state from peers if the home has no blocks; False when it was told to stop meanwhile."""
    genesis = read_genesis(config.path(config.node.genesis))
    refuse_lost_sign_state(config, genesis)
    begun = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_stop_on_signal, nursery.cancel_scope)
        if until_stdin_closes:
            nursery.start_soon(_stop_without_owner, nursery.cancel_scope)
        await begin_from_peers(config, genesis, lambda: _keys_of(config), clock_ms)
        begun = True
        nursery.cancel_scope.cancel()
    return begun


def _keys_of(config: NodeConfig) -> NodeKeys:
    return open_node_keys(
        config.home,
        config.path(config.node.password_file),
        allow_weak=config.node.devnet,
        signs=not config.signer.address,
    )


async def _stop_on_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            log.info("stopping", signal=signal.Signals(number).name)
            scope.cancel()
            return


async def _stop_without_owner(scope: trio.CancelScope) -> None:
    while True:
        await trio.lowlevel.wait_readable(sys.stdin.fileno())
        if not os.read(sys.stdin.fileno(), 4096):
            log.info("stopping", signal="standard input closed")
            scope.cancel()
            return


@contextmanager
def open_node(config: NodeConfig) -> Iterator["Node"]:
    """Open everything that lies on disk, in order, and close it in reverse."""
    genesis = read_genesis(config.path(config.node.genesis))
    keys = _keys_of(config)
    refuse_lost_sign_state(config, genesis)
    with ExitStack() as stack:
        # The lock first: a second process of the same home must touch nothing.
        # Not synced: the log beside it is, and holds every step before it is sent.
        guard = SignStateFile(config.path("sign-state"), sync=False)
        stack.callback(guard.close)
        store = stack.enter_context(Store(config.path("node.sqlite"), network_id(genesis)))
        prover = NodeProver(config.proofs.workers)
        stack.callback(prover.close)
        journal = PoolJournal(config.path("pool.journal"))
        stack.callback(journal.close)
        running = _STOPPED
        try:
            in_force = newest_set(genesis, StoredBlocks(store))
            signer = stack.enter_context(node_signer(config, network_id(genesis), in_force, keys, guard))
            node = Node(config, genesis, keys, store, prover, signer, journal)
            try:
                yield node
            finally:
                running = node.working_at
        except BaseException as error:
            _dump(config, error, store, guard, running)
            raise


def _dump(
    config: NodeConfig, error: BaseException, store: Store, guard: SignStateFile, running: tuple[int, int, str]
) -> None:
    if next(bugs_in(error), None) is None:
        return
    height, committed = 0, None
    try:
        height = store.height()
        committed = load_committed(StoredBlocks(store), height)
    except CrossclearError as fault:
        log.error("store not readable for the dump", fault=str(fault))
    signed = (guard.last.height, guard.last.round, guard.last.step)
    standing = Standing(height, committed.block.header if committed else None, running, signed)
    path = write_crash(config.home, error, standing, clock_ms())
    log.critical("invariant broken: nothing is signed any more", height=height, dump=str(path))


def refuse_lost_sign_state(config: NodeConfig, genesis: Genesis) -> None:
    """A home that has blocks had a sign state, and a new one would forget what was signed.

    Raises LocalFault SIGN_STATE_MISSING.
    """
    database = config.path("node.sqlite")
    if config.path("sign-state").exists() or not database.exists():
        return
    with Store(database, network_id(genesis)) as store:
        if store.height() > 0:
            raise LocalFault(NodeCode.SIGN_STATE_MISSING, str(config.path("sign-state")), height=store.height())


def read_genesis(path: Path) -> Genesis:
    """Read and check genesis. Raises LocalFault CONFIG_MISSING, and what the checks raise."""
    if not path.is_file():
        raise LocalFault(NodeCode.CONFIG_MISSING, "node.genesis", path=str(path))
    genesis = genesis_from_json(path.read_bytes())
    check_genesis(genesis)
    return genesis


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
        self._membership = Membership(own_key, restored.state)
        signer.listed_key = self._membership.listed_key

        self._facts = FactPool(own_key)
        self._oracle = OracleService(price_source(config), clock_ms, config.oracle.interval_ms)
        self._bridge = BridgeService(genesis, config_of_chains(config), config.path("bridge"), self._facts)
        self._pool = Mempool(network, self._keys_of, pool_limits(config), self._judge_change)
        self._epochs = EpochService(
            prover,
            AccountSeeds(keys.network_seed),
            genesis.market.snapshot_delay_blocks,
            own_key,
            restored.epochs,
        )
        self._recorder = Recorder(store, self._epochs)
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
            genesis,
            self._membership,
            config.consensus.heartbeat_ms,
            clock_ms,
            (lambda: signer.connected) if isinstance(signer, RemoteSigner) else None,
        )
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
            genesis, config_of_chains(config), keys.relayer, self._application, blocks, config.relayer.interval_ms
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

    def _judge_change(self, change: ValidatorChange) -> Rejected | None:
        judged = judge_change(self._application.state, change)
        return judged if isinstance(judged, Rejected) else None

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
