"""The messages between validators: wire types, what is signed of each, and the envelope around every message.

Rule: a vote carries nothing that differs from signer to signer but its share and its extension, so that one aggregate
exists. Everything signed is tagged and contains the network id. Decoding is typed and bounded; nothing is checked here
beyond form and envelope.
"""

from enum import IntEnum
from typing import Annotated, TypeAlias

import msgspec

from clearing.base.certificate import Certificate, VoteKind
from clearing.base.codec import U32, U63, Bytes32, Bytes64, Bytes96, Wire, decode, encode, u256
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.hashing import sha256, tagged_hash
from clearing.base.header import Header
from clearing.base.ids import Hash32
from clearing.base.validators import ValidatorSet

ENVELOPE_TAG = "crossclear/envelope/v1"
PROPOSAL_TAG = "crossclear/proposal/v1"
EXTENSION_TAG = "crossclear/extension/v1"
EXTENSION_DATA_MAX = 4096
BLOCK_BYTES_MAX = 4 << 20
"""Of a payload."""
BLOCK_SURROUNDINGS_MAX = 3 << 19
"""Bytes of a block beside its payload: 256 of the longest extensions, certificates, header, evidence."""
EVIDENCE_BYTES_MAX = 1 << 17
"""Of all that a block carries of it."""
BLOCKS_PER_RESPONSE_MAX = 64
EVIDENCE_PER_BLOCK_MAX = 8
"""Of each kind."""
EVIDENCE_POLKAS_MAX = 4
HAVE_STEPS_MAX = 3
ROUND_MAX = 2**31 - 1

Round = Annotated[int, msgspec.Meta(ge=0, le=ROUND_MAX)]
PolRound = Annotated[int, msgspec.Meta(ge=-1, le=ROUND_MAX)]
"""A round whose prevote certificate a proposal cites, -1 for none."""


class Extension(Wire, frozen=True):
    """What a validator adds to its precommit: its own clock and the application's opaque bytes (may be empty)."""

    time_ms: U63
    data: Annotated[bytes, msgspec.Meta(max_length=EXTENSION_DATA_MAX)]


class SignedExtension(Wire, frozen=True):
    """An extension with the Ed25519 signature over (network, set, height, round, value, extension)."""

    validator: U32
    extension: Extension
    signature: Bytes64


class Vote(Wire, frozen=True):
    """One prevote or precommit. `extension` is there exactly for a precommit of a value."""

    kind: VoteKind
    height: U63
    round: Round
    value: Bytes32
    validator: U32
    share: Bytes96
    extension: SignedExtension | None = None


class DuplicateVote(Wire, frozen=True):
    """Proof that one validator voted for two values in one step: both BLS shares."""

    validators_hash: Bytes32
    kind: VoteKind
    height: U63
    round: Round
    validator: U32
    first_value: Bytes32
    first_share: Bytes96
    second_value: Bytes32
    second_share: Bytes96


class DuplicateProposal(Wire, frozen=True):
    """Proof that one proposer proposed two values in one round: both proposal signatures."""

    validators_hash: Bytes32
    height: U63
    round: Round
    validator: U32
    first_pol_round: PolRound
    first_value: Bytes32
    first_signature: Bytes64
    second_pol_round: PolRound
    second_value: Bytes32
    second_signature: Bytes64


class BadShare(Wire, frozen=True):
    """Proof that a validator sent a vote whose share does not verify: the envelope, which it signed around it."""

    vote: Vote
    signature: Bytes64
    """Of the envelope whose body is the vote."""


class ConflictingSignatures(Wire, frozen=True):
    """Proof against all that signed both: aggregates, of a quorum or of one, over statements that no honest validator
    signs both of.

    Either two values of one step, the lower first; or a precommit of a value and a later prevote of another (amnesia),
    with a polka of each round between them, none of which could have opened the lock.
    """

    first: Certificate
    second: Certificate
    polkas: Annotated[tuple[Certificate, ...], msgspec.Meta(max_length=EVIDENCE_POLKAS_MAX)] = ()


class ForeignCertificate(Wire, frozen=True):
    """Proof against all signers that were validators at `known_at`: signatures for a set that the height never had."""

    known_at: U63
    certificate: Certificate
    validators: ValidatorSet


