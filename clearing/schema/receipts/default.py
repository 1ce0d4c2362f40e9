"""Receipts about defaults: declaration, auction, takeovers and loss allocation, layer by layer.

Rule: data only, and enough to recompute every step. Amounts are in micros, prices in ticks, positions in lots.
"""

from enum import IntEnum

from clearing.base.codec import I64, U32, U63, Bytes32, Wire
from clearing.schema.records.default import DefaultReason, MemberStatus


class MovedPosition(Wire, frozen=True):
    """Signed lots of one instrument that the account received at the mark, and the cash that it received for them.

    Only options have a value at the mark. Negative: the account paid.
    """

    instrument: U32
    lots: I64
    mark_ticks: U63
    received: I64


class MemberStatusChanged(Wire, frozen=True, tag=110):
    """A member's status changed."""

    member: U63
    before: MemberStatus
    after: MemberStatus
    default: U63


class DeficitCured(Wire, frozen=True, tag=111):
    """Other money of the same member paid what an account failed on, so no default was declared.

    That is the account's debts, its shortfall to initial margin, and open fund calls. `paid`: (account, cash group,
    micros) ordered by account and group. `deficits` and `paid` have equal sums.
    """

    member: U63
    account: U63
    deficits: tuple[tuple[U32, U63], ...]
    """(cash group, micros)."""
    paid: tuple[tuple[U63, U32, U63], ...]


class DefaultDeclared(Wire, frozen=True, tag=112):
    """A member is in default. Its own accounts are merged into the estate."""

    number: U63
    member: U63
    reason: DefaultReason
    account: U63
    estate: U63
    own: tuple[U63, ...]
    clients: tuple[U63, ...]
    deficits: tuple[tuple[U63, U32, U63], ...]
    """(account, cash group, micros owed)."""
    margined_height: U63
    auction_height: U63
    porting_height: U63
    deadline_height: U63
    reveal_height: U63 = 0
    """Sealed bids are committed before this block, and revealed from it on; 0: bids are open."""


class EstatePooled(Wire, frozen=True, tag=113):
    """What one of the member's own accounts transferred to the estate: (currency, amount), negative cash being its
    debt, and lots."""

    number: U63
    account: U63
    estate: U63
    money: tuple[tuple[U63, I64], ...]
    positions: tuple[tuple[U32, I64], ...]


class DefaultBidTaken(Wire, frozen=True, tag=114):
    """A bid, a commitment to one, or its reveal was accepted. It replaces an earlier one of the same member."""

    index: U32
    number: U63
    member: U63
    account: U63
    slices: U32
    ask_micros: I64
    commitment: Bytes32 = bytes(32)
    """Of a sealed bid; zeros: the bid was open."""
    revealed: bool = False
    """Of a sealed bid: false, with 0 slices for an ask of 0, while the bid is secret."""


class PortfolioSold(Wire, frozen=True, tag=115):
    """A bid was filled with slices `first` to `first + slices` of the `of_slices`, cheapest bid first.

    Of each position q the buyer took q x (first + slices) // of_slices - q x first // of_slices lots, both rounded
    towards zero, at the mark. `paid`: slices x ask, from the estate; negative: to it.
    """

    number: U63
    member: U63
    account: U63
    first: U32
    slices: U32
    of_slices: U32
    wanted: U32
    ask_micros: I64
    paid: I64
    positions: tuple[MovedPosition, ...]


class BiddersRanked(Wire, frozen=True, tag=116):
    """The seniority of contributions after the auction: each member's share of the slices, its bid, and its rank.

    Rank 0: no bid, or an ask above `good_ask`. Rank 1: a good bid, but for less than its share, or for more than it can
    carry. Rank 2: a good bid for its share. Shares are in proportion to required contributions, rounded down.
    """

    number: U63
    sold: U32
    of_slices: U32
    competitive_ask: I64
    members: tuple[tuple[U63, U32, U32, I64, U32], ...]
    """(member, share, slices bid, ask, rank)."""
    portfolio: tuple[tuple[U32, I64], ...]
    """(instrument, lots) that were for sale."""
    slice_margin: U63
    """Initial margin of the portfolio alone, divided by the number of slices, rounded down."""
    tolerance_ppm: U32
    """`good_ask` is the highest ask filled (0: none was) plus this fraction of `slice_margin`, rounded down."""
    required: tuple[tuple[U63, U63], ...]
    """(member, micros): the weights of the shares."""
    carried: tuple[U63, ...]
    """Members that could carry all that they bid for, including what was sold before their turn; ordered."""
    reserve_ask: U63 = 0
    """The highest ask for a slice that fulfils the duty to bid."""
    own_money_ask: U63 = 0
    """The highest ask for a slice that is paid: what the slice's part of the defaulter's own money pays, and never more
    than `reserve_ask`."""
    unrevealed: tuple[U63, ...] = ()
    """Members whose commitment was not revealed, ordered. It is no bid."""
    absence_charges: tuple[tuple[U63, U63], ...] = ()
    """(member, micros) of contributions that bear the loss before any other survivor's: of members that had to bid for
    their share and did not, or did not reveal their bid; ordered."""
    uncovered: tuple[U63, ...] = ()
    """Members that could margin all that they bid for, but would lack more under stress than the fund was sized for;
    ordered. They have rank 1 and fulfil the duty to bid."""


class ClientRescued(Wire, frozen=True, tag=117):
    """A defaulter's client was ported to another member, with its sub-accounts and their contents."""

    index: U32
    number: U63
    account: U63
    to_member: U63
    children: tuple[U63, ...]


