"""Pages of receipts, and what is for sale in calls, liquidations and defaults."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Any

from msgspec import Meta

from clearing.schema.blocks.receipt import Receipt
from member.api.types import Body, Decimal, Id, Natural, SmallId


class InstrumentTicks(Body, frozen=True):
    """What the arithmetic of receipts needs of an instrument."""

    instrument: SmallId
    name: Annotated[str, Meta(max_length=64)]
    micros_per_tick: Natural
    """What a tick is worth for one lot."""
    cash_group: SmallId


class SlicePosition(Body, frozen=True):
    """A position of an account in liquidation."""

    instrument: SmallId
    lots: Decimal


class SliceSale(Body, frozen=True):
    """Slices that can be bid for in the next block. A `liquidation_bid` names account and height."""

    account: Id
    opened_height: Id
    discount_ppm: SmallId
    """Of the notional at the mark, in the next block."""
    slice_max_ppm: SmallId
    """No bid takes a larger share; less where less restores initial margin."""
    last_height: Id
    positions: tuple[SlicePosition, ...]


class ReceiptView(Body, frozen=True):
    """One receipt. `details` has the receipt's own fields; wide integers are strings."""

    height: int
    index: int
    kind: str
    details: dict[str, Any]


class LiquidationPage(Body, frozen=True):
    """Receipts of calls and liquidations in order. `next` is the `after` of the next page; empty at the end.

    An account of another member is a number from 2^62 on, the same in every receipt and at every node.
    """

    receipts: tuple[ReceiptView, ...]
    next: str
    instruments: tuple[InstrumentTicks, ...]
    sales: tuple[SliceSale, ...]
    """At most 256, those that end first."""


class DefaultUnderWay(Body, frozen=True):
    """A default that has not ended. Bids and porting are possible up to and including these heights; 0: not."""

    number: Id
    member: Id
    phase: Annotated[str, Meta(max_length=16)]
    declared_height: Id
    auction_height: Id
    porting_height: Id
    deadline_height: Id
    """By which it has ended."""
    slices: SmallId
    """A `default_bid` is for so many of them."""
    positions: tuple[SlicePosition, ...]
    """For sale: the whole portfolio, as far as its prices are open."""


class DefaultPage(Body, frozen=True):
    """Receipts of defaults in order, masked as those of liquidations; `next` as there."""

    receipts: tuple[ReceiptView, ...]
    next: str
    instruments: tuple[InstrumentTicks, ...]
    under_way: tuple[DefaultUnderWay, ...]


class FundPage(Body, frozen=True):
    """Receipts of the default fund in order, masked as those of liquidations; `next` as there."""

    receipts: tuple[ReceiptView, ...]
    next: str
    instruments: tuple[InstrumentTicks, ...]


@dataclass(frozen=True, slots=True)
class ReceiptAt:
    """One receipt and its place."""

    height: int
    index: int
    receipt: Receipt


class Series(IntEnum):
    """Receipts that all members may read, masked. The numbers stand beside account numbers in the store."""

    LIQUIDATIONS = -1
    DEFAULTS = -2
    FUND = -3


RECEIPTS_MAX = 500


class ReceiptPage(Body, frozen=True):
    """Receipts in order. `next` is the `after` of the next page; empty at the end."""

    receipts: tuple[ReceiptView, ...]
    next: str
