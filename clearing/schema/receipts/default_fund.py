"""What happened to the default fund: sized, called for, paid into, paid back, drawn on.

Rule: data only; every figure that the next one is computed from stands beside it.
"""

from enum import IntEnum

from clearing.base.codec import I64, U32, U63, Wire
from clearing.schema.terms.default import FundSizing

NOT_REQUESTED = 2**32 - 1
"""Stands for the index of a request where nobody asked: the money was taken at the deadline."""


class StressSizing(Wire, frozen=True):
    """What one stress scenario asks of the fund."""

    name: str
    shortfalls: tuple[tuple[U63, U63], ...]
    """(member, micros) of the three who lack most, the largest first, lowest id first among equals; none of zero."""
    cover_two: U63
    largest_or_next_two: U63


class ContributionSet(Wire, frozen=True):
    """What one member has to contribute from now on."""

    member: U63
    exposure: U63
    required: U63
    micros: U63
    """What it has in the fund."""
    margin: U63 = 0
    """Its initial margin now; `exposure` is this, or what is remembered of the last exposure if that is more."""


class FundSized(Wire, frozen=True, tag=130):
    """How large the fund has to be, and everybody's part.

    size = the largest of the scenarios' by `sizing`, less `house_micros`, more the buffer, rounded up; target = the
    largest of `sizes`. Who would have to pay less than the minimum by its exposure pays the minimum, the others share
    the rest by exposure; each part is rounded up to a multiple of the step, and what that is too much stays its own.
    A call that is open asks for no more than what is now missing; where a part has more than is required, the rest is
    paid back after the delay of genesis, counted from here.
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
    """A member is called for what is missing to its part."""

    member: U63
    account: U63
    """Which is debited at the deadline as far as it can be, unless the member has paid before."""
    micros: U63
    """All that it is called for now, what it was called for before included."""
    required: U63
    contributed: U63
    deadline: U63
    replenishment: bool
    """Whether the fund had been drawn on."""


class FundPaid(Wire, frozen=True, tag=132):
    """A member paid into the fund, or what was there was taken at the deadline."""

    index: U32
    """Of the request; NOT_REQUESTED at the deadline."""
    member: U63
    account: U63
    micros: U63
    contributed: U63
    """Afterwards."""
    missing: U63
    """Of what it was called for, afterwards."""
    lapsed: bool = False
    """Whether the deadline has passed with something missing."""


class FundDebited(Wire, frozen=True, tag=138):
    """After the grace, what is missing was debited above maintenance margin: `FundPaid` of the same amount follows.

    micros = the least of `missing` and equity less maintenance margin. The account may owe cash for it, and is then
    below initial margin: it is called like any.
    """

    member: U63
    account: U63
    micros: U63
    missing: U63
    """Before."""
    equity: I64
    """Before, without what is lent to it, and at the worst of what has no open price."""
    initial: U63
    maintenance: U63


class FundReductionStarted(Wire, frozen=True, tag=139):
    """The grace is over with something missing: positions are sold for it until a height, then it is a default."""

    member: U63
    account: U63
    missing: U63
    contributed: U63
    until_height: U63


class ReturnCause(IntEnum):
    """Why something was paid back."""

    BEYOND_PART = 1
    TOKEN_LEFT_GROUP = 2
    """A token left the fund's cash group: each part gave up cash for it in proportion, and is given the token."""


class FundReturned(Wire, frozen=True, tag=133):
    """A member got something back."""

    member: U63
    account: U63
    currency: U63
    amount: U63
    contributed: U63
    """Afterwards, in micros."""
    required: U63
    cause: ReturnCause
    surrendered: U63 = 0
    """Micros of the part that a token which left took the place of."""


class FundDrawn(Wire, frozen=True, tag=134):
    """A part was used to bear a loss."""

    member: U63
    account: U63
    """Its own, that the part would have been paid back to."""
    micros: U63
    left: U63
    cause: U63
    """What the loss is of: the defaulter's id."""
