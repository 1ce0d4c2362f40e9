"""`LastingShard`: a shard that survives the loss of the process or worker it lives in, with the same bytes.

Rule: all blinders of a shard come from its keys, so a new shard that is asked what the lost one was asked gives the
same answers. Everything asked and answered is recorded, and answers after a loss are compared with the record: a
difference means that one of the two was wrong, and the transcript may depend on it, so the whole proof fails
(ShareDiffers). A shard is never asked one round with two different arguments, because two openings under one
blinder would reveal what it hides.
"""

from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from threading import Lock
from typing import Any, Protocol

from proofs.algebra.srs import basis
from proofs.epoch.remote_shard import ProgressBoard, RemoteShard
from proofs.linear.blinding import ShardKeys
from proofs.linear.layout import ProofLayout
from proofs.linear.prover import random_scalar
from proofs.linear.shard import Shard
from proofs.linear.statement import Witness


class ShareDiffers(Exception):
    """An answer differs from an earlier one to the same question; within the prover, no fault to report."""


class Places(Protocol):
    """Where shards can live."""

    def instead(self, lost: RemoteShard, slot: int) -> RemoteShard:
        """Another place for a shard that is lost.

        Raises LocalFault WORKERS_LOST where there is none, BrokenExecutor where too many were lost.
        """
        ...


class LastingShard(RemoteShard):
    """A shard with its record."""

    def __init__(self, places: Places, first: RemoteShard, board: ProgressBoard, slot: int) -> None:
        """`slot`: its counter on the board."""
        self._places = places
        self._shard = first
        self._board = board
        self._slot = slot
        self._record: list[tuple[str, tuple[object, ...], Any]] = []
        self._differed = False

    @property
    def where(self) -> str:
        """See `RemoteShard`: of the worker that it lives on now."""
        return self._shard.where

    @property
    def now(self) -> RemoteShard:
        """The shard where it lives now."""
        return self._shard

    def hold(self, layout: ProofLayout, witnesses: Sequence[Witness], keys: ShardKeys) -> None:
        """See `RemoteShard`."""
        self._layout, self._witnesses, self._keys = layout, witnesses, keys
        try:
            self._shard.hold(layout, witnesses, keys)
        except BrokenExecutor:
            self._move()

    def end(self) -> None:
        """See `RemoteShard`."""
        self._shard.end()

    def ask(self, call: str, *arguments: object) -> Any:
        """See `RemoteShard`. Raises ShareDiffers, and what `Places.instead` raises."""
        while True:
            try:
                answer = self._shard.ask(call, *arguments)
            except BrokenExecutor:
                self._move()
                continue
            self._record.append((call, arguments, answer))
            return answer

    def is_wrong(self) -> bool:
        """Whether a worker that is still there gave an answer other than this process computes.

        It takes as long as the shard's work did.
        """
        own = Shard(self._layout, basis(self._layout.size), self._witnesses, random_scalar, keys=self._keys)
        right = all(getattr(own, call)(*arguments) == answer for call, arguments, answer in self._record)
        return right if self._differed else not right

    def _move(self) -> None:
        """Begin again elsewhere and catch up."""
        while True:
            with _COUNTING:
                self._board.count_lost()
                self._board.reset(self._slot)
            self._shard = self._places.instead(self._shard, self._slot)
            try:
                self._shard.hold(self._layout, self._witnesses, self._keys)
                self._differed = any(self._shard.ask(call, *given) != answer for call, given, answer in self._record)
            except BrokenExecutor:
                continue
            if self._differed:
                raise ShareDiffers(self.where)
            return


_COUNTING = Lock()
