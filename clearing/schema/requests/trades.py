"""Requests about trades: trades, bundles, reports, changes of pending trades, mandates, session keys, day statements.

Rule: data and digests only. A report is valid for one trade. A change names the revision that it changes, so it is
applied at most once.
"""

from typing import Annotated, ClassVar

import msgspec

from clearing.base.codec import I64, U32, U63, Bytes20, Bytes65, Wire, encode
from clearing.base.eip712 import TypedRequest
from clearing.base.hashing import keccak256

STATEMENT_LINES_MAX = 16
"""Keeps a part of a statement within `TRANSACTION_BYTES_MAX`, whatever its numbers are."""
BUNDLE_TRADES_MAX = 24
"""Keeps a bundle within `TRANSACTION_BYTES_MAX`, whatever its numbers are."""

OptionalSignature = Annotated[bytes, msgspec.Meta(max_length=65)]
_KEY_FIELDS = "uint64 venue,uint64 venueTradeId,uint64 low,uint64 high"


class TradeReport(TypedRequest, frozen=True, tag=4):
    """A trade reported by a venue of genesis, or by both sides without one; novated at once, or pending until its time.

    A venue's trade needs the venue's signature and, of each side, either a signature or a mandate to the venue.
    """

    SIGNED: ClassVar[str] = (
        "TradeReport(uint64 venue,uint64 venueTradeId,uint64 buyer,uint64 seller,uint32 instrument,uint64 lots,"
        "uint64 ticks,uint64 tradedMs,uint64 notBeforeMs,uint64 notAfterMs)"
    )
    """Signed by the venue, by the sides, or by all of them."""

    venue: U63
    venue_trade_id: U63
    buyer: U63
    seller: U63
    instrument: U32
    lots: U63
    ticks: U63
    traded_ms: U63
    """Time of the trade, which also determines the day of its statement."""
    not_before_ms: U63
    """The trade is pending until this block time; 0: novated at once."""
    not_after_ms: U63
    venue_signature: OptionalSignature
    buyer_signature: OptionalSignature
    seller_signature: OptionalSignature


class TradeCorrection(TypedRequest, frozen=True, tag=5):
    """New lots, price or time for a pending trade. `low`, `high`: its key, both 0 when a venue reported the trade."""

    SIGNED: ClassVar[str] = (
        f"TradeCorrection({_KEY_FIELDS},uint64 buyer,uint64 seller,uint32 revision,uint64 lots,uint64 ticks,"
        "uint64 notBeforeMs,uint64 notAfterMs)"
    )
    """Signed by the venue, by the sides, or by all of them."""

    venue: U63
    venue_trade_id: U63
    low: U63
    high: U63
    buyer: U63
    seller: U63
    revision: U32
    """Revision of the pending trade before this change."""
    lots: U63
    ticks: U63
    not_before_ms: U63
    not_after_ms: U63
    venue_signature: OptionalSignature
    buyer_signature: OptionalSignature
    seller_signature: OptionalSignature


class TradeCancellation(TypedRequest, frozen=True, tag=6):
    """Cancel a pending trade."""

    SIGNED: ClassVar[str] = (
        f"TradeCancellation({_KEY_FIELDS},uint64 buyer,uint64 seller,uint32 revision,uint64 notAfterMs)"
    )
    """Signed by the venue, by the sides, or by all of them."""

    venue: U63
    venue_trade_id: U63
    low: U63
    high: U63
    buyer: U63
    seller: U63
    revision: U32
    not_after_ms: U63
    venue_signature: OptionalSignature
    buyer_signature: OptionalSignature
    seller_signature: OptionalSignature


class TradeGiveUp(TypedRequest, frozen=True, tag=7):
    """Give up one side of a pending trade from the executing `account` to `recipient`."""

    SIGNED: ClassVar[str] = (
        f"TradeGiveUp({_KEY_FIELDS},uint64 account,uint64 recipient,uint32 revision,uint64 notAfterMs)"
    )
    """Signed by the executing and the receiving member."""

    venue: U63
    venue_trade_id: U63
    low: U63
    high: U63
    account: U63
    recipient: U63
    revision: U32
    not_after_ms: U63
    signature: Bytes65
    recipient_signature: Bytes65


class VenueMandate(TypedRequest, frozen=True, tag=8):
    """A venue's permission to trade for an account within limits. It replaces an earlier one.

    `expires_ms` 0 revokes. Notional is in micros; an option's notional uses its strike where that is above its price.
    """

    SIGNED: ClassVar[str] = (
        "VenueMandate(uint64 account,uint64 venue,uint64 lotsMax,uint64 notionalMax,uint64 dayNotionalMax,"
        "uint64 expiresMs,uint64 nonce,uint64 notAfterMs)"
    )
    """Signed by the account's member."""

    account: U63
    venue: U63
    lots_max: U63
    """Limit of one trade."""
    notional_max: U63
    """Limit of one trade."""
    day_notional_max: U63
    """Limit of all trades in one day of block time, UTC."""
    expires_ms: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65


