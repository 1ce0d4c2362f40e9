"""`ClearingApplication`: the clearing house as consensus drives it, and the payload that it puts into a block.

Rule: `prepare` and `process` execute on a fork and change nothing that is decided; `commit` folds the decided fork in
and calls the listeners. Only what is in a block, in genesis, or in the state salt and account seeds that all validators
share can change a root.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from clearing.apply_block import apply_block
from clearing.base.codec import Wire, decode, encode
from clearing.base.errors import BaseCode, Bug, LocalFault, RemoteFault
from clearing.base.hashing import tagged_hash
from clearing.base.header import Header
from clearing.base.ids import Hash32
from clearing.base.protocol import RELEASE_VERSIONS, ProtocolVersions
from clearing.base.validators import ValidatorSet
from clearing.schema.blocks.block import (
    BlockExtension,
    BlockInput,
    BlockResult,
    ProvenOffence,
    VoteExtension,
    decode_extension,
    encode_extension,
)
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.terms.genesis import Genesis, network_id
from clearing.state.protocol_version import version_at
from clearing.state.state import State
from clearing.validators.misbehaviour import is_reported
from clearing.validators.validator_sets import validator_sets, validators_at
from consensus.application import AppRoots, ExecutionContext, MisbehaviourKind
from node.pool.block_budget import BlockBudget, payload_work

PAYLOAD_BYTES_MAX = 2 << 20


class Payload(Wire, frozen=True):
    """Version 1: the transactions, in order."""

    transactions: tuple[Transaction, ...]


def encode_payload(transactions: Sequence[Transaction]) -> bytes:
    """Canonical bytes."""
    return encode(Payload(tuple(transactions)))


def _clearing_block(context: ExecutionContext, payload: bytes) -> BlockInput:
    """The input of `apply_block`. Raises RemoteFault when the payload is not canonical or too large.

    An extension whose bytes can't be read counts as silence: consensus has let it in, so it must not stop the height.
    """
    transactions = decode(payload, Payload, PAYLOAD_BYTES_MAX).transactions
    observed = []
    for attested in context.extensions:
        try:
            extension = decode_extension(attested.data)
        except RemoteFault:
            extension = None
        observed.append(BlockExtension(validator=attested.validator, power=attested.power, extension=extension))
    return BlockInput(
        height=context.height,
        time_ms=context.time_ms,
        extensions=tuple(observed),
        total_power=context.total_power,
        transactions=transactions,
        misbehaviour=tuple(
            ProvenOffence(offence.envelope_key, int(offence.kind), offence.height, offence.round, offence.power)
            for offence in context.misbehaviour
        ),
    )


PENDING_MAX = 16
"""Executed and undecided payloads of one height that are kept: one a round, and rounds are rare."""


class TransactionPool(Protocol):
    """Where proposals take their transactions from."""

    def select(self, time_ms: int) -> tuple[Transaction, ...]:
        """Transactions for the next block, in order, within its limits; they stay in the pool."""
        ...


class EpochCommitments(Protocol):
    """Commitments of epoch snapshots, computed beside consensus."""

    def root_at(self, height: int, stated: tuple[Hash32, int] | None = None) -> tuple[Hash32, int]:
        """(commitments root, snapshot height) that the header of `height` must carry.

        `stated` is what a certified header says, if there is one; it need not be computed then.
        """
        ...

    def snapshot_decided(self, height: int, epoch: int, state: State) -> None:
        """The state after `height` is an epoch's snapshot."""
        ...


@dataclass(frozen=True, slots=True)
class DecidedHeight:
    """What listeners learn of a decided height."""

    header: Header
    block: BlockInput
    result: BlockResult
    state: State
    fetched: bool = False
    """Whether it was final before it was executed: this node is on its way back."""


@dataclass(frozen=True, slots=True)
class _Executed:
    block: BlockInput
    result: BlockResult
    state: State
    fetched: bool


