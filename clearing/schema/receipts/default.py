"""Receipts about defaults: who could not pay, who took what over, and who bore what and why, layer by layer.

Rule: data only, and enough to compute every step again. Amounts are in micros, prices in ticks, positions in lots.
"""

from enum import IntEnum

from clearing.base.codec import I64, U32, U63, Wire
from clearing.schema.records.default import DefaultReason, MemberStatus


class MovedPosition(Wire, frozen=True):
    """Signed lots of one instrument that passed to the account at the mark, and the cash that it received for them.

    Only options have a value at the mark; negative: it paid.
    """

    instrument: U32
    lots: I64
    mark_ticks: U63
    received: I64


class MemberStatusChanged(Wire, frozen=True, tag=110):
    """A member stands otherwise than before."""

    member: U63
    before: MemberStatus
    after: MemberStatus
    default: U63


class DeficitCured(Wire, frozen=True, tag=111):
    """What an account failed on was paid out of other money of the same member: no default.

    That is its debts, and so much more that it covers its initial margin and what the fund calls for. `paid`:
    (account, cash group, micros) in order of account and group; both sum to the same.
    """

    member: U63
    account: U63
    deficits: tuple[tuple[U32, U63], ...]
    """(cash group, micros)."""
    paid: tuple[tuple[U63, U32, U63], ...]


class DefaultDeclared(Wire, frozen=True, tag=112):
    """A member cannot pay. Its own accounts are brought together in the estate."""

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


class EstatePooled(Wire, frozen=True, tag=113):
    """What one of the member's own accounts gave to the estate: (currency, amount; negative cash: its debt), lots."""

    number: U63
    account: U63
    estate: U63
    money: tuple[tuple[U63, I64], ...]
    positions: tuple[tuple[U32, I64], ...]


class DefaultBidTaken(Wire, frozen=True, tag=114):
    """A bid stands, in place of an earlier one of the same member."""

    index: U32
    number: U63
    member: U63
    account: U63
    slices: U32
    ask_micros: I64


class PortfolioSold(Wire, frozen=True, tag=115):
    """A bid was filled: slices `first` to `first + slices` of the `of_slices`, cheapest bid first.

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
    """Whose contributions are used first: each member's share of the slices, what it bid for them, and its rank.

    0: no bid, or one beyond `good_ask`; 1: good, but for less than its share, or more than it can carry; 2: for its
    share. Shares are in proportion to required contributions, rounded down.
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
    """Initial margin of the portfolio alone, divided by the slices and rounded down."""
    tolerance_ppm: U32
    """`good_ask` is the dearest ask filled (0: none was), and so much of `slice_margin`, rounded down."""
    required: tuple[tuple[U63, U63], ...]
    """(member, micros): the weights of the shares."""
    carried: tuple[U63, ...]
    """Members that could carry all that they bid for, also what was sold before their turn; ordered."""


class ClientRescued(Wire, frozen=True, tag=117):
    """A defaulter's client passed to another member, with its sub-accounts, as they are."""

    index: U32
    number: U63
    account: U63
    to_member: U63
    children: tuple[U63, ...]


class Deleveraged(Wire, frozen=True, tag=118):
    """Positions ended at the last mark, against those who have the most of the other side at the most leverage.

    `account` gave `lots` of the instrument. `by`: (account, profit, equity, notional, lots, received): in order of
    profit x notional / equity, highest first, then by account; profit is what it gained since `margined_height`.
    """

    number: U63
    account: U63
    instrument: U32
    lots: I64
    mark_ticks: U63
    counterparties: tuple[tuple[U63, I64, I64, U63, I64, I64], ...]


class HouseTakeover(Wire, frozen=True, tag=119):
    """The house took positions over at the mark: its capital covers their initial margin."""

    number: U63
    account: U63
    positions: tuple[MovedPosition, ...]


class ClientClosedOut(Wire, frozen=True, tag=120):
    """A client that nobody took was closed out; what is left is its own, what it owes its member's loss."""

    number: U63
    account: U63
    cash: tuple[tuple[U32, I64], ...]


class CollateralTaken(Wire, frozen=True, tag=121):
    """The house bought collateral at its value after haircut, to pay what is owed; `back` is the account's again."""

    number: U63
    account: U63
    currency: U63
    units: U63
    micros_per_unit: U63
    counted_micros: U63
    """Of units x micros_per_unit, what pays debts."""
    cash_group: U32
    returned: U63
    """The rest of the last unit, in this group's cash."""


class WaterfallLayer(IntEnum):
    """In the order in which they pay."""

    OWN_MARGIN = 1
    OWN_CONTRIBUTION = 2
    HOUSE_CAPITAL = 3
    SURVIVORS = 4
    ASSESSMENTS = 5
    GAINS = 6
    TEAR_UP = 7


class LossShare(Wire, frozen=True):
    """What one payer bears in a layer: in proportion to `weight`, at most `most`."""

    payer: U63
    """A member; an account in GAINS and TEAR_UP."""
    weight: U63
    cap: U63
    amount: U63


class LayerAllocation(Wire, frozen=True):
    """One layer, whole or in part."""

    layer: WaterfallLayer
    loss_before: U63
    """What was still to be borne."""
    loss_borne: U63
    shares: tuple[LossShare, ...]
    """Of every payer that was asked, those that bear nothing included; ordered by payer."""


class LossAllocated(Wire, frozen=True, tag=122):
    """The loss of a default, and the layers that bore it: shares by `clearing.default.waterfall.allocate_capped`."""

    number: U63
    member: U63
    loss: U63
    """What was still to be borne."""
    deficits: tuple[tuple[U63, U32, U63], ...]
    """(account, cash group, micros)."""
    steps: tuple[LayerAllocation, ...]
    paid: tuple[tuple[U32, U63, U32, U63], ...]
    """(layer, account, cash group, micros) that moved to the house, which pays the deficits with it.

    Cash group 0: tokens, as told in `CollateralTaken`. Parts of the default fund are told in `FundDrawn`.
    """


class AssessmentsCalled(Wire, frozen=True, tag=123):
    """Members have to bring this until the block at `deadline_height`, in which it is taken."""

    number: U63
    deadline_height: U63
    members: tuple[tuple[U63, U63], ...]


class AssessmentTaken(Wire, frozen=True, tag=124):
    """What a member was assessed was taken out of its own accounts, what is free first, in order of account.

    `paid`: (account, cash group, micros). The last of them may owe cash now, like after any payment.
    """

    number: U63
    member: U63
    micros: U63
    paid: tuple[tuple[U63, U32, U63], ...]


class PositionsTornUp(Wire, frozen=True, tag=125):
    """All positions in an instrument ended at the last mark: (account, lots, received), ordered."""

    number: U63
    instrument: U32
    mark_ticks: U63
    positions: tuple[tuple[U63, I64, I64], ...]


class DefaultEnded(Wire, frozen=True, tag=126):
    """Nothing is open any more. `loss` = all of `by_layer`, (layer, micros), + `house`, what nobody else could bear."""

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
    """A member left for good."""

    index: U32
    member: U63
