"""Receipts about validators: changes of the set, vault rotations, and misbehaviour.

Rule: a receipt reports; it never decides. None names an account.
"""

from clearing.base.codec import U32, U63, Bytes20, Bytes32, Wire


class ValidatorsChanged(Wire, frozen=True, tag=90):
    """A new validator set takes effect at `effective_height`. The header one below commits to it and rotates the
    vaults."""

    index: U32
    number: U63
    before: Bytes32
    after: Bytes32
    effective_height: U63
    left: tuple[Bytes32, ...]
    """Envelope keys that left the set."""
    entered: tuple[Bytes32, ...]
    """Envelope keys that are new, or have a new power or BLS key."""
    total_power: U63
    approved_power: U63


class ValidatorAdditionScheduled(Wire, frozen=True, tag=95):
    """A change that adds voting power is scheduled for the first block whose time reaches `due_ms`."""

    index: U32
    number: U63
    before: Bytes32
    after: Bytes32
    due_ms: U63
    left: tuple[Bytes32, ...]
    entered: tuple[Bytes32, ...]
    """Relative to the new set: see `ValidatorsChanged`."""
    approved_power: U63


class ValidatorAdditionDropped(Wire, frozen=True, tag=96):
    """A scheduled change was dropped: the set that it starts from is no longer in force."""

    number: U63
    before: Bytes32
    after: Bytes32
    in_force: Bytes32


class VaultRotated(Wire, frozen=True, tag=91):
    """A vault accepts checkpoints of set `number` from now on. `vaults_awaited` others do not yet."""

    chain_id: U63
    vault: Bytes20
    number: U63
    block_number: U63
    source: Bytes32
    vaults_awaited: U32


class VaultDiverged(Wire, frozen=True, tag=92):
    """A quorum saw a vault rotate to a set that this network did not certify. Investigate before anything is paid
    there."""

    chain_id: U63
    vault: Bytes20
    validators_hash: Bytes32
    expected: Bytes32
    block_number: U63
    source: Bytes32


class ValidatorChangeFinished(Wire, frozen=True, tag=93):
    """Every vault follows set `number` and its validators vote: the next change can begin."""

    number: U63
    blocks: U63
    """How many blocks the change took."""


class MisbehaviourRecorded(Wire, frozen=True, tag=94):
    """A block contained proof against the validator with this key. `kind` as in consensus."""

    envelope_key: Bytes32
    kind: U32
    height: U63
    round: U32
    power: U63
    count: U63
    """Offences of this kind so far."""
