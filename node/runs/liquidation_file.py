"""The file of `crossclear liquidation run`: how much is closed, in which steps, and along which auction path.

Rule: data only. Money is in the settlement unit with six decimals, shares and rates are numbers; what does not fit is
refused, never rounded.
"""

from typing import Literal, TypeAlias

from clearing.base.codec import I64, U8, U32, Wire
from clearing.models.numbers import Number
from clearing.models.portfolio import Name
from clearing.models.rules import LiquidationSize
from node.runs.steps import Note


class SizedPosition(Wire, frozen=True):
    """A position in whole lots, signed."""

    of: Name
    lots: I64


class RestoringShare(Wire, frozen=True, tag_field="kind", tag="restoring_share"):
    """The share of every position that brings an account back to initial margin: (I - E) / (I - C - p N), up."""

    name: Name
    equity: Number
    initial: Number
    notional: Number
    """Of all positions with an open price."""
    cost: Number = 0
    """Of the notional that is closed, what the account pays: penalty, and discount in an auction; six decimals."""
    collateral_charge: Number = 0
    """The part of the requirement that closing positions does not free."""
    with_credit: bool = False
    """Whether the requirement has a credit, by which it was rounded up: a micro more is missing."""
    positions: tuple[SizedPosition, ...] = ()


class Disposal(Wire, frozen=True, tag_field="kind", tag="steps"):
    """The steps in which so much is closed when nothing else happens."""

    name: Name
    total: Number
    step: Number = 1
    """Of what is left, the most in one step; six decimals; rounded up."""
    whole_at: Number = 0
    """So little is closed in one step."""
    most: Number = 0
    """No step closes more; 0: any."""
    decimals: U8 = 6


class AuctionPath(Wire, frozen=True, tag_field="kind", tag="auction"):
    """The Dutch auction of a slice, block by block: discount, and who gets what of it and of the penalty."""

    name: Name
    notional: Number
    """Of the slice."""
    blocks: U32
    end: Number
    """Discount of the last block, of the notional; six decimals."""
    start: Number = 0
    """Of the first one."""
    penalty: Number = 0
    """Of the notional, six decimals."""
    bidder_share: Number = 0
    """Of the penalty, to the bidder, six decimals; the rest is the fund's."""


LiquidationStep: TypeAlias = RestoringShare | Disposal | AuctionPath | LiquidationSize


class LiquidationRun(Wire, frozen=True):
    """The input of `crossclear liquidation run`."""

    format: Literal["crossclear.liquidation.v1"]
    steps: tuple[LiquidationStep, ...]
    note: Note = ""
    """For people."""