class Evidence(Wire, frozen=True):
    """What a block reports about faulty validators."""

    votes: Annotated[tuple[DuplicateVote, ...], msgspec.Meta(max_length=EVIDENCE_PER_BLOCK_MAX)] = ()
    proposals: Annotated[tuple[DuplicateProposal, ...], msgspec.Meta(max_length=EVIDENCE_PER_BLOCK_MAX)] = ()
    shares: Annotated[tuple[BadShare, ...], msgspec.Meta(max_length=EVIDENCE_PER_BLOCK_MAX)] = ()
    conflicts: Annotated[tuple[ConflictingSignatures, ...], msgspec.Meta(max_length=EVIDENCE_PER_BLOCK_MAX)] = ()
    foreign: Annotated[tuple[ForeignCertificate, ...], msgspec.Meta(max_length=1)] = ()


class Block(Wire, frozen=True):
    """One height: header, the application's payload, and the certificate of the parent."""

    header: Header
    payload: bytes
    last_commit: Certificate | None
    extended_commit: Annotated[tuple[SignedExtension, ...], msgspec.Meta(max_length=256)]
    evidence: Evidence


class Proposal(Wire, frozen=True):
    """A block for a round. `certificate` is the prevote certificate of `pol_round`, there exactly when it is >= 0."""

    height: U63
    round: Round
    pol_round: PolRound
    block: Block
    certificate: Certificate | None
    signature: Bytes64


class CertificateMessage(Wire, frozen=True):
    """A quorum certificate; that of a final value comes with its extensions."""

    certificate: Certificate
    extensions: Annotated[tuple[SignedExtension, ...], msgspec.Meta(max_length=256)] = ()


class EvidenceMessage(Wire, frozen=True):
    """Evidence that no block carries yet, for the next proposers."""

    evidence: Evidence


class LateExtension(Wire, frozen=True):
    """An own extension of the last decided height, sent (again) to a proposer that may lack it."""

    height: U63
    round: U32
    """Of the certificate that it is signed for."""
    extension: SignedExtension


class Status(Wire, frozen=True):
    """The highest height that the sender has decided."""

    height: U63


class LinkList(Wire, frozen=True):
    """The validators that the sender hears without a relay: bit i of `linked` is for validator i of that set."""

    number: U63
    """Higher in each later list of the sender."""
    validators_hash: Bytes32
    linked: Bytes32


class StepVotes(Wire, frozen=True):
    """The votes of one step that the sender has: bit i of `voters` is for validator i."""

    round: Round
    kind: VoteKind
    voters: Bytes32
    certified: bool
    """Whether the sender has a certificate of a value in this step."""


class HaveList(Wire, frozen=True):
    """What the sender has of a height, sent when it lacks something. Receivers answer with what it lacks."""

    height: U63
    steps: Annotated[tuple[StepVotes, ...], msgspec.Meta(max_length=HAVE_STEPS_MAX)]
    polka_round: PolRound
    """Of the highest prevote certificate that it has."""


class UndecidedBlockRequest(Wire, frozen=True):
    """A request for a proposal of this value in the running height."""

    height: U63
    value: Bytes32


class BlockRequest(Wire, frozen=True):
    """A request for decided blocks from this height on."""

    first: U63
    count: Annotated[int, msgspec.Meta(ge=1, le=BLOCKS_PER_RESPONSE_MAX)]


class CommittedBlock(Wire, frozen=True):
    """A block with its certificate and extensions, which let a receiver propose the next block."""

    block: Block
    certificate: Certificate
    extensions: Annotated[tuple[SignedExtension, ...], msgspec.Meta(max_length=256)]


class BlockResponse(Wire, frozen=True):
    """Consecutive decided blocks; fewer than requested, or none, if they are long or missing."""

    blocks: Annotated[tuple[CommittedBlock, ...], msgspec.Meta(max_length=BLOCKS_PER_RESPONSE_MAX)]


