"""`Application`: the replicated state machine as consensus sees it.

Rule: payloads and extensions are opaque bytes here, roots opaque 32 bytes. Every method is deterministic in its
arguments and the decided chain; `prepare` and `process` never change the decided state, only `commit` does.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from clearing.base.header import DepositCursor, Header
from clearing.base.ids import Hash32
from clearing.base.validators import ValidatorSet


class MisbehaviourKind(IntEnum):
    """What a validator was proven to have done. Numbers are for ever: they are in the replicated state."""

    DUPLICATE_VOTE = 1
    """Two votes of one kind in one round."""
    DUPLICATE_PROPOSAL = 2
    """Two proposals in one round."""
    BAD_SHARE = 3
    """A vote in a good envelope whose share does not verify."""
    AMNESIA = 4
    """A prevote against the own lock, although no polka between the two could have opened it."""
    CONFLICTING_CERTIFICATES = 5
    """Among the signers of two certificates of one step."""
    LIGHT_CLIENT_ATTACK = 6
    """Signed a header of a height for a validator set that the height never had."""


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """One offence of one validator, proven by the block. Its identity is (envelope_key, height, kind)."""

    kind: MisbehaviourKind
    height: int
    """Of the offence, at most the block's own."""
    round: int
    envelope_key: bytes
    power: int
    """In the set of that height; of the last set that it was in for an attack on light clients."""


@dataclass(frozen=True, slots=True)
class ObservedExtension:
    """One validator's extension of the height below, already authenticated: its index, power and bytes."""

    validator: int
    power: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """What consensus fixes about a block before the application runs it."""

    height: int
    time_ms: int
    parent: Hash32
    extensions: tuple[ObservedExtension, ...]
    """Ordered by validator index; empty at the first height."""
    total_power: int
    """Of the set that the extensions come from."""
    misbehaviour: tuple[Misbehaviour, ...] = ()
    """Ordered by (envelope_key, height, round, kind), each identity once and new to the state (`is_reported`)."""
    stated_commitments: tuple[Hash32, int] | None = None
    """Root and height of commitments in the certified header of a fetched block: the application may take them instead
    of computing them. None for a block that is still being checked."""


@dataclass(frozen=True, slots=True)
class AppRoots:
    """What the application puts into the header: the roots of its state after the block."""

    module_roots: tuple[Hash32, ...]
    commitments_root: Hash32
    commitments_height: int
    withdrawals_root: Hash32
    withdrawals_count: int
    exit_root: Hash32
    epoch: int
    deposit_cursors: tuple[DepositCursor, ...]


class Application(Protocol):
    """Implemented by `node.agreement.application` for clearing, and by a toy in the consensus tests."""

    def prepare(self, context: ExecutionContext) -> tuple[bytes, AppRoots]:
        """Choose a payload for this height, execute it on the decided state, and return the roots."""
        ...

    def process(self, context: ExecutionContext, payload: bytes) -> AppRoots:
        """Execute a proposed payload on the decided state. Raises RemoteFault when its structure is malformed."""
        ...

    def extend(self, height: int, value: Hash32) -> bytes:
        """The own vote extension for a height, from caches; never blocks."""
        ...

    def verify_extension(self, height: int, data: bytes) -> None:
        """Check another's (and the own) extension, syntax only. Raises RemoteFault."""
        ...

    def commit(self, header: Header) -> ValidatorSet:
        """Make the block with this header the decided state; it was prepared or processed before.

        Returns the validator set of the height after the next (changes take effect at h + 2).
        Raises LocalFault when no such block was executed.
        """
        ...

    def validators_at(self, height: int) -> ValidatorSet | None:
        """The set that certifies a height: from the oldest that evidence may be about to two above the decided one,
        else None.

        A block may report offences that far below its own height: all of the last 100,000 heights, and all of the time
        that light clients trust a set for.

        A function of the decided state alone, so it is equal at all validators: blocks are checked with it.
        """
        ...

    def missing_version(self, height: int) -> int | None:
        """The protocol version of a height above the decided one, if this release lacks its rules; None: it has them.

        A height at most `UPGRADE_NOTICE_BLOCKS` ahead has a version that no vote changes any more. A height without
        rules is never prepared, processed, voted on or decided here.
        """
        ...

    def is_reported(self, envelope_key: bytes, height: int, kind: MisbehaviourKind) -> bool:
        """Whether the decided state holds this offence, or takes no more of this kind: blocks must not repeat it."""
        ...
