"""Receipts about liquidations: slices for sale, bids filled, steps of the backstop and the house, waits.

Rule: a receipt states, it never decides. Its inputs are enough to compute the step again.
"""

from enum import IntEnum

from clearing.base.codec import I64, U32, U63, Wire


class ReducedPosition(Wire, frozen=True):
    """One position reduced: signed lots that left, of how many, the mark, what the account received for them."""

    instrument: U32
    lots: I64
    of_lots: I64
    mark_ticks: U63
    received: I64
    """Value of premium-paid options at the mark; 0 of what is marked, whose value is settled already."""


class CashSplit(Wire, frozen=True):
    """What left the account in one cash group: discount to the taker, penalty to taker and fund."""

    cash_group: U32
    discount: U63
    penalty: U63
    penalty_to_taker: U63
    """Rounded down; the rest, the remainder included, is the fund's."""


class SliceSizing(Wire, frozen=True):
    """What goes into the share that restores initial margin (`clearing.liquidation.sizing.restoring_share`)."""

    equity: I64
    initial: U63
    notional: U63
    """Of all positions with an open price, at the mark."""
    cost_ppm: U32
    """Penalty and discount, of the notional."""
    fixed: U63
    """The charge on collateral, which stays whatever positions go."""
    rounding: U32
    """1 where the requirement is one after credit, which is rounded up."""
    share: U63
    """What comes out, in 10^-9."""


class LiquidationOpened(Wire, frozen=True, tag=104):
    """Slices of the account's positions are for sale among members from `first_height` to `last_height`."""

    account: U63
    equity: I64
    initial: U63
    maintenance: U63
    opened_height: U63
    first_height: U63
    last_height: U63
    start_ppm: U32
    end_ppm: U32
    positions: tuple[tuple[U32, I64], ...]
    """(instrument, signed lots) with an open price."""


class SliceSold(Wire, frozen=True, tag=105):
    """The bid at `index` took a slice at the mark, less the block's discount."""

    index: U32
    account: U63
    bidder: U63
    fund: U63
    """Account that the fund's share of the penalty went to."""
    bidder_share_ppm: U32
    """Of the penalty, what the bidder gets; rounded down in each cash group."""
    opened_height: U63
    discount_ppm: U32
    requested_share: U63
    """Slice that was asked for, of `denominator`."""
    allowed_share: U63
    """Most that a bid may take: the slice limit, or what restores initial margin."""
    fraction: U63
    """What was taken of every position, each rounded up to whole lots."""
    sizing: SliceSizing
    denominator: U63
    positions: tuple[ReducedPosition, ...]
    notional: U63
    paid: tuple[CashSplit, ...]
    equity: I64
    initial: U63
    equity_after: I64
    initial_after: U63


class BackstopTakeover(Wire, frozen=True, tag=106):
    """The backstop account took over a share of every position at the mark, as much as its own margin allows."""

    account: U63
    backstop: U63
    bidder_share_ppm: U32
    """How the penalty is split; the backstop gets both parts."""
    step: U32
    wanted: U63
    """Share that restores initial margin, after the caps of step and block, of `denominator`."""
    fraction: U63
    denominator: U63
    positions: tuple[ReducedPosition, ...]
    notional: U63
    paid: tuple[CashSplit, ...]
    equity: I64
    initial: U63
    equity_after: I64
    initial_after: U63


class DeferralReason(IntEnum):
    """Why a liquidation goes no further in a block."""

    BLOCK_NOTIONAL = 1
    BLOCK_LOSS = 2


class LiquidationDeferred(Wire, frozen=True, tag=107):
    """An account that is due waits for a later block, because this one has reached a cap."""

    account: U63
    reason: DeferralReason
    reached: U63
    """Micros that the block had liquidated, or lost, when the account's turn came."""
    limit: U63
    requested: U63
    """What the account would have lost, or all its positions with an open price."""


class LiquidationEnded(Wire, frozen=True, tag=108):
    """The liquidation is over. `failed`: nothing is left to take, and margin or cash is missing."""

    account: U63
    opened_height: U63
    steps: U32
    fills: U32
    equity: I64
    initial: U63
    failed: bool


class LiquidationStepTaken(Wire, frozen=True, tag=109):
    """How far a step by backstop and house goes: the share of the positions, and why no more."""

    account: U63
    step: U32
    sizing: SliceSizing
    needed: U63
    """The same share of `denominator`, or everything where that does not suffice, as when cash is owed."""
    taken: U63
    denominator: U63
    step_notional: U63
    """What this step may take of the notional."""
    next_height: U63


class TakenOverPosition(Wire, frozen=True):
    """One position in a liquidation: signed lots to the house, the mark, the cash that the account received."""

    instrument: U32
    lots: I64
    of_lots: I64
    mark_ticks: U63
    received: I64


class CollateralBought(Wire, frozen=True):
    """Collateral that the house bought of a liquidated account, at its value after haircut."""

    currency: U63
    """2^32 + asset id of a token, or another cash group, whose claims are taken at par."""
    units: U63
    cash_group: U32
    micros_per_unit: U63
    paid: U63


class Liquidated(Wire, frozen=True, tag=13):
    """The house took over positions of an account below maintenance, at the mark, which does not move by it.

    `fraction` is numerator and denominator of the share taken (each position rounded up to whole lots). The deficit
    is what the house's capital paid to bring negative cash without collateral back to zero.
    """

    account: U63
    equity: I64
    initial: U63
    maintenance: U63
    fraction: tuple[U63, U63]
    positions: tuple[TakenOverPosition, ...]
    notional: U63
    penalty: U63
    collateral: tuple[CollateralBought, ...]
    deficits: tuple[tuple[U32, U63], ...]
    """(cash group, micros)."""
    equity_after: I64
    initial_after: U63