class Deleveraged(Wire, frozen=True, tag=118):
    """Positions were closed at the last mark against the counterparties with the highest profit and leverage (ADL).

    `account` gave `lots` of the instrument. `counterparties`: (account, profit, equity, notional, lots, received), in
    order of profit x notional / equity, highest first, then by account. Profit is what it gained since
    `margined_height`.
    """

    number: U63
    account: U63
    instrument: U32
    lots: I64
    mark_ticks: U63
    counterparties: tuple[tuple[U63, I64, I64, U63, I64, I64], ...]


class HouseTakeover(Wire, frozen=True, tag=119):
    """The house took positions over at the mark. Its capital covers their initial margin."""

    number: U63
    account: U63
    positions: tuple[MovedPosition, ...]


class ClientClosedOut(Wire, frozen=True, tag=120):
    """A client that was not ported was closed out. It keeps what is left; what it owes adds to its member's loss."""

    number: U63
    account: U63
    cash: tuple[tuple[U32, I64], ...]


class CollateralTaken(Wire, frozen=True, tag=121):
    """The house bought collateral at its value after haircut, to pay debts. `returned` goes back to the account."""

    number: U63
    account: U63
    currency: U63
    units: U63
    micros_per_unit: U63
    counted_micros: U63
    """The part of units x micros_per_unit that pays debts."""
    cash_group: U32
    returned: U63
    """The rest of the last unit, in cash of this group."""


class WaterfallLayer(IntEnum):
    """Layers of the waterfall, in the order in which they pay."""

    OWN_MARGIN = 1
    OWN_CONTRIBUTION = 2
    HOUSE_CAPITAL = 3
    SURVIVORS = 4
    ASSESSMENTS = 5
    GAINS = 6
    TEAR_UP = 7
    """What the layers listed cannot bear. It has no shares."""
    CLAIMS = 8
    """Last: every claim on cash of the group in which something is owed."""


class LossShare(Wire, frozen=True):
    """What one payer bears in a layer: in proportion to `weight`, at most `cap`."""

    payer: U63
    """A member id; an account id in GAINS and CLAIMS."""
    weight: U63
    cap: U63
    amount: U63


class LayerAllocation(Wire, frozen=True):
    """One layer, used whole or in part."""

    layer: WaterfallLayer
    loss_before: U63
    """Loss left before this layer."""
    loss_borne: U63
    shares: tuple[LossShare, ...]
    """Every payer of the layer, including those that bear nothing; ordered by payer."""


class LossAllocated(Wire, frozen=True, tag=122):
    """The loss of a default and the layers that bore it. `clearing.default.waterfall.allocate_capped` computes the
    shares."""

    number: U63
    member: U63
    loss: U63
    """Loss still to be allocated."""
    deficits: tuple[tuple[U63, U32, U63], ...]
    """(account, cash group, micros)."""
    steps: tuple[LayerAllocation, ...]
    paid: tuple[tuple[U32, U63, U32, U63], ...]
    """(layer, account, cash group, micros) paid to the house, which pays the deficits with it.

    Cash group 0: tokens, see `CollateralTaken`. Default fund contributions: see `FundDrawn`.
    """


class AssessmentsCalled(Wire, frozen=True, tag=123):
    """Members were assessed: they must pay this by the block at `deadline_height`, which debits what is missing."""

    number: U63
    deadline_height: U63
    members: tuple[tuple[U63, U63], ...]


class AssessmentTaken(Wire, frozen=True, tag=124):
    """A member's assessment was debited from its own accounts, free cash first, in order of account.

    `paid`: (account, cash group, micros). The last account may owe cash afterwards, as after any payment.
    """

    number: U63
    member: U63
    micros: U63
    paid: tuple[tuple[U63, U32, U63], ...]


class PositionsTornUp(Wire, frozen=True, tag=125):
    """Lots of an account and of its counterparties were closed at the last mark: the fewest that its margin needed.

    `positions`: (account, lots, received), the account first, then its counterparties by rank. The lots sum to zero.
    """

    number: U63
    instrument: U32
    mark_ticks: U63
    positions: tuple[tuple[U63, I64, I64], ...]
    shortfall: U63 = 0
    """What the account lacked of initial margin after its gains were cut, in micros."""


class DefaultEnded(Wire, frozen=True, tag=126):
    """A default ended. `loss` = sum of `by_layer` (layer, micros) + `house`, which bears the rest."""

    number: U63
    member: U63
    loss: U63
    by_layer: tuple[tuple[U32, U63], ...]
    house: U63
    replenished: tuple[tuple[U63, U63], ...]
    """(member, micros) that survivors are called for again."""
    replenishment_height: U63


class MemberReadmitted(Wire, frozen=True, tag=127):
    """A defaulted member is active again."""

    index: U32
    member: U63
    number: U63


class MemberLeft(Wire, frozen=True, tag=128):
    """A member left permanently."""

    index: U32
    member: U63


class AffiliateGainsTaken(Wire, frozen=True, tag=186):
    """What the defaulter's affiliates elsewhere gained since it last covered its margins, paid to its estate before
    anybody else bears the loss."""

    number: U63
    owed: U63
    """What the estate and the clients owed beyond what they had."""
    paid: tuple[tuple[U63, U63, U63], ...]
    """(account, gained, paid), ordered by account."""


class PortedToStandby(Wire, frozen=True, tag=196):
    """A defaulter's client was ported to its standby member at the declaration, with its sub-accounts."""

    number: U63
    account: U63
    to_member: U63
    children: tuple[U63, ...]


class StandbyNotTaken(Wire, frozen=True, tag=197):
    """A client's standby member may not take it over; others may, while clients are ported."""

    number: U63
    account: U63
    standby: U63
    code: U32
    """Why, as the code of a refusal."""
