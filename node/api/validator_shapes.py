"""Validators as the API shows them.

Rule: as in `node.api.shapes`. All of it is public: sets are in headers, changes and proofs of misbehaviour in blocks.
"""

from typing import Annotated

from msgspec import Meta

from node.api.shapes import Address, Body, Hash, Id

BlsKey = Annotated[str, Meta(pattern="^0x[0-9a-f]{96}$")]
BlsSignature = Annotated[str, Meta(pattern="^0x[0-9a-f]{192}$")]


class ValidatorView(Body, frozen=True):
    """One validator; its place in the list is its index."""

    envelope_key: Hash
    """Ed25519, also its peer id."""
    bls_key: BlsKey
    power: Id
    possession: BlsSignature
    """Proof that its owner knows the BLS key's secret."""


class VaultWaiting(Body, frozen=True):
    """A vault that was not seen to follow the change."""

    chain_id: Id
    vault: Address
    astray: bool = False
    """It was seen to follow a set that is not ours."""


class ChangeView(Body, frozen=True):
    """A change of validators under way."""

    number: int
    made_at: int
    """Height of the block that made it; the header one above rotates the vaults."""
    effective_at: int
    waiting: tuple[VaultWaiting, ...]


class EntryView(Body, frozen=True):
    """A signed change that gives somebody a voice and waits for its time."""

    number: int
    after: Hash
    accepted_at: int
    """Height of the block that took it."""
    due_ms: int
    validators: tuple[ValidatorView, ...]
    """Those who come or change."""


class OffenceView(Body, frozen=True):
    """What was proven of one kind against one key."""

    envelope_key: Hash
    kind: str
    count: int
    height: int
    """Of the offence noted last."""
    power: int
    noted_at: int


class ValidatorsView(Body, frozen=True):
    """Who agrees after the decided height: `validators` is the set of two heights on, which a change starts from."""

    network: Hash
    height: int
    number: int
    """Of the set, 0 for genesis."""
    hash: Hash
    total_power: int
    validators: tuple[ValidatorView, ...]
    agreeing_hash: Hash
    """Of the set of the height that is being decided; the same but for a few heights after a change."""
    change: ChangeView | None = None
    entry: EntryView | None = None
    offences: tuple[OffenceView, ...] = ()