class SessionKey(TypedRequest, frozen=True, tag=15):
    """A further key that signs trades for an account, within limits and until a time. It replaces the key's limits.

    `expires_ms` 0 revokes. Notional is counted as in `VenueMandate`. The key ends with the trade key that named it.
    """

    SIGNED: ClassVar[str] = (
        "SessionKey(uint64 account,address key,uint64 lotsMax,uint64 notionalMax,uint64 dayNotionalMax,"
        "uint64 expiresMs,uint64 nonce,uint64 notAfterMs)"
    )
    """Signed by the account's member."""

    account: U63
    key: Bytes20
    """The address of the key."""
    lots_max: U63
    """Limit of one trade."""
    notional_max: U63
    """Limit of one trade."""
    day_notional_max: U63
    """Limit of all trades in one day of block time, UTC."""
    expires_ms: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65


class StatementLine(Wire, frozen=True):
    """One trade as recorded in the venue's own book at the end of the day."""

    venue_trade_id: U63
    instrument: U32
    buyer: U63
    seller: U63
    lots: U63
    ticks: U63


StatementLines = Annotated[tuple[StatementLine, ...], msgspec.Meta(max_length=STATEMENT_LINES_MAX)]


class VenueStatement(TypedRequest, frozen=True, tag=9):
    """Part `part`, from 0, of a venue's statement of one day. Line ids rise over all parts. `last` ends
    the statement."""

    SIGNED: ClassVar[str] = (
        "VenueStatement(uint64 venue,uint64 day,uint32 part,bool last,bytes32 lines,uint64 notAfterMs)"
    )
    """Signed by the venue."""

    venue: U63
    day: U63
    """Days since 1970, UTC."""
    part: U32
    last: bool
    lines: StatementLines
    not_after_ms: U63
    signature: Bytes65

    def signed_values(self) -> tuple[int | bytes, ...]:
        """`lines` is signed as Keccak over their canonical bytes."""
        lines = keccak256(encode(self.lines))
        return (self.venue, self.day, self.part, self.last, lines, self.not_after_ms)


class VenueSwitch(TypedRequest, frozen=True, tag=14):
    """Suspend a venue (signed by the venue or the house) or reinstate it (signed by the house)."""

    SIGNED: ClassVar[str] = "VenueSwitch(uint64 venue,bool suspended,uint32 revision,uint64 notAfterMs)"
    """Signed by the venue or the house."""

    venue: U63
    suspended: bool
    revision: U32
    """How often it was switched before."""
    not_after_ms: U63
    signature: Bytes65


class Trade(TypedRequest, frozen=True, tag=1):
    """A trade agreed outside, signed by both sides' trade keys, to be novated to the house.

    `venue` is a label that no venue of genesis has. Venues of genesis report their trades themselves (`TradeReport`).
    """

    SIGNED: ClassVar[str] = (
        "Trade(uint64 venue,uint64 venueTradeId,uint64 buyer,uint64 seller,uint32 instrument,uint64 lots,"
        "uint64 ticks,uint64 notAfterMs)"
    )
    """Signed by both sides."""

    venue: U63
    venue_trade_id: U63
    buyer: U63
    seller: U63
    instrument: U32
    lots: U63
    ticks: U63
    not_after_ms: U63
    buyer_signature: Bytes65
    seller_signature: Bytes65


class BundledTrade(Wire, frozen=True):
    """One trade of a bundle. `lots` above 0: `account` buys; below 0: `account` sells."""

    venue_trade_id: U63
    instrument: U32
    lots: I64
    ticks: U63


BundledTrades = Annotated[tuple[BundledTrade, ...], msgspec.Meta(min_length=1, max_length=BUNDLE_TRADES_MAX)]


class TradeBundle(TypedRequest, frozen=True, tag=16):
    """Several trades between two accounts, agreed outside and signed once by each side.

    Each is novated or refused by itself, as if it were a `Trade` with the same label, accounts and not-after.
    """

    SIGNED: ClassVar[str] = (
        "TradeBundle(uint64 venue,uint64 account,uint64 counterparty,bytes32 trades,uint64 notAfterMs)"
    )
    """Signed by both sides."""

    venue: U63
    """As in `Trade`."""
    account: U63
    counterparty: U63
    trades: BundledTrades
    not_after_ms: U63
    signature: Bytes65
    counterparty_signature: Bytes65

    def signed_values(self) -> tuple[int | bytes, ...]:
        """`trades` is signed as Keccak over their canonical bytes."""
        return (self.venue, self.account, self.counterparty, keccak256(encode(self.trades)), self.not_after_ms)
