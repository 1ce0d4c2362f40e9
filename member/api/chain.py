"""Headers, light blocks and validators, and the answer to evidence of an attack."""

from typing import Annotated

from msgspec import Meta

from clearing.base.validators import Validator
from member.api.types import Address, Body, Hash, Hex, Id, hexed

LIGHT_BLOCK_BYTES_MAX = 1 << 17
"""Of one encoded light block: two sets of 127 validators take half of it."""


class LightBlockView(Body, frozen=True):
    """One height for a light client. All but `block` is for reading: only what is in those bytes can be checked."""

    height: int
    hash: Hash
    time_ms: int
    validators_hash: Hash
    next_validators_hash: Hash
    block: Hex
    """Canonical MessagePack: header, certificate, its validator set, the set of the next height."""


class AccusedView(Body, frozen=True):
    """Whom evidence accuses of what."""

    envelope_key: Hex
    height: int
    round: int
    kind: str


class EvidenceResult(Body, frozen=True):
    """The node's judgement of evidence, which goes into the next block that this validator proposes."""

    accused: tuple[AccusedView, ...]


BlsKey = Annotated[str, Meta(pattern="^0x[0-9a-f]{96}$")]
BlsSignature = Annotated[str, Meta(pattern="^0x[0-9a-f]{192}$")]
EvmSignature = Annotated[str, Meta(pattern="^0x[0-9a-f]{130}$")]


class ValidatorView(Body, frozen=True):
    """One validator; its place in the list is its index."""

    envelope_key: Hash
    """Ed25519, also its peer id."""
    bls_key: BlsKey
    power: Id
    possession: BlsSignature
    """Proof that its owner knows the BLS key's secret."""
    evm_address: Address
    """Of the secp256k1 key that signs headers for vaults on chains without the BLS precompiles."""
    evm_possession: EvmSignature
    """Proof that its owner knows that key's secret."""


class VaultWaiting(Body, frozen=True):
    """A vault that was not seen to follow the change."""

    chain_id: Id
    vault: Address
    astray: bool = False
    """It was seen to follow another network's set."""


class ChangeView(Body, frozen=True):
    """A change of validators under way."""

    number: int
    made_at: int
    """Height of the block that made it; the header one above rotates the vaults."""
    effective_at: int
    waiting: tuple[VaultWaiting, ...]


class EntryView(Body, frozen=True):
    """A signed addition of validators, delayed until its time."""

    number: int
    after: Hash
    accepted_at: int
    """Height of the block that accepted it."""
    due_ms: int
    validators: tuple[ValidatorView, ...]
    """Those that are added or change."""


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
    """The validator sets after the decided height: `validators` is that of two heights on, where a change starts."""

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


class HeaderView(Body, frozen=True):
    """A certified header: readable, and the canonical bytes that a light client checks."""

    height: int
    hash: Hash
    time_ms: int
    state_root: Hash
    signers: tuple[int, ...]
    """Validator indices in the certificate."""
    round: int
    """In which the height was decided; 0: in the first."""
    header: Hex
    certificate: Hex


def validator_view(validator: Validator) -> ValidatorView:
    """One validator in JSON's terms."""
    return ValidatorView(
        envelope_key=hexed(validator.envelope_key),
        bls_key=hexed(validator.bls_key),
        power=validator.power,
        possession=hexed(validator.possession),
        evm_address=hexed(validator.evm_address),
        evm_possession=hexed(validator.evm_possession),
    )


EVIDENCE_BYTES_MAX = 3 * LIGHT_BLOCK_BYTES_MAX
