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
from proofs.linear.blinding import ShardKeys
from proofs.linear.layout import ProofLayout
from proofs.linear.shard import ROUNDS, OpeningWeights
from proofs.linear.statement import Witness
from proofs.linear.sums import ShardSums

if TYPE_CHECKING:
    from ctypes import Array, c_uint64

SHARDS_MAX = 256
_OF_ALL = 3
"""Counters ahead of the shards' own: rounds of accounts in all, lost shards, refused shares."""


@dataclass(frozen=True)
class ProofProgress:
    """How far the proof under way is: rounds of accounts done, and all of them. Both 0 when none is under way."""

    done: int = 0
    total: int = 0
    lost: int = 0
    """Shards that were computed again because their process or worker was lost, since the board was made."""
    refused: int = 0
    """Shares of workers that differed from their recomputation, likewise."""


class ProgressBoard:
    """Counters in memory that the processes of a proof share; each writes its own, so none needs a lock.

    Rule: readings are for people and metrics only.
    """

    def __init__(self, shards: int) -> None:
        self._counters: Array[c_uint64] = RawArray("Q", _OF_ALL + shards)

    def begin(self, accounts: int) -> None:
        """A proof of so many accounts starts; 0 when it has ended."""
        self.restart()
        self._counters[0] = accounts * ROUNDS

    def advance(self, shard: int, accounts: int) -> None:
        """A shard has done one round of so many accounts."""
        self._counters[_OF_ALL + shard] += accounts

    def reset(self, shard: int) -> None:
        """A shard begins with its first round again."""
        self._counters[_OF_ALL + shard] = 0

    def restart(self) -> None:
        """All shards begin with their first round again."""
        for shard in range(len(self._counters) - _OF_ALL):
            self.reset(shard)

    def count_lost(self) -> None:
        """A shard was lost. Called by the process that joins the shards, one call at a time."""
        self._counters[1] += 1

    def count_refused(self) -> None:
        """A worker's share was refused; called as `count_lost`."""
        self._counters[2] += 1

    def read(self) -> ProofProgress:
        """The progress so far."""
        total, lost, refused, *done = self._counters
        return ProofProgress(min(sum(done), total), total, lost, refused)


class RemoteShard(ABC):
    """A shard that lives elsewhere, with the calls of `Shard`; each waits for the answer."""

    @abstractmethod
    def hold(self, layout: ProofLayout, witnesses: Sequence[Witness], keys: ShardKeys) -> None:
        """Make the shard of these accounts there. Raises BrokenExecutor without an answer."""

    @abstractmethod
    def end(self) -> None:
        """Release it."""

    @property
    def where(self) -> str:
        """Of the worker, for people; empty for a process of this machine."""
        return ""

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
