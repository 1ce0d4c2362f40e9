"""Requests about trades: trades, venue reports, changes of pending trades, mandates and day statements.

Rule: data and digests only. A report is good for one trade. A change names the revision that it changes, so it is
applied at most once.
"""

from typing import Annotated

import msgspec

from clearing.base import eip712
from clearing.base.codec import U32, U63, Bytes65, Wire, encode
from clearing.base.hashing import keccak256
from clearing.base.ids import Hash32, NetworkId

STATEMENT_LINES_MAX = 16
"""So that a part of a statement fits into `TRANSACTION_BYTES_MAX` whatever its numbers are."""

OptionalSignature = Annotated[bytes, msgspec.Meta(max_length=65)]

_KEY_FIELDS = "uint64 venue,uint64 venueTradeId,uint64 low,uint64 high"

TRADE_REPORT_TYPE = (
    "TradeReport(uint64 venue,uint64 venueTradeId,uint64 buyer,uint64 seller,uint32 instrument,uint64 lots,"
    "uint64 ticks,uint64 tradedMs,uint64 notBeforeMs,uint64 notAfterMs)"
)

TRADE_CORRECTION_TYPE = (
    f"TradeCorrection({_KEY_FIELDS},uint64 buyer,uint64 seller,uint32 revision,uint64 lots,uint64 ticks,uint64 notBeforeMs,"
    "uint64 notAfterMs)"
)

TRADE_CANCELLATION_TYPE = (
    f"TradeCancellation({_KEY_FIELDS},uint64 buyer,uint64 seller,uint32 revision,uint64 notAfterMs)"
)

TRADE_GIVE_UP_TYPE = f"TradeGiveUp({_KEY_FIELDS},uint64 account,uint64 recipient,uint32 revision,uint64 notAfterMs)"

VENUE_MANDATE_TYPE = (
    "VenueMandate(uint64 account,uint64 venue,uint64 lotsMax,uint64 notionalMax,uint64 dayNotionalMax,"
    "uint64 expiresMs,uint64 nonce,uint64 notAfterMs)"
)

VENUE_STATEMENT_TYPE = "VenueStatement(uint64 venue,uint64 day,uint32 part,bool last,bytes32 lines,uint64 notAfterMs)"

VENUE_SWITCH_TYPE = "VenueSwitch(uint64 venue,bool suspended,uint32 revision,uint64 notAfterMs)"


class TradeReport(Wire, frozen=True, tag=4):
    """A trade told by a venue of genesis, or by both sides without one; novated at once, or held until its time.

    A venue's trade needs the venue's signature and, of each side, either a signature or a mandate to the venue.
    """

    venue: U63
    venue_trade_id: U63
    buyer: U63
    seller: U63
    instrument: U32
    lots: U63
    ticks: U63
    traded_ms: U63
    """When it was agreed, which also says of which day's statement it is."""
    not_before_ms: U63
    """The trade is held until block time is this; 0: not at all."""
    not_after_ms: U63
    venue_signature: OptionalSignature
    buyer_signature: OptionalSignature
    seller_signature: OptionalSignature

    def digest(self, network: NetworkId) -> Hash32:
        """What venue and sides sign."""
        values = (self.venue, self.venue_trade_id, self.buyer, self.seller, self.instrument, self.lots, self.ticks)
        times = (self.traded_ms, self.not_before_ms, self.not_after_ms)
        return eip712.typed_data_digest(network, TRADE_REPORT_TYPE, values + times)


class TradeCorrection(Wire, frozen=True, tag=5):
    """Other lots, price or time for a held trade. `low`, `high`: its key, both 0 when a venue told the trade."""

    venue: U63
    venue_trade_id: U63
    low: U63
    high: U63
    buyer: U63
    seller: U63
    revision: U32
    """Of the held trade, as it is before this."""
    lots: U63
    ticks: U63
    not_before_ms: U63
    not_after_ms: U63
    venue_signature: OptionalSignature
    buyer_signature: OptionalSignature
    seller_signature: OptionalSignature

    def digest(self, network: NetworkId) -> Hash32:
        """What those who agree sign."""
        key = (self.venue, self.venue_trade_id, self.low, self.high)
        terms = (self.buyer, self.seller, self.revision, self.lots, self.ticks, self.not_before_ms, self.not_after_ms)
        return eip712.typed_data_digest(network, TRADE_CORRECTION_TYPE, key + terms)


