"""`RemoteShard`: a shard of a proof that lives elsewhere, and the board where all shards report their progress.

Rule: it has the calls of `proofs.linear.shard.Shard` and nothing else; a subclass decides where the shard lives.
Readings of progress are for people and metrics only. It knows no processes and no clusters.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.sharedctypes import RawArray
from typing import TYPE_CHECKING, Any

from proofs.algebra.polynomial import Masked
from proofs.linear.layout import ProofLayout
from proofs.linear.shard import ROUNDS, OpeningWeights
from proofs.linear.statement import Witness
from proofs.linear.sums import ShardSums

if TYPE_CHECKING:
    from ctypes import Array, c_uint64

SHARDS_MAX = 256


@dataclass(frozen=True)
class ProofProgress:
    """How far the proof under way is: rounds of accounts done, and all of them. Both 0 when none is under way."""

    done: int = 0
    total: int = 0


class ProgressBoard:
    """Counters in memory that the processes of a proof share; each writes its own, so none needs a lock.

    Rule: readings are for people and metrics only.
    """

    def __init__(self, shards: int) -> None:
        self._counters: Array[c_uint64] = RawArray("Q", 1 + shards)

    def begin(self, accounts: int) -> None:
        """A proof of so many accounts starts; 0 when it has ended."""
        for shard in range(1, len(self._counters)):
            self._counters[shard] = 0
        self._counters[0] = accounts * ROUNDS

    def advance(self, shard: int, accounts: int) -> None:
        """A shard has done one round of so many accounts."""
        self._counters[1 + shard] += accounts

    def read(self) -> ProofProgress:
        """The progress so far."""
        total, *done = self._counters
        return ProofProgress(min(sum(done), total), total)


class RemoteShard(ABC):
    """A shard that lives elsewhere, with the calls of `Shard`; each waits for the answer."""

    @abstractmethod
    def hold(self, layout: ProofLayout, witnesses: Sequence[Witness]) -> None:
        """Make the shard of these accounts there."""

    @abstractmethod
    def end(self) -> None:
        """Release it."""

    @abstractmethod
    def ask(self, call: str, *arguments: object) -> Any:
        """What that call of `Shard` gives there. Raises its errors, and BrokenExecutor without an answer."""

    def commit_digits(self) -> tuple[list[tuple[bytes, ...]], list[int]]:
        """See `Shard`."""
        found: tuple[list[tuple[bytes, ...]], list[int]] = self.ask("commit_digits")
        return found

    def carry_table(self, counts: Sequence[int]) -> bytes:
        """See `Shard`."""
        found: bytes = self.ask("carry_table", list(counts))
        return found

    def commit_lookups(self, alpha: int) -> list[tuple[bytes, ...]]:
        """See `Shard`."""
        found: list[tuple[bytes, ...]] = self.ask("commit_lookups", alpha)
        return found

    def sums(self, deltas: Sequence[int]) -> ShardSums:
        """See `Shard`."""
        found: ShardSums = self.ask("sums", list(deltas))
        return found

    def evaluate(self, lagrange: Sequence[int], vanishing: int, zeta: int) -> list[tuple[int, ...]]:
        """See `Shard`."""
        found: list[tuple[int, ...]] = self.ask("evaluate", list(lagrange), vanishing, zeta)
        return found

    def opening(self, weights: OpeningWeights) -> Masked:
        """See `Shard`."""
        found: Masked = self.ask("opening", weights)
        return found
