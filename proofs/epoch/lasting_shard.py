"""`LastingShard`: a shard that survives the loss of the process or worker it lives in, with the same bytes.

Rule: all blinders of a shard come from its keys, so a new shard that is asked what the lost one was asked gives the
same answers. Everything asked and answered is recorded, and answers after a loss are compared with the record: a
difference means that one of the two was wrong, and the transcript may depend on it, so the whole proof fails
(ShareDiffers). A shard is never asked one round with two different arguments, because two openings under one
blinder would reveal what it hides.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from threading import Lock
from typing import Any, Protocol

from clearing.base.errors import CrossclearError
from proofs.algebra.domain import TABLE_SIZE
from proofs.algebra.group import POINT_BYTES
from proofs.algebra.polynomial import Masked
from proofs.algebra.srs import basis
from proofs.epoch.remote_shard import ProgressBoard, RemoteShard
from proofs.linear.blinding import ShardKeys
from proofs.linear.layout import ProofLayout
from proofs.linear.prover import random_scalar
from proofs.linear.shard import Shard
from proofs.linear.statement import Witness
from proofs.linear.sums import BLINDERS, ShardSums


class ShareDiffers(Exception):
    """An answer differs from an earlier one to the same question, or is no answer to it; within the prover, no fault
    to report."""


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
        self._differed = self._malformed = False
        self.refused = False
        """Whether its worker refused a call: what it says of the cluster is no fault of the cluster."""

    @property
    def where(self) -> str:
        """See `RemoteShard`: of the worker that it lives on now."""
        return self._shard.where

    @property
    def now(self) -> RemoteShard:
        """The shard where it lives now."""
        return self._shard

    def hold(self, layout: ProofLayout, witnesses: Sequence[Witness], keys: ShardKeys) -> None:
        """See `RemoteShard`. A worker that refuses what this process could begin counts as lost."""
        self._layout, self._witnesses, self._keys = layout, witnesses, keys
        try:
            self._shard.hold(layout, witnesses, keys)
        except (BrokenExecutor, CrossclearError):
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
            except CrossclearError as refusal:
                self._record.append((call, arguments, refusal.code))
                self.refused = True
                raise
            self._record.append((call, arguments, answer))
            # Before others depend on it: lists of another length would shift the shares of all.
            self._malformed = not _has_its_form(call, answer, self._layout, len(self._witnesses))
            if self._malformed:
                raise ShareDiffers(self.where)
            return answer

    def is_wrong(self) -> bool:
        """Whether a worker that is still there gave an answer other than this process computes.

        It takes as long as the shard's work did, but for an answer of another form, which may equal the right one: 1.0
        is 1.
        """
        if self._malformed:
            return True
        own = Shard(self._layout, basis(self._layout.size), self._witnesses, random_scalar, keys=self._keys)
        right = all(_answer_of(own, call, given) == answer for call, given, answer in self._record)
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
            except (BrokenExecutor, CrossclearError):
                continue
            if self._differed:
                raise ShareDiffers(self.where)
            return


_COUNTING = Lock()


def _answer_of(shard: Shard, call: str, given: tuple[object, ...]) -> Any:
    """An answer, or the code of a refusal."""
    try:
        return getattr(shard, call)(*given)
    except CrossclearError as refusal:
        return refusal.code


def _has_its_form(call: str, answer: Any, layout: ProofLayout, accounts: int) -> bool:
    """Whether an answer has the types and lengths of that call's answers. Whether it is right shows later."""
    try:
        return _FORMS[call](answer, layout, accounts)
    except (TypeError, ValueError, AttributeError):
        return False


def _are_points(answer: Any, layout: ProofLayout, accounts: int) -> bool:
    points = [point for columns in answer for point in columns]
    return (
        [len(columns) for columns in answer] == [layout.columns] * accounts
        and all(type(point) is bytes for point in points)
        and {len(point) for point in points} <= {POINT_BYTES}
    )


def _are_scalars(answer: Any, layout: ProofLayout, accounts: int) -> bool:
    return [len(columns) for columns in answer] == [layout.columns] * accounts and all(
        type(value) is int for columns in answer for value in columns
    )


def _are_digits(answer: Any, layout: ProofLayout, accounts: int) -> bool:
    points, counts = answer
    return (
        _are_points(points, layout, accounts)
        and len(counts) == TABLE_SIZE
        and all(type(count) is int and count >= 0 for count in counts)
    )


def _is_masked(answer: Any, layout: ProofLayout, _: int = 0) -> bool:
    return (
        type(answer) is Masked
        and (len(answer.values), len(answer.hiding)) == (layout.size, BLINDERS)
        and all(type(value) is int for value in (*answer.values, *answer.hiding))
    )


def _are_sums(answer: Any, layout: ProofLayout, _: int) -> bool:
    quotient = answer.quotient
    vectors = [quotient.coset, *quotient.blinded]
    return (
        type(answer) is ShardSums
        and answer.table is None
        and len(answer.digits) == layout.columns
        and all(_is_masked(each, layout) for each in (*answer.digits, answer.values, answer.lookups))
        and [len(each) for each in vectors] == [layout.size] * (1 + BLINDERS)
        and (len(quotient.g), len(quotient.gd)) == (BLINDERS, 2 * BLINDERS - 1)
        and all(type(value) is int for each in (*vectors, quotient.g, quotient.gd) for value in each)
    )


_FORMS: dict[str, Callable[[Any, ProofLayout, int], bool]] = {
    "commit_digits": _are_digits,
    "commit_lookups": _are_points,
    "sums": _are_sums,
    "evaluate": _are_scalars,
    "opening": _is_masked,
}
"""Of a shard that does not carry the table."""
