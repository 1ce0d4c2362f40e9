"""`Persister`: writes the results of executed blocks to disk.

Rule: blocks are durable before they are executed, so everything here can be recomputed. It is written in order of
height, beside consensus. A restart executes the blocks above the newest saved state again.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
import trio

from clearing.base.errors import CrossclearError
from clearing.epochs.snapshot import snapshot_due
from clearing.state.state import State
from member.statements.saved_days import SavedDays
from node.agreement.application import DecidedHeight
from node.epochs.member_files import (
    EpochExits,
    EpochFiles,
    EpochHoldings,
    EpochHoldingsRecord,
    EpochStatements,
    ExitTreeRecord,
    epoch_holdings,
    exit_tree_record,
)
from node.epochs.service import EpochService
from node.store.records import ReceiptRecord, receipt_records
from node.store.store import Store
from node.sync.restore import encode_saved

SAVING_SHARE = 9
"""While heights are fetched, so many times as long as saving a state took, no other is saved: a tenth of the time."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Outcome:
    receipts: tuple[ReceiptRecord, ...]
    holdings: EpochHoldingsRecord | None
    exits: ExitTreeRecord | None
    statements: SavedDays | None
    saved: tuple[int, bytes] | None


class Persister:
    """`decided` is a listener of the application; `run` writes."""

    def __init__(
        self,
        store: Store,
        epochs: EpochService,
        clock: Callable[[], float] = time.perf_counter,
        holdings: EpochHoldings | None = None,
        exits: EpochExits | None = None,
        statements: EpochStatements | None = None,
        statement_record: Callable[[DecidedHeight], SavedDays | None] = lambda _: None,
    ) -> None:
        """`statement_record`: the statements after a height, where they are added up."""
        self._statements, self._statement_record = statements, statement_record
        self._store = store
        self._epochs = epochs
        self._holdings = holdings
        self._exits = exits
        self._clock = clock
        self._not_before = 0.0
        # Unbounded: receipts of heights that a restart executes are queued before anything can drain them.
        self._send, self._receive = trio.open_memory_channel[_Outcome](math.inf)

    def decided(self, decided: DecidedHeight) -> None:
        """Queue receipts, and what members may ask of the epoch and the state where one closed."""
        saved, holdings, exits, statements = None, None, None, None
        if decided.result.snapshot_due and self._exits is not None:
            exits = exit_tree_record(decided.state)
        if decided.result.snapshot_due and self._holdings is not None:
            snapshot = self._epochs.waiting_at(decided.header.height)
            holdings = epoch_holdings(snapshot, decided.state) if snapshot is not None else None
        if decided.result.snapshot_due and not (decided.fetched and self._clock() < self._not_before):
            started = self._clock()
            statements = self._statement_record(decided) if self._statements is not None else None
            saved = (decided.header.height, encode_saved(decided.header.height, decided.state, self._epochs.record()))
            ended = self._clock()
            self._not_before = ended + SAVING_SHARE * (ended - started)
        self._send.send_nowait(_Outcome(receipt_records(decided.result), holdings, exits, statements, saved))

    def restored(self, height: int, state: State) -> None:
        """Keep the epoch that the restored state closed: for a state fetched from peers, no block here does."""
        if self._exits is not None and snapshot_due(state, height) and state.now.epoch not in self._exits.epochs:
            _keep(self._exits, exit_tree_record(state))
        snapshot = self._epochs.waiting_at(height)
        if self._holdings is None or snapshot is None or snapshot.statement.epoch in self._holdings.epochs:
            return
        _keep(self._holdings, epoch_holdings(snapshot, state))

    async def run(self) -> None:
        """Write for ever."""
        async for outcome in self._receive:
            # Before the saved state: a restart from there does not execute this height again.
            if outcome.holdings is not None and self._holdings is not None:
                await trio.to_thread.run_sync(_keep, self._holdings, outcome.holdings)
            if outcome.exits is not None and self._exits is not None:
                await trio.to_thread.run_sync(_keep, self._exits, outcome.exits)
            if outcome.statements is not None and self._statements is not None:
                await trio.to_thread.run_sync(_keep, self._statements, outcome.statements)
            if outcome.receipts or outcome.saved is not None:
                await self._store.save_results_async(outcome.receipts, outcome.saved)


def _keep(files: EpochFiles, record: EpochHoldingsRecord | ExitTreeRecord | SavedDays) -> None:
    """Members can ask another node: a disk that fails here must not end this one."""
    try:
        files.write_epoch(record)
    except (OSError, CrossclearError) as error:
        log.error(f"{files.kind} of an epoch are not kept", epoch=record.epoch, error=str(error))
