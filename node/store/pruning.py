"""`Pruner`: forgets old blocks, receipts and packages, as far as the settings say.

Rule: by default nothing is forgotten. What may be needed here stays, whatever the settings say: blocks from the oldest
saved state on, those of an epoch that waits for its proof, and of a change of validators that vaults wait for. It works
in short transactions, from the oldest on, so that blocks have no gap and consensus never waits for it. A file does not
shrink; its room is used again.
"""

from collections.abc import Callable
from pathlib import Path

import structlog
import trio

from node.store.store import Store

LOOK_SECONDS = 60.0
HEIGHTS_AT_ONCE = 64
ACCOUNTS_AT_ONCE = 64
PACKAGES_AT_ONCE = 16
PAUSE_SECONDS = 0.02
"""Between two transactions: a tenth of the writer's time at most."""

log = structlog.get_logger(__name__)


class Pruner:
    """`run` prunes again and again."""

    def __init__(
        self, store: Store, home: Path, blocks_kept: int, packages_kept: int, needed_from: Callable[[], int]
    ) -> None:
        """`blocks_kept`, `packages_kept`: how many of the newest stay; 0: all. `needed_from`: the lowest height that
        may not be forgotten."""
        self._store, self._home = store, home
        self._blocks_kept, self._packages_kept, self._needed_from = blocks_kept, packages_kept, needed_from

    async def run(self) -> None:
        """Prune what is too old, for ever."""
        while True:
            await self.prune()
            await trio.sleep(LOOK_SECONDS)

    async def prune(self) -> None:
        """Forget all that is too old now."""
        if self._blocks_kept:
            await self._prune_blocks(min(self._store.height() - self._blocks_kept + 1, self._lowest_needed()))
        if self._packages_kept:
            await self._prune_packages()

    def _lowest_needed(self) -> int:
        saved = self._store.snapshot_heights()
        # Without a saved state a restart executes every block.
        return min(saved[-1] if saved else 0, self._needed_from())

    async def _prune_blocks(self, below: int) -> None:
        first = self._store.first_height()
        if not 0 < first < below:
            return
        while self._store.first_height() < below:
            await self._store.forget_blocks_async(below, HEIGHTS_AT_ONCE)
            await trio.sleep(PAUSE_SECONDS)
        account = -1
        while (last := await self._store.forget_receipt_accounts_async(account, below, ACCOUNTS_AT_ONCE)) is not None:
            account = last
            await trio.sleep(PAUSE_SECONDS)
        log.info("blocks pruned", first=first, below=below)

    async def _prune_packages(self) -> None:
        while old := self._store.packages_beyond(self._packages_kept, PACKAGES_AT_ONCE):
            # The files first: what a crash leaves in the store is tried again.
            for package in old:
                (self._home / package.path).unlink(missing_ok=True)
            await self._store.forget_packages_async(old[-1].epoch)
            log.info("packages pruned", first=old[0].epoch, last=old[-1].epoch)