class TradeCancellation(Wire, frozen=True, tag=6):
    """A held trade shall not be novated."""

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

    def digest(self, network: NetworkId) -> Hash32:
        """What those who agree sign."""
        key = (self.venue, self.venue_trade_id, self.low, self.high)
        return eip712.typed_data_digest(
            network, TRADE_CANCELLATION_TYPE, (*key, self.buyer, self.seller, self.revision, self.not_after_ms)
        )


class TradeGiveUp(Wire, frozen=True, tag=7):
    """One side of a held trade passes from the executing `account` to `recipient`."""

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

    def digest(self, network: NetworkId) -> Hash32:
        """What the executing and the receiving member sign."""
        key = (self.venue, self.venue_trade_id, self.low, self.high)
        return eip712.typed_data_digest(
            network, TRADE_GIVE_UP_TYPE, (*key, self.account, self.recipient, self.revision, self.not_after_ms)
        )


class VenueMandate(Wire, frozen=True, tag=8):
    """An account lets a venue trade for it within limits; it takes the place of an earlier one.

    `expires_ms` 0 revokes. Notional is in micros, options by their strike where that is higher than their price.
    """

    account: U63
    venue: U63
    lots_max: U63
    """Of one trade."""
    notional_max: U63
    """Of one trade."""
    day_notional_max: U63
    """Of all trades in one day of block time, UTC."""
    expires_ms: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the account's member signs."""
        limits = (self.lots_max, self.notional_max, self.day_notional_max, self.expires_ms)
        return eip712.typed_data_digest(
            network, VENUE_MANDATE_TYPE, (self.account, self.venue, *limits, self.nonce, self.not_after_ms)
        )


class StatementLine(Wire, frozen=True):
    """One trade as the venue has it in its own book at the end of the day."""

    venue_trade_id: U63
    instrument: U32
    buyer: U63
    seller: U63
    lots: U63
    ticks: U63


StatementLines = Annotated[tuple[StatementLine, ...], msgspec.Meta(max_length=STATEMENT_LINES_MAX)]


class VenueStatement(Wire, frozen=True, tag=9):
    """Part `part`, from 0, of a venue's statement of one day: lines with rising ids, over all parts. `last` ends it."""

    venue: U63
    day: U63
    """Days since 1970, UTC."""
    part: U32
    last: bool
    lines: StatementLines
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the venue signs. `lines` is Keccak over the canonical bytes of the lines."""
        lines = keccak256(encode(self.lines))
        return eip712.typed_data_digest(
            network, VENUE_STATEMENT_TYPE, (self.venue, self.day, self.part, int(self.last), lines, self.not_after_ms)
        )


class VenueSwitch(Wire, frozen=True, tag=14):
    """Suspend a venue (its own key or the house's) or let it go on (the house's key alone)."""

    venue: U63
    suspended: bool
    revision: U32
    """How often it was switched before."""
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the venue or the house signs."""
        return eip712.typed_data_digest(
            network, VENUE_SWITCH_TYPE, (self.venue, int(self.suspended), self.revision, self.not_after_ms)
        )


TRADE_TYPE = (
    "Trade(uint64 venue,uint64 venueTradeId,uint64 buyer,uint64 seller,uint32 instrument,uint64 lots,uint64 ticks,"
    "uint64 notAfterMs)"
)


class Trade(Wire, frozen=True, tag=1):
    """A trade agreed outside, signed by both sides' trade keys, to be novated to the house.

    `venue` is a label that is no venue's of genesis; those report their trades themselves (`TradeReport`).
    """

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

    def digest(self, network: NetworkId) -> Hash32:
        """What both sides sign."""
        return eip712.typed_data_digest(
            network,
            TRADE_TYPE,
            (
                self.venue,
                self.venue_trade_id,
                self.buyer,
                self.seller,
                self.instrument,
                self.lots,
                self.ticks,
                self.not_after_ms,
            ),
        )
