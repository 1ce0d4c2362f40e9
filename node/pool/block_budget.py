"""`BlockBudget`: how many bytes of transactions own proposals carry, so that peers can validate them in time.

Rule: a proposal that takes longer than the propose timeout gets no votes, and the next one would be larger still. So
the budget starts low, follows the speed measured here, halves when a round failed, and grows with full blocks that
passed. It limits own proposals only; those of others are judged by their content. The trades of a bundle are few bytes
for their work, so each further one counts as `BUNDLED_TRADE_BYTES` more.
"""

from collections.abc import Iterable
from typing import Protocol

from clearing.schema.blocks.transaction import Transaction, trades_asked

EXECUTION_SHARE = 0.2
"""Of the propose timeout: the proposer executes, then all others at once, on cores that they may share."""
BYTES_MIN = 8 << 10
BYTES_START = 32 << 10
GROWTH = 1.25
SMOOTHING = 0.3
MEASURED_BYTES_MIN = 2 << 10
"""Smaller payloads measure the fixed cost of a height, not the speed."""
SECONDS_MIN = 1e-6
MARGIN_SHARE = 0.25
"""At least so much of the time that a payload took is its own, whatever heights cost without one."""


BUNDLED_TRADE_BYTES = 128
"""What a bundle's further trade takes to execute, beyond its own bytes, in bytes of single trades."""


def further_bytes(asked: int) -> int:
    """Beyond its size, what a transaction of so many trades takes to execute, in bytes of single trades."""
    return (asked - 1) * BUNDLED_TRADE_BYTES


def payload_work(size: int, transactions: Iterable[Transaction]) -> int:
    """What a payload of `size` bytes with these transactions takes to execute, in bytes of single trades."""
    return size + sum(further_bytes(trades_asked(transaction)) for transaction in transactions)


class BlockBudget:
    """Fed with measurements of this machine; time is given from outside."""

    def __init__(self, bytes_max: int, propose_ms: int) -> None:
        self._bytes_max = bytes_max
        self._seconds = EXECUTION_SHARE * propose_ms / 1000
        self._bytes_a_second = 0.0
        self._fixed_seconds = 0.0
        self._ceiling = float(min(BYTES_START, bytes_max))

    @property
    def size(self) -> int:
        """Bytes for the next proposal."""
        wanted = self._ceiling
        if self._bytes_a_second:
            wanted = min(wanted, self._bytes_a_second * self._seconds)
        return int(min(self._bytes_max, max(BYTES_MIN, wanted)))

    def executed(self, size: int, seconds: float) -> None:
        """A payload of this size (`payload_work`) took so long; what an empty one takes is not laid to its bytes."""
        if seconds < SECONDS_MIN:
            return
        if size < MEASURED_BYTES_MIN:
            self._fixed_seconds += SMOOTHING * (seconds - self._fixed_seconds)
            return
        speed = size / max(seconds - self._fixed_seconds, MARGIN_SHARE * seconds)
        known = self._bytes_a_second
        self._bytes_a_second = speed if not known else known + SMOOTHING * (speed - known)

    def failed(self) -> None:
        """A proposal of this height was executed here, and yet another is wanted."""
        self._ceiling = max(float(BYTES_MIN), self.size / 2)

    def decided(self, size: int, rounds: int) -> None:
        """A height was decided with a payload of this size (`payload_work`) in so many rounds."""
        if rounds > 1:
            self.failed()
        elif size >= self._ceiling / 2:
            self._ceiling = min(float(self._bytes_max), self._ceiling * GROWTH)


class SizedPool(Protocol):
    """A pool that can be asked for less than a whole block."""

    def select(self, time_ms: int, bytes_max: int | None = None) -> tuple[Transaction, ...]:
        """See `node.pool.mempool.Mempool.select`."""
        ...


class BudgetedPool:
    """Implements `node.agreement.application.TransactionPool`: the pool as far as the budget goes."""

    def __init__(self, pool: SizedPool, budget: BlockBudget) -> None:
        self._pool = pool
        self._budget = budget

    def select(self, time_ms: int) -> tuple[Transaction, ...]:
        """What to propose now."""
        return self._pool.select(time_ms, self._budget.size)
