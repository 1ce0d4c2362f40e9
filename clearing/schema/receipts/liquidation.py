"""Receipts about liquidations: slices for sale, bids filled, backstop and house takeovers, deferrals.

Rule: a receipt reports; it never decides. It contains the inputs needed to recompute the step.
"""

from enum import IntEnum

from clearing.base.codec import I64, U32, U63, Wire


class ReducedPosition(Wire, frozen=True):
    """One reduced position: the signed lots taken, the lots before, the mark, and what the account received."""

    instrument: U32
    lots: I64
    of_lots: I64
    mark_ticks: U63
    received: I64
    """Value of premium-paid options at the mark. 0 for marked instruments, whose value is settled already."""


class CashSplit(Wire, frozen=True):
    """What the account paid in one cash group: discount to the taker, penalty to taker and fund."""

    cash_group: U32
    discount: U63
    penalty: U63
    penalty_to_taker: U63
    """Rounded down. The fund gets the rest, including the remainder."""


class SliceSizing(Wire, frozen=True):
    """Inputs of the share that restores initial margin (`clearing.liquidation.slices.restoring_share`)."""

    equity: I64
    initial: U63
    notional: U63
    """Notional of all positions with an open price, at the mark."""
    cost_ppm: U32
    """Penalty and discount, as a fraction of the notional."""
    fixed: U63
    """The requirement of the collateral alone, which does not depend on positions."""
    rounding: U32
    """1 where the requirement is after joint credit, which is rounded up."""
    share: U63
    """The result, in 10^-9."""


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
    """Account that received the fund's share of the penalty."""
    bidder_share_ppm: U32
    """The bidder's share of the penalty; rounded down in each cash group."""
    opened_height: U63
    discount_ppm: U32
    requested_share: U63
    """Slice requested, of `denominator`."""
    allowed_share: U63
    """Largest slice that a bid may take: the slice limit, or what restores initial margin."""
    fraction: U63
    """Fraction taken of every position, each rounded up to whole lots."""
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
    """The backstop account took over a share of every position at the mark, limited by its own margin."""

    account: U63
    backstop: U63
    bidder_share_ppm: U32
    """How the penalty is split. The backstop gets both parts."""
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
    """Why a liquidation is deferred in a block."""

    BLOCK_NOTIONAL = 1
    BLOCK_LOSS = 2


class LiquidationDeferred(Wire, frozen=True, tag=107):
    """The liquidation of an account waits for a later block, because this block reached a cap."""

    account: U63
    reason: DeferralReason
    reached: U63
    """Micros that the block had liquidated, or lost, before this account's turn."""
    limit: U63
    requested: U63
    """What the account would have lost, or the notional of all its positions with an open price."""


class LiquidationEnded(Wire, frozen=True, tag=108):
    """The liquidation is over. `failed`: nothing is left to liquidate, and margin or cash is missing."""

    account: U63
    opened_height: U63
    steps: U32
    fills: U32
    equity: I64
    initial: U63
    failed: bool


class LiquidationStepTaken(Wire, frozen=True, tag=109):
    """The size of a step by backstop and house: the share of the positions, and the limits on it."""

    account: U63
    step: U32
    sizing: SliceSizing
    needed: U63
    """The share needed, of `denominator`; everything where that does not suffice, as when cash is owed."""
    taken: U63
    denominator: U63
    step_notional: U63
    """Largest notional of this step."""
    next_height: U63


class TakenOverPosition(Wire, frozen=True):
    """One liquidated position: signed lots to the house, the lots before, the mark, the cash that the
    account received."""

    instrument: U32
    lots: I64
    of_lots: I64
    mark_ticks: U63
    received: I64


class CollateralBought(Wire, frozen=True):
    """Collateral that the house bought from a liquidated account, at its value after haircut."""

    currency: U63
    """2^32 + asset id of a token; or another cash group, whose claims are taken at par."""
    units: U63
    cash_group: U32
    micros_per_unit: U63
    paid: U63


class Liquidated(Wire, frozen=True, tag=13):
    """The house took over positions of an account below maintenance margin at the mark. The mark does not move by it.

    `fraction` is numerator and denominator of the share taken (each position rounded up to whole lots). The deficit is
    what the house's capital paid to bring negative cash without collateral back to zero.
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
