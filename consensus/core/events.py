"""Inputs of the core. Everything in them is authenticated; certificates and validity are already established.

Rule: an input states a fact, never what to do about it.
"""

from dataclasses import dataclass
from typing import TypeAlias

from clearing.base.certificate import Certificate, VoteKind
from consensus.messages import Vote
from consensus.timeouts import TimerKind


@dataclass(frozen=True, slots=True)
class StartHeight:
    """Begin with round 0. A second one is ignored."""


@dataclass(frozen=True, slots=True)
class ProposalReceived:
    """A proposal by the proposer of its round; `valid` says whether its block is."""

    round: int
    value: bytes
    pol_round: int
    valid: bool


@dataclass(frozen=True, slots=True)
class VoteReceived:
    """A vote in a good envelope; its share is not verified."""

    vote: Vote
    seal: bytes = b""
    """The signature of that envelope: it proves a bad share. Empty for the own vote."""


@dataclass(frozen=True, slots=True)
class CertificateVerified:
    """A certificate of this height whose aggregate verified."""

    certificate: Certificate


@dataclass(frozen=True, slots=True)
class SharesRefused:
    """The shares of these validators for this value don't verify."""

    kind: VoteKind
    round: int
    value: bytes
    validators: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TimeoutElapsed:
    """A timer of the paper ran out."""

    kind: TimerKind
    round: int


@dataclass(frozen=True, slots=True)
class ValueBuilt:
    """The answer to `GetValue`."""

    round: int
    value: bytes


Input: TypeAlias = (
    StartHeight | ProposalReceived | VoteReceived | CertificateVerified | SharesRefused | TimeoutElapsed | ValueBuilt
)
