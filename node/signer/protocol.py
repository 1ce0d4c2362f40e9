"""What the node asks of its signer and is answered: wire types in the canonical codec.

Rule: a request names the step and its value, never bytes to sign; a digest is made by who signs. Nothing else can be
asked for: no key, no envelope, nothing of another network.
"""

from enum import IntEnum
from typing import Annotated

import msgspec

from clearing.base.certificate import VoteKind
from clearing.base.codec import U32, U63, Bytes32, Wire
from consensus.messages import Extension, PolRound, Round


class RequestKind(IntEnum):
    """What is asked."""

    HELLO = 1
    """Who are you, of which network. Also asked to see whether the signer still lives."""
    VOTE = 2
    PROPOSAL = 3
    EXTENSION = 4


class VoteRequest(Wire, frozen=True):
    """A BLS share of a vote."""

    validators_hash: Bytes32
    kind: VoteKind
    height: U63
    round: Round
    value: Bytes32


class ProposalRequest(Wire, frozen=True):
    """The proposer's Ed25519 signature."""

    validators_hash: Bytes32
    height: U63
    round: Round
    pol_round: PolRound
    value: Bytes32


class ExtensionRequest(Wire, frozen=True):
    """The Ed25519 signature of a vote extension."""

    validators_hash: Bytes32
    height: U63
    round: Round
    value: Bytes32
    extension: Extension


class SignerHello(Wire, frozen=True):
    """Whose keys these are."""

    network: Bytes32
    envelope_key: Bytes32
    bls_key: Annotated[bytes, msgspec.Meta(min_length=48, max_length=48)]


class Request(Wire, frozen=True):
    """One question; `body` is the request of its kind, empty for HELLO."""

    number: U63
    kind: RequestKind
    body: bytes


class Answer(Wire, frozen=True):
    """To the request of this number: `data` when `code` is 0, else a stable code and why."""

    number: U63
    code: U32
    data: bytes