class ClearingApplication:
    """Implements `consensus.application.Application`."""

    def __init__(
        self,
        genesis: Genesis,
        state: State,
        pool: TransactionPool,
        epochs: EpochCommitments,
        observe: Callable[[State], VoteExtension],
        height: int = 0,
        budget: BlockBudget | None = None,
        release: ProtocolVersions = RELEASE_VERSIONS,
    ) -> None:
        """Raises LocalFault WRONG_NETWORK when the state is not of this genesis."""
        if state.terms.genesis is not genesis and state.terms.network != network_id(genesis):
            raise LocalFault(BaseCode.WRONG_NETWORK, "application", state=state.terms.network)
        self._state = state
        self._pool = pool
        self._epochs = epochs
        self._observe = observe
        self._height = height
        self._budget = budget
        self._release = release
        self._executed: dict[tuple[bytes, ...], _Executed] = {}
        self._listeners: list[Callable[[DecidedHeight], None]] = []

    @property
    def state(self) -> State:
        """The decided state; read it, never write it."""
        return self._state

    @property
    def height(self) -> int:
        """The decided height; 0 before the first."""
        return self._height

    def listen(self, listener: Callable[[DecidedHeight], None]) -> None:
        """Call `listener` after each commit, in order of subscription; it must not block."""
        self._listeners.append(listener)

    def prepare(self, context: ExecutionContext) -> tuple[bytes, AppRoots]:
        """Take transactions from the pool and execute them."""
        if self._budget is not None and self._executed:
            self._budget.failed()
        payload = encode_payload(self._pool.select(context.time_ms))
        return payload, self.process(context, payload)

    def process(self, context: ExecutionContext, payload: bytes) -> AppRoots:
        """Execute a payload on the decided state. Raises RemoteFault, LocalFault when it is not the next height."""
        if context.height != self._height + 1:
            raise LocalFault(BaseCode.OUT_OF_RANGE, "application", height=context.height, decided=self._height)
        started = time.perf_counter()
        block = _clearing_block(context, payload)
        state, result = apply_block(self._state, block, self._release)
        if self._budget is not None:
            self._budget.executed(payload_work(len(payload), block.transactions), time.perf_counter() - started)
        roots = self._roots(result, context.stated_commitments)
        if len(self._executed) >= PENDING_MAX:
            self._executed.pop(next(iter(self._executed)))
        self._executed[roots.module_roots] = _Executed(block, result, state, context.stated_commitments is not None)
        return roots

    def extend(self, height: int, value: Hash32) -> bytes:  # noqa: ARG002 - consensus signs both beside these bytes
        """Own prices and facts that the decided state does not know yet."""
        return encode_extension(self._observe(self._state))

    def verify_extension(self, height: int, data: bytes) -> None:  # noqa: ARG002 - syntax does not depend on it
        """Raises RemoteFault for anything but a canonical extension within limits."""
        decode_extension(data)

    def commit(self, header: Header) -> ValidatorSet:
        """Fold the executed block with this header's roots into the decided state. Raises Bug for a set not its own."""
        executed = self._executed.pop(header.module_roots, None)
        if executed is None or executed.block.height != header.height or executed.block.time_ms != header.time_ms:
            raise LocalFault(BaseCode.WRONG_VALUE, "commit of a block that was not executed", height=header.height)
        self._state = executed.state.absorb()
        self._height = header.height
        self._executed.clear()
        sets = validator_sets(self._state)
        if (sets.last.hash, sets.now.hash) != (header.validators_hash, header.next_validators_hash):
            raise Bug(f"height {header.height} was agreed by another validator set than the state has")
        if executed.result.snapshot_due:
            self._epochs.snapshot_decided(header.height, executed.result.epoch, self._state)
        decided = DecidedHeight(header, executed.block, executed.result, self._state, executed.fetched)
        for listener in self._listeners:
            listener(decided)
        return sets.next

    def validators_at(self, height: int) -> ValidatorSet | None:
        """As the state has it."""
        return validators_at(self._state, height)

    def missing_version(self, height: int) -> int | None:
        """As the state has it, and this release."""
        version = version_at(self._state, height)
        return None if self._release.has(version) else version

    def is_reported(self, envelope_key: bytes, height: int, kind: MisbehaviourKind) -> bool:
        """As the state has it."""
        return is_reported(self._state, envelope_key, height, int(kind))

    def _roots(self, result: BlockResult, stated: tuple[Hash32, int] | None) -> AppRoots:
        root, height = self._epochs.root_at(result.height, stated)
        return AppRoots(
            module_roots=tuple(Hash32(module_root) for module_root in result.module_roots),
            commitments_root=root,
            commitments_height=height,
            withdrawals_root=Hash32(result.withdrawals_root),
            withdrawals_count=result.withdrawals_count,
            exit_root=Hash32(result.exit_root),
            epoch=result.epoch,
            deposit_cursors=result.deposit_cursors,
        )


SALT_TAG = "crossclear/state-salt/v1"


def state_salt(network_seed: bytes) -> bytes:
    """The 32 bytes that salt every leaf of the state's roots, out of the seed that all validators share."""
    return tagged_hash(SALT_TAG, network_seed)
