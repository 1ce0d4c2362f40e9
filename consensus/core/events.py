"""Events and effects: the inputs of the core, and its requests to the caller.

Rule: an input states a fact, never what to do about it. Everything in it is authenticated; certificates and validity
are already established. An effect is a request or a report; the core never assumes that it was performed. The caller
performs effects in order and feeds the answers back as inputs.
"""

from dataclasses import dataclass
from typing import TypeAlias

from clearing.base.certificate import Certificate, VoteKind
from consensus.core.rules import Rule
from consensus.messages import Vote
from consensus.timeouts import TimerKind


@dataclass(frozen=True, slots=True)
class StartHeight:
    """Begin with round 0. A second one is ignored."""


@dataclass(frozen=True, slots=True)
class ProposalReceived:
    """A proposal by the proposer of its round; `valid` says whether its block is.

    `timely` says whether the time of a fresh block is not ahead of the own clock. Only an own prevote depends on it: a
    value with a polka was timely to a quorum.
    """

    round: int
    value: bytes
    pol_round: int
    valid: bool
    timely: bool = True


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


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule applied in this round, by its number: the line of the paper that it stands in."""

    line: Rule
    round: int


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Feed `TimeoutElapsed(kind, round)` back after this time."""

    kind: TimerKind
    round: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class GetValue:
    """Build a block and feed `ValueBuilt` back."""

    round: int


@dataclass(frozen=True, slots=True)
class Propose:
    """Sign and send this proposal, then feed it back as `ProposalReceived`."""

    round: int
    value: bytes
    pol_round: int
    certificate: Certificate | None


@dataclass(frozen=True, slots=True)
class CastVote:
    """Sign and send this vote (a precommit of a value with an extension), then feed it back as `VoteReceived`."""

    kind: VoteKind
    round: int
    value: bytes


@dataclass(frozen=True, slots=True)
class VerifyShares:
    """Aggregate and verify; feed `CertificateVerified` or, after bisecting, `SharesRefused` back."""

    kind: VoteKind
    round: int
    value: bytes
    shares: tuple[tuple[int, bytes], ...]
    """By validator index, ascending."""


@dataclass(frozen=True, slots=True)
class ShareCertificate:
    """Send the highest prevote certificate known to all: no validator may stay behind a lock that it cannot see."""

    certificate: Certificate


@dataclass(frozen=True, slots=True)
class FetchBlock:
    """A value is final but its block isn't here; its signers have it."""

    certificate: Certificate


@dataclass(frozen=True, slots=True)
class ReportDuplicate:
    """One validator voted twice in one step."""

    first: Vote
    second: Vote


@dataclass(frozen=True, slots=True)
class Decide:
    """The height is decided."""

    certificate: Certificate


Effect: TypeAlias = (
    Fired
    | SetTimer
    | GetValue
    | Propose
    | CastVote
    | VerifyShares
    | ShareCertificate
    | FetchBlock
    | ReportDuplicate
    | Decide
)
