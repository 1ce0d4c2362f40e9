"""What the API shows light clients, and answers to their evidence."""

from node.api.shapes import Body, Hash, Hex

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
    """What a node made of evidence: it goes into a block when a validator proposes next."""

    accused: tuple[AccusedView, ...]
