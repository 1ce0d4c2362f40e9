"""Receipts about the default fund: sizing, calls, payments, returns and draws.

Rule: data only. Every receipt contains the figures that its result was computed from.
"""

from enum import IntEnum

from clearing.base.codec import I64, U32, U63, Wire
from clearing.schema.terms.default import FundSizing

NOT_REQUESTED = 2**32 - 1
"""In place of a request's index: the deadline debited the money, without a request."""


class StressSizing(Wire, frozen=True):
    """What one stress scenario requires of the fund."""

    name: str
    shortfalls: tuple[tuple[U63, U63], ...]
    """(member, micros) of the three largest shortfalls, largest first, lowest id first among equals; no zeros."""
    cover_two: U63
    largest_or_next_two: U63


class ContributionSet(Wire, frozen=True):
    """One member's required contribution from now on."""

    member: U63
    exposure: U63
    required: U63
    micros: U63
    """Its current contribution."""
    margin: U63 = 0
    """Its initial margin now. `exposure` is this, or the remembered part of the last exposure where that is more."""


class FundSized(Wire, frozen=True, tag=130):
    """The required size of the fund, and each member's contribution.

    1. size = largest scenario size by `sizing`, minus `house_micros`, plus the buffer, rounded up.
    2. target = the largest of `sizes`.
    3. A member whose share by exposure is below the minimum contributes the minimum. The others share the rest by
       exposure.
    4. Each contribution is rounded up to a multiple of the step. The excess stays the member's own.
    5. An open call is reduced to what is missing now. An excess contribution is paid back after genesis's delay from
       here.
    """

    epoch: U63
    sizing: FundSizing
    scenarios: tuple[StressSizing, ...]
    house_micros: U63
    """What the house's own account bears before members do, as in the cover terms of a statement."""
    buffer_ppm: U32
    sizes: tuple[U63, ...]
    target: U63
    minimum_micros: U63
    step_micros: U63
    exposure_memory_ppm: U32
    parts: tuple[ContributionSet, ...]
    """Ordered by member."""


class FundCalled(Wire, frozen=True, tag=131):
    """A member is called for the missing part of its contribution."""

    member: U63
    account: U63
    """The account debited at the deadline, as far as it can pay, unless the member paid before."""
    micros: U63
    """The whole call, including the part called before."""
    required: U63
    contributed: U63
    deadline: U63
    replenishment: bool
    """Whether a draw on the fund caused the call."""


class FundPaid(Wire, frozen=True, tag=132):
    """A member paid into the fund, or the deadline debited what was there."""

    index: U32
    """Index of the request; NOT_REQUESTED at the deadline."""
    member: U63
    account: U63
    micros: U63
    contributed: U63
    """Its contribution afterwards."""
    missing: U63
    """What is still missing of the call afterwards."""
    lapsed: bool = False
    """Whether the deadline passed with something missing."""


class FundDebited(Wire, frozen=True, tag=138):
    """After the grace period, the missing part was debited from equity above maintenance margin. A `FundPaid` of the
    same amount follows.

    micros = min(missing, equity - maintenance margin). The account may then owe cash and is below initial margin: it is
    called like any other account.
    """

    member: U63
    account: U63
    micros: U63
    missing: U63
    """Before the debit."""
    equity: I64
    """Before the debit, without soft credit, and at the worst case of what has no open price."""
    initial: U63
    maintenance: U63


class FundReductionStarted(Wire, frozen=True, tag=139):
    """The grace period ended with something missing: positions are sold for it until `until_height`, then the member
    defaults."""

    member: U63
    account: U63
    missing: U63
    contributed: U63
    until_height: U63


class ReturnCause(IntEnum):
    """Why money was paid back."""

    BEYOND_PART = 1
    TOKEN_LEFT_GROUP = 2
    """A token left the fund's cash group: each contribution gave up cash for it pro rata and is
    returned in the token."""


class FundReturned(Wire, frozen=True, tag=133):
    """A member was paid back."""

    member: U63
    account: U63
    currency: U63
    amount: U63
    contributed: U63
    """Its contribution afterwards, in micros."""
    required: U63
    cause: ReturnCause
    surrendered: U63 = 0
    """Micros of the contribution that the departed token replaced."""


class FundDrawn(Wire, frozen=True, tag=134):
    """A contribution was used to bear a loss."""

    member: U63
    account: U63
    """The member's own account that the contribution would have been paid back to."""
    micros: U63
    left: U63
    cause: U63
    """The defaulter whose loss it bears."""
