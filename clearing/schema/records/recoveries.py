"""Records of the house's inventory: its forced disposal, and what an ended default may still get back.

Rule: data only. The tokens and positions themselves are the house's, in the ledger and in its book.
"""

from clearing.base.codec import I64, U32, U63, Wire


class InventorySaleRecord(Wire, frozen=True):
    """The forced disposal of the house's positions, under key 0."""

    opened_height: U63
    first_height: U63
    """First block in which members may buy."""
    last_height: U63
    """Last block; what is left then is closed against ranked accounts."""
    penalties_left: U63 = 0
    """Micros of penalties that the house received for its inventory and has not given as discounts."""


class RecoverableToken(Wire, frozen=True):
    """Units of a token that the house took to pay the debts of an account."""

    asset: U32
    account: U63
    """The account that it was taken from."""
    units: U63
    counted_micros: U63
    """What it was counted for; 0 for a token without value."""
    offered_height: U63 = 0
    """First block in which members could buy it; 0: its price has not been open since."""
    credited_micros: U63 = 0
    """What its account was credited for it, where a default of the house lowered `counted_micros` since; else 0."""


class RecoverablePosition(Wire, frozen=True):
    """Lots that the house took over from a default and still has."""

    instrument: U32
    lots: I64
    micros_per_lot: I64
    """Value of a lot at the mark at which they were taken."""


class LayerClaims(Wire, frozen=True):
    """What the payers of one step of the waterfall have not got back."""

    layer: U32
    owed: tuple[tuple[U63, U63], ...]
    """(payer, micros), ordered as in the receipt of the step. OWN_MARGIN: accounts."""
    default: U63 = 0
    """The default that was paid for, where it is an earlier one than the recovery's; else 0."""


class RecoveryRecord(Wire, frozen=True):
    """The recovery of one default, under its number."""

    until_height: U63 = 0
    """Last block of the recovery; 0: the default has not ended."""
    tokens: tuple[RecoverableToken, ...] = ()
    positions: tuple[RecoverablePosition, ...] = ()
    claims: tuple[LayerClaims, ...] = ()
    """In the order of the waterfall; those of earlier defaults before them."""
    result_micros: I64 = 0
    """What came in and has not been paid; negative: losses on inventory that come first, or what the house owed in cash
    at the end of its own default."""
    returned_micros: U63 = 0
    """What was paid so far."""
