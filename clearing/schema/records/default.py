"""Records of defaults and of the default fund: member status, defaults, bids, gains and contributions.

Rule: data only. The fund's money itself is in the ledger, on `clearing.state.ledger.FUND_ACCOUNT`.
"""

from enum import IntEnum

from clearing.base.codec import I64, U32, U63, Bytes32, Wire


class MemberStatus(IntEnum):
    """Status of a member. Members without a record are active."""

    ACTIVE = 0
    RESTRICTED = 1
    """It may only reduce risk and deposit collateral."""
    DEFAULTING = 2
    """Its default is under way. Only requests that its clients sign themselves are accepted in its name."""
    DEFAULTED = 3
    """Its default is over. It keeps what is left, and may pay the fund's share, be readmitted, or leave."""
    LEFT = 4
    """It is no longer a member. Final."""


class MemberStatusRecord(Wire, frozen=True):
    """A member's status, since when, and its last default (0: none)."""

    status: MemberStatus
    since_height: U63
    default: U63 = 0


class DefaultReason(IntEnum):
    """Why a default was declared."""

    DEFICIT = 1
    """Nothing was left to liquidate in an account, and the member's other money did not cover the cash owed."""
    CALL_LAPSED = 2
    """A call was not met in time."""


class DefaultPhase(IntEnum):
    """Phase of a default."""

    OPEN = 1
    """Bids are accepted and clients ported."""
    ASSESSING = 2
    """The portfolio is closed. Members must pay their assessments by the deadline."""
    ENDED = 3


class DefaultRecord(Wire, frozen=True):
    """One default. Each height is the last block in which the step is still possible."""

    member: U63
    reason: DefaultReason
    account: U63
    """The account whose failure caused it."""
    phase: DefaultPhase
    declared_height: U63
    auction_height: U63
    """Bids are accepted up to and including this block, and filled in it; 0: there was nothing to sell."""
    porting_height: U63
    """Clients can be ported up to the end of this block. None is closed out before."""
    deadline_height: U63
    """The default has ended by this block."""
    estate: U63
    """The member's own account into which all its own accounts were merged."""
    own_accounts: tuple[U63, ...]
    """The member's own accounts and its affiliated clients', ordered, the estate included. Empty: it has only
    clients."""
    client_accounts: tuple[U63, ...]
    """Its clients' accounts that were not ported, ordered, sub-accounts included."""
    last_margined_height: U63
    """The last block in which all its accounts covered initial margin."""
    last_margined_marks: tuple[tuple[U32, U63], ...]
    """(instrument, ticks) of that block: gains are measured from these marks."""
    seniority: tuple[tuple[U63, U32], ...] = ()
    """(member, rank) after the auction: lower ranks pay first."""
    loss: U63 = 0
    """Loss in micros, once known. `loss_borne` is the part allocated so far."""
    loss_borne: U63 = 0
    borne_by_layer: tuple[tuple[U32, U63], ...] = ()
    """(layer, micros) borne so far, in order."""
    contributions_used: tuple[tuple[U63, U63], ...] = ()
    """(member, micros) of survivors' contributions used."""
    assessed: tuple[tuple[U63, U63], ...] = ()
    """(member, micros) to be debited at `assessment_height`."""
    assessment_height: U63 = 0
    ended_height: U63 = 0
    gains_fixed: U63 = 0
    """Micros of all gains as fixed at the declaration: see `GainsLiabilityRecord`."""
    lots_sold: tuple[tuple[U63, U32, I64], ...] = ()
    """(account, instrument, lots) that the auction sold: contracts that existed at the declaration."""
    liable: tuple[tuple[U63, U63], ...] = ()
    """(member, its required contribution) at the declaration, where the terms hold what may be assessed."""
    reveal_height: U63 = 0
    """Sealed bids are committed before this block, and revealed from it on; 0: bids are open."""
    absence_charges: tuple[tuple[U63, U63], ...] = ()
    """(member, micros) of contributions that bear the loss before any other survivor's, ordered by member."""
    allocated_height: U63 = 0
    """The block in which the loss was allocated to the first layers; 0: it was not yet."""


class DefaultBidRecord(Wire, frozen=True):
    """A member's bid for a defaulter's portfolio. The last one counts."""

    account: U63
    slices: U32
    ask_micros: I64
    """What it asks for one slice, beyond the value of options; negative: what it pays."""
    height: U63
    """Of the bid, or of its commitment."""
    commitment: Bytes32 = bytes(32)
    """Of a sealed bid; zeros: the bid was open."""
    revealed: bool = False
    """Whether slices and ask are those that were committed to; before, both are 0."""

    @property
    def is_readable(self) -> bool:
        """Whether slices and ask are known: an open bid, or a revealed one."""
        return self.revealed or not any(self.commitment)


class AssessmentRecord(Wire, frozen=True):
    """What a member was assessed since the period began."""

    since_height: U63
    micros: U63


class GainsWindow(Wire, frozen=True):
    """A member that does not cover all its initial margins: the last block in which it did, and the marks then."""

    height: U63
    marks: tuple[tuple[U32, U63], ...]


class GainsLiabilityRecord(Wire, frozen=True):
    """What an account gained until a default was declared: the most that it bears of the loss."""

    micros: U63


class PositionChangesRecord(Wire, frozen=True):
    """Changes of one account's positions since windows were opened, summed from window to window.

    Each entry: height of the newest window then, instrument, lots, lots x mark in ticks (two's complement).
    """

    changes: tuple[tuple[U63, U32, I64, Bytes32], ...]


class DefaultCounters(Wire, frozen=True):
    """How many defaults were declared so far, and how many are under way."""

    declared: U63
    open: tuple[U63, ...] = ()


class FundSizeRecord(Wire, frozen=True):
    """The last sizing, under key 0."""

    epoch: U63
    """Epoch of the statement that it followed."""
    height: U63
    target: U63
    """Micros that all members together must contribute, before minimum and rounding."""
    recent_sizes: tuple[U63, ...]
    """Micros that the stress scenarios required in the last epochs, newest last."""
    cash_group: U32
    """Cash group of the contributions, as long as there are any."""
    house_micros: U63 = 0
    """What the house bears before members do."""
    scenario_sizes: tuple[tuple[U63, U63], ...] = ()
    """Both sizes of every stress scenario, in their order: cover two, and largest or next two."""
    next_review_height: U63 = 0
    """The first height at which a call lapses or money is paid back; 0: none."""


class ContributionRecord(Wire, frozen=True):
    """One member's contribution to the default fund."""

    account: U63
    """The member's own account that pays contributions and receives returns."""
    micros: U63
    """Its current contribution."""
    required: U63 = 0
    """Its required contribution."""
    exposure: U63 = 0
    """Micros of initial margin of all its accounts at the last sizing: the weight of its share."""
    called: U63 = 0
    """The open call: called and not paid."""
    deadline: U63 = 0
    """Height of the call's deadline; 0: no call."""
    lapsed: bool = False
    """Whether the deadline has passed: the member is restricted until it has paid."""
    return_height: U63 = 0
    """The height at which the excess over `required` is paid back; 0: none is."""
    reduction_started: bool = False
    """Whether the grace period has passed too: every block until `deadline` debits the account and sells positions."""


class FundAllowance(Wire, frozen=True):
    """What the fund was sized for of one member, by stress scenario in their order, in micros."""

    sized: tuple[U63, ...]
    """What it lacked at the last sizing."""
    paid_for: tuple[U63, ...]
    """The same at the last sizing whose contribution it has paid: it counts until the newer one is paid."""
    called: U63 = 0
    """Part of its required contribution: called for what it lacked more since then."""
