"""`Recorder`: what executing decided blocks told, on its way to disk.

Rule: blocks are durable before they are executed, so everything here can be computed again; it is written in order of
height, off the path of consensus. A restart executes again what lies above the newest saved state.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import trio

from node.application import Decided
from node.epochs.service import EpochService
from node.receipt_records import receipt_records
from node.store.records import ReceiptRecord
from node.store.store import Store
from node.sync.restore import encode_saved

SAVING_SHARE = 9
"""While heights are fetched, so many times as long as saving a state took, no other is saved: a tenth of the time."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    receipts: tuple[ReceiptRecord, ...]
    saved: tuple[int, bytes] | None


class Recorder:
    """`decided` is a listener of the application; `run` writes."""

    def __init__(self, store: Store, epochs: EpochService, clock: Callable[[], float] = time.perf_counter) -> None:
        self._store = store
        self._epochs = epochs
        self._clock = clock
        self._not_before = 0.0
        # Unbounded: receipts of heights that a restart executes are queued before anything can drain them.
        self._send, self._receive = trio.open_memory_channel[_Outcome](math.inf)

    def decided(self, decided: Decided) -> None:
        """Queue receipts, and the state where an epoch closed."""
        saved = None
        if decided.result.snapshot and not (decided.fetched and self._clock() < self._not_before):
            started = self._clock()
            saved = (decided.header.height, encode_saved(decided.header.height, decided.state, self._epochs.record()))
            ended = self._clock()
            self._not_before = ended + SAVING_SHARE * (ended - started)
        self._send.send_nowait(_Outcome(receipt_records(decided.result), saved))

    async def run(self) -> None:
        """Write for ever."""
        async for outcome in self._receive:
            if outcome.receipts or outcome.saved is not None:
                await self._store.save_results_async(outcome.receipts, outcome.saved)
