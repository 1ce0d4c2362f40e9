"""One line of the log a height: what was decided, how long that took, and among how many peers."""

from collections.abc import Callable

import structlog

from clearing.schema.receipts.trades import TradeNovated
from consensus.outputs import Decided
from member.printing.pace import Pace
from node.agreement.application import DecidedHeight

FETCHED_EVERY = 100
"""Of the heights that a node fetches on its way back, so many make one line."""

log = structlog.get_logger(__name__)


class HeightLines:
    """Hears of a height twice: when it is executed, and when it is done."""

    def __init__(self, peers: Callable[[], int], top: Callable[[], int]) -> None:
        """`peers`: how many are connected. `top`: the highest height that one of them said to have."""
        self._peers, self._top = peers, top
        self._pace = Pace()
        self._transactions, self._trades = 0, 0

    def committed(self, decided: DecidedHeight) -> None:
        """Count what is in the block."""
        self._transactions = len(decided.block.transactions)
        self._trades = sum(isinstance(receipt, TradeNovated) for receipt in decided.result.receipts)

    def decided(self, decided: Decided) -> None:
        """Write the line."""
        height = decided.committed.block.header.height
        if not decided.fetched:
            self._pace = Pace()
        progress = self._progress(height) if decided.fetched else {}
        if decided.fetched and height % FETCHED_EVERY:
            return
        log.info(
            "fetched" if decided.fetched else "decided",
            height=height,
            round=decided.rounds - 1,
            transactions=self._transactions,
            trades=self._trades,
            ms=decided.duration_ms,
            peers=self._peers(),
            **progress,
        )

    def _progress(self, height: int) -> dict[str, int]:
        """How far behind its peers the node is, and how long it will be."""
        top = max(height, self._top())
        left = self._pace.seconds_left(height, top)
        return {"behind": top - height} | ({} if left is None else {"seconds_left": left})
