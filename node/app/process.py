"""The process of one node: open its files, perhaps begin with a state from peers, run, and end.

Rule: a signal, or the end of standard input where that was asked for, stops it cleanly. A `Bug` ends it with exit code
70 and a dump, and nothing is signed after it. What a node consists of is in `node.app.node`.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import structlog
import trio

from clearing.base.errors import CrossclearError, LocalFault, bugs_in
from clearing.schema.terms.genesis import Genesis, network_id
from consensus.blocks.store import load_committed
from member.codes import NodeCode
from node.agreement.upgrade_watch import refuse_noted_release
from node.agreement.validator_membership import newest_set
from node.app.clock import clock_ms
from node.app.node import Node
from node.config import NodeConfig
from node.epochs.provers import NodeProver
from node.genesis_file import read_genesis
from node.http.server import serve_api
from node.http.waiting import build_waiting_api
from node.ops.crash import CrashPosition, write_crash
from node.ops.end_watch import EndWatch
from node.ops.logs import configure_logs
from node.ops.systemd import SystemdNotice
from node.pool.journal import PoolJournal
from node.signer.node_keys import NodeKeys, node_signer, open_node_keys
from node.signer.sign_state import SIGN_STATE, SignStateFile, has_sign_state
from node.store.blocks import StoredBlocks
from node.store.disk_faults import bug_behind, disk_fault
from node.store.fate_table import FateTable
from node.store.store import Store
from node.sync.joining import begin_from_peers
from node.sync.search import StateSearch
from proofs.epoch.pool import LocalProverPool

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
    try:
        with EndWatch() as watch:
            trio.run(_run, config, until_stdin_closes, watch)
    except BaseException as error:
        bug = bug_behind(error)
        if bug is not None and next(bugs_in(error), None) is None:
            raise bug from error  # closing the files failed after it
        fault = disk_fault(error, config.home)
        if fault is None:
            raise
        raise fault from error
    return 0


async def _run(config: NodeConfig, until_stdin_closes: bool, watch: EndWatch) -> None:
    if config.state_sync.enabled and not await _begin(config, until_stdin_closes, watch):
        return
    with open_node(config) as node:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_on_signal, nursery.cancel_scope, watch)
            if until_stdin_closes:
                nursery.start_soon(_stop_without_owner, nursery.cancel_scope, watch)
            await nursery.start(_run_node, node, nursery.cancel_scope)
            await SystemdNotice(os.environ, os.getpid()).run(lambda: f"at height {node.working_at[0]}")
        node.log_end()


async def _run_node(node: Node, scope: trio.CancelScope, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
    await node.run(task_status)
    scope.cancel()


async def _begin(config: NodeConfig, until_stdin_closes: bool, watch: EndWatch) -> bool:
    """Fetch a state from peers if the home has no blocks; False when it was stopped meanwhile."""
    genesis = read_genesis(config.path(config.node.genesis))
    refuse_lost_sign_state(config, genesis, recovers=True)
    begun = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_stop_on_signal, nursery.cancel_scope, watch)
        if until_stdin_closes:
            nursery.start_soon(_stop_without_owner, nursery.cancel_scope, watch)
        search = StateSearch()
        if config.api.enabled:
            nursery.start_soon(_serve_meanwhile, config, search)
        await begin_from_peers(config, genesis, lambda: _keys_of(config), clock_ms, search)
        begun = True
        nursery.cancel_scope.cancel()
    return begun


async def _serve_meanwhile(config: NodeConfig, search: StateSearch) -> None:
    """Say from the API's place why the node is not ready. A port in use is the whole API's to report, once it opens."""
    await search.begun.wait()
    try:
        await serve_api(build_waiting_api(search.checks), config.api, config.home)
    except OSError as error:
        log.warning("no API while a state is looked for", error=str(error))


def _keys_of(config: NodeConfig) -> NodeKeys:
    return open_node_keys(
        config.home,
        config.path(config.node.password_file),
        allow_weak=config.node.devnet,
        signs=not config.signer.address,
    )


async def _stop_on_signal(scope: trio.CancelScope, watch: EndWatch) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            log.info("stopping", signal=signal.Signals(number).name)
            watch.begin()
            scope.cancel()
            return


async def _stop_without_owner(scope: trio.CancelScope, watch: EndWatch) -> None:
    while True:
        await trio.lowlevel.wait_readable(sys.stdin.fileno())
        if not os.read(sys.stdin.fileno(), 4096):
            log.info("stopping", signal="standard input closed")
            watch.begin()
            scope.cancel()
            return


@contextmanager
def open_node(config: NodeConfig) -> Iterator[Node]:
    """Open everything that lies on disk, in order, and close it in reverse."""
    genesis = read_genesis(config.path(config.node.genesis))
    keys = _keys_of(config)
    refuse_lost_sign_state(config, genesis)
    with ExitStack() as stack:
        # The lock first: a second process of the same home must touch nothing.
        # Not synced: the log beside it is, and contains every step before it is sent.
        guard = SignStateFile(config.path(SIGN_STATE))
        stack.callback(guard.close)
        store = stack.enter_context(
            Store(config.path("node.sqlite"), network_id(genesis), config.storage.snapshots_kept)
        )
        refuse_noted_release(store)
        cluster = "" if config.proofs.prover == "local" else config.proofs.prover
        prover = NodeProver(config.proofs.workers, partial(LocalProverPool, cluster=cluster))
        stack.callback(prover.close)
        journal = PoolJournal(config.path("pool.journal"))
        stack.callback(journal.close)
        fates = stack.enter_context(FateTable(config.path("fates.sqlite"), network_id(genesis)))
        running = _STOPPED
        try:
            in_force = newest_set(genesis, StoredBlocks(store))
            signer = stack.enter_context(node_signer(config, network_id(genesis), in_force, keys, guard))
            node = Node(config, genesis, keys, store, prover, signer, journal, fates)
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
    standing = CrashPosition(height, committed.block.header if committed else None, running, signed)
    path = write_crash(config.home, error, standing, clock_ms())
    log.critical("invariant broken: nothing is signed any more", height=height, dump=str(path))


def refuse_lost_sign_state(config: NodeConfig, genesis: Genesis, *, recovers: bool = False) -> None:
    """Keys are made with a sign state: a new one would forget what was signed. Where a signer apart has it, only blocks
    tell that the lock was used. `recovers`: what is missing is asked of peers, in a home without blocks.

    Raises LocalFault SIGN_STATE_MISSING.
    """
    path, database = config.path(SIGN_STATE), config.path("node.sqlite")
    if has_sign_state(path):
        return
    height = 0
    if database.exists():
        with Store(database, network_id(genesis)) as store:
            height = store.height()
    if height > 0 or not (recovers or config.signer.address):
        raise LocalFault(NodeCode.SIGN_STATE_MISSING, str(path), height=height)
