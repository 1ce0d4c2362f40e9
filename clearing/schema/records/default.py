"""Records of defaults and of the default fund: member status, defaults, bids, gains and contributions.

Rule: data only. The fund's money itself is in the ledger, on `clearing.state.ledger.FUND_ACCOUNT`.
"""

from enum import IntEnum

from clearing.base.codec import I64, U32, U63, Bytes32, Wire


class MemberStatus(IntEnum):
    """How a member stands. Members without a record are active."""

    ACTIVE = 0
    RESTRICTED = 1
    """It may reduce risk and bring collateral."""
    DEFAULTING = 2
    """Its default is under way: nothing is done in its name, but for what its clients sign themselves."""
    DEFAULTED = 3
    """Its default is over. What is left is its own; it may bring the fund's share, be taken in again, or leave."""
    LEFT = 4
    """It is a member no more. Final."""


class MemberStatusRecord(Wire, frozen=True):
    """A member's status, since when, and the last default that it was in (0: none)."""

    status: MemberStatus
    since_height: U63
    default: U63 = 0


class DefaultReason(IntEnum):
    """Why a default was declared."""

    DEFICIT = 1
    """Nothing was left to liquidate in an account, and cash was owed that the member's other money did not bring."""
    CALL_LAPSED = 2
    """A call was not met in time."""


class DefaultPhase(IntEnum):
    """How far a default is."""

    OPEN = 1
    """Bids are taken and clients ported."""
    ASSESSING = 2
    """The portfolio is closed; members have until the deadline to bring what they were assessed."""
    ENDED = 3


class DefaultRecord(Wire, frozen=True):
    """One default. Heights are of the last block in which something is still possible."""

    member: U63
    reason: DefaultReason
    account: U63
    """Whose failure began it."""
    phase: DefaultPhase
    declared_height: U63
    auction_height: U63
    """Bids are taken up to and including this block, and filled in it; 0: nothing was there to sell."""
    porting_height: U63
    """No client is closed out before the end of this block, so that it may be ported until then."""
    deadline_height: U63
    """By this block it has ended."""
    estate: U63
    """The member's own account that everything of its own was brought into."""
    own_accounts: tuple[U63, ...]
    """Its own accounts, ordered, the estate included. Empty: it has only clients."""
    client_accounts: tuple[U63, ...]
    """Its clients' accounts that were not ported, ordered, sub-accounts included."""
    last_margined_height: U63
    """The last block in which all its accounts covered initial margin."""
    last_margined_marks: tuple[tuple[U32, U63], ...]
    """(instrument, ticks) of that block: what gains since are counted from."""
    seniority: tuple[tuple[U63, U32], ...] = ()
    """(member, rank) after the auction: lower ranks pay first."""
    loss: U63 = 0
    """Micros to be borne, once they are known; what was borne so far stands in `borne`."""
    loss_borne: U63 = 0
    borne_by_layer: tuple[tuple[U32, U63], ...] = ()
    """(layer, micros) borne so far, in order."""
    contributions_used: tuple[tuple[U63, U63], ...] = ()
    """(member, micros) of survivors' contributions that bore some of it."""
    assessed: tuple[tuple[U63, U63], ...] = ()
    """(member, micros) to be taken at `assessment_height`."""
    assessment_height: U63 = 0
    ended_height: U63 = 0


class DefaultBidRecord(Wire, frozen=True):
    """A member's bid for what is left of a defaulter. The last one counts."""

    account: U63
    slices: U32
    ask_micros: I64
    """What it wants for one slice, beyond the value of options; negative: what it gives."""
    height: U63


class AssessmentRecord(Wire, frozen=True):
    """What a member was assessed since the period began."""

    since_height: U63
    micros: U63


class GainsWindow(Wire, frozen=True):
    """A member that does not cover all its initial margins: the last block in which it did, and the marks then."""

    height: U63
    marks: tuple[tuple[U32, U63], ...]


class PositionChangesRecord(Wire, frozen=True):
    """Changes of one account's positions since windows were opened, summed from window to window.

    Each: height of the newest window then, instrument, lots, lots x mark in ticks (two's complement).
    """

    changes: tuple[tuple[U63, U32, I64, Bytes32], ...]


class DefaultCounters(Wire, frozen=True):
    """How many defaults were declared so far, and how many are under way."""

    declared: U63
    open: tuple[U63, ...] = ()


class FundSizeRecord(Wire, frozen=True):
    """The last sizing, under 0."""

    epoch: U63
    """Of the statement that it followed."""
    height: U63
    target: U63
    """Micros that all members together have to contribute, before minimum and rounding."""
    recent_sizes: tuple[U63, ...]
    """Micros that the stress scenarios asked for in the last epochs, the newest last."""
    cash_group: U32
    """What contributions are cash of, as long as there are any."""
    house_micros: U63 = 0
    """What the house bears before members do."""
    scenario_sizes: tuple[tuple[U63, U63], ...] = ()
    """Both sizes of every stress scenario, in their order: cover two, and largest or next two."""
    next_review_height: U63 = 0
    """The first height at which a call lapses or something is paid back; 0: none."""


class ContributionRecord(Wire, frozen=True):
    """One member's part."""

    account: U63
    """The member's own account that it pays from, and that is paid back to."""
    micros: U63
    """What it has in the fund."""
    required: U63 = 0
    """What it has to have there."""
    exposure: U63 = 0
    """Micros of initial margin of all its accounts at the last sizing: what parts are in proportion to."""
    called: U63 = 0
    """What it was called for and has not paid."""
    deadline: U63 = 0
    """The height by which it has to; 0: no call."""
    lapsed: bool = False
    """Whether a deadline has passed already: the member is restricted until it has paid."""
    return_height: U63 = 0
    """The height at which what is beyond `required` is paid back; 0: nothing is."""
    reduction_started: bool = False
    """Whether the grace is over too: it is debited and sold for in every block until `deadline`."""
