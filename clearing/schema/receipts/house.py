"""Receipts about the house's inventory and recoveries: offers, sales, close-outs, and what goes back to whom.

Rule: data only, and enough to recompute every step. Amounts are in micros, prices in ticks, positions in lots.
"""

from clearing.base.codec import I64, U32, U63, Wire


class InventoryOffered(Wire, frozen=True, tag=188):
    """The house's positions are for sale to members from `first_height` to `last_height`, at the mark less a discount.

    It rises evenly from 0 to `end_ppm` of the notional, rounded down.
    """

    first_height: U63
    last_height: U63
    end_ppm: U32
    penalties: U63
    """Micros of penalties that discounts may use up."""
    positions: tuple[tuple[U32, I64], ...]
    """(instrument, lots)."""


class InventorySold(Wire, frozen=True, tag=189):
    """A member bought from the house: lots of an instrument at the mark, or units of a token (instrument 0)."""

    index: U32
    account: U63
    instrument: U32
    asset: U32
    lots: I64
    """Signed lots that the buyer received; units of the token."""
    mark_ticks: U63
    received: I64
    """Option value that the buyer received; negative: it paid."""
    discount_ppm: U32
    discount: U63
    """Micros that the house paid for the lots: the path's fraction of the notional, at most the penalties left."""
    micros_per_unit: U63
    """Price of a token's unit."""
    number: U63
    """Default that the token was taken in; 0 for lots."""


class InventoryClosed(Wire, frozen=True, tag=190):
    """Lots of the house were closed at the mark against the accounts with the highest leverage on the other side.

    `counterparties`: (account, equity, notional, lots, received), in order of notional / equity, highest first, then by
    account. Negative or zero equity counts as 1.
    """

    instrument: U32
    lots: I64
    mark_ticks: U63
    counterparties: tuple[tuple[U63, I64, U63, I64, I64], ...]


class RecoveryPaid(Wire, frozen=True, tag=191):
    """What came in from a default went back to its payers, last layer first.

    `paid`: (layer, member, account, micros); layer 0 after all claims: members by contribution. Inside a layer in
    proportion to what is still owed, rounded down; `rounding` is the rest, which the rounding account receives.
    """

    number: U63
    micros: U63
    paid: tuple[tuple[U32, U63, U63, U63], ...]
    rounding: U63


class RecoveryEnded(Wire, frozen=True, tag=192):
    """The time of a recovery is over. What was not sold of its tokens went to payers in kind, last layer first.

    `in_kind`: (layer, member, account, asset, units). The house kept units worth what it had paid for them, at the last
    price without haircut; after its own default as many as cover its debt after haircut. Where such a default takes
    an earlier recovery over, this receipt ends that, and what was not sold goes on as part of the later one.
    """

    number: U63
    returned: U63
    """Micros paid in the whole time."""
    result: I64
    """What inventory lost the house beyond what came in; never positive."""
    in_kind: tuple[tuple[U32, U63, U63, U32, U63], ...]
