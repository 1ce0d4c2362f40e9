"""The requests of the core. The caller performs effects in order and feeds the answers back as inputs.

Rule: an effect is a request or a report; the core never assumes that it was performed.
"""

from dataclasses import dataclass
from typing import TypeAlias

from clearing.base.certificate import Certificate, VoteKind
from consensus.core.rules import Rule
from consensus.messages import Vote
from consensus.timeouts import TimerKind


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