class MessageKind(IntEnum):
    """The kind of message in an envelope."""

    VOTE = 1
    PROPOSAL = 2
    CERTIFICATE = 3
    STATUS = 4
    BLOCK_REQUEST = 5
    BLOCK_RESPONSE = 6
    EVIDENCE = 7
    LATE_EXTENSION = 8
    LINK_LIST = 9
    # Between a node that joins and its peers (`consensus.sync.messages`); they do not reach the replica.
    SNAPSHOTS_REQUEST = 10
    SNAPSHOT_OFFERS = 11
    CHUNK_REQUEST = 12
    CHUNK_RESPONSE = 13
    LIGHT_REQUEST = 14
    LIGHT_RESPONSE = 15
    # Of the replica again.
    HAVE_LIST = 16
    PROPOSAL_REQUEST = 17


Message: TypeAlias = (
    Vote
    | Proposal
    | CertificateMessage
    | Status
    | BlockRequest
    | BlockResponse
    | EvidenceMessage
    | LateExtension
    | LinkList
    | HaveList
    | UndecidedBlockRequest
)

_BODIES: dict[MessageKind, tuple[type[Message], int]] = {
    MessageKind.VOTE: (Vote, EXTENSION_DATA_MAX + 1024),
    MessageKind.PROPOSAL: (Proposal, BLOCK_BYTES_MAX + BLOCK_SURROUNDINGS_MAX),
    MessageKind.CERTIFICATE: (CertificateMessage, 256 * (EXTENSION_DATA_MAX + 256) + 1024),
    MessageKind.STATUS: (Status, 64),
    MessageKind.BLOCK_REQUEST: (BlockRequest, 64),
    MessageKind.BLOCK_RESPONSE: (BlockResponse, 2 * BLOCK_BYTES_MAX),
    MessageKind.EVIDENCE: (EvidenceMessage, EVIDENCE_BYTES_MAX),
    MessageKind.LATE_EXTENSION: (LateExtension, EXTENSION_DATA_MAX + 256),
    MessageKind.LINK_LIST: (LinkList, 128),
    MessageKind.HAVE_LIST: (HaveList, 256),
    MessageKind.PROPOSAL_REQUEST: (UndecidedBlockRequest, 64),
}
_KINDS: dict[type[Message], MessageKind] = {body: kind for kind, (body, _) in _BODIES.items()}
ENVELOPE_BYTES_MAX = 2 * BLOCK_BYTES_MAX + 256


class Envelope(Wire, frozen=True):
    """A message with its sender's Ed25519 signature."""

    sender: Bytes32
    kind: MessageKind
    body: bytes
    signature: Bytes64


def kind_of(message: Message) -> MessageKind:
    """The envelope kind of a message."""
    return _KINDS[type(message)]


def envelope_digest(network: bytes, sender: bytes, kind: MessageKind, body: bytes) -> Hash32:
    """The digest of an envelope, which the sender signs."""
    return tagged_hash(ENVELOPE_TAG, network, sender, u256(kind), sha256(body))


def proposal_digest(
    network: bytes, validators_hash: bytes, height: int, round_: int, pol_round: int, value: bytes
) -> Hash32:
    """The signed digest of a proposal: two of them in one round are evidence without their blocks."""
    return tagged_hash(PROPOSAL_TAG, network, validators_hash, u256(height), u256(round_), u256(pol_round + 1), value)


def extension_digest(
    network: bytes, validators_hash: bytes, height: int, round_: int, value: bytes, extension: Extension
) -> Hash32:
    """The digest of a vote extension, which the validator signs."""
    return tagged_hash(EXTENSION_TAG, network, validators_hash, u256(height), u256(round_), value, encode(extension))


def read_envelope(data: bytes) -> Envelope:
    """Decode an envelope; its signature is not checked. Raises RemoteFault."""
    return decode(data, Envelope, ENVELOPE_BYTES_MAX)


def read_message(envelope: Envelope) -> Message:
    """Decode an envelope's body within the limit of its kind. Raises RemoteFault."""
    if envelope.kind not in _BODIES:
        raise RemoteFault(BaseCode.WRONG_KIND, "message", kind=int(envelope.kind))
    body, limit = _BODIES[envelope.kind]
    message: Message = decode(envelope.body, body, limit)
    return message
