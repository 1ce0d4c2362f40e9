"""Requests in auctions: reopening orders, and bids in a liquidation, for collateral and for a defaulter's portfolio.

Rule: data and digests only. Each request names an account and uses a nonce of it, so it is applied at most once.
"""

from typing import ClassVar

from clearing.base.codec import I64, U32, U63, Bytes32, Bytes65
from clearing.base.eip712 import TypedRequest, abi_words
from clearing.base.hashing import tagged_hash
from clearing.base.ids import Hash32

COMMITMENT_TAG = "crossclear/default-bid-commitment/v1"


class ReopeningOrder(TypedRequest, frozen=True, tag=30):
    """Buy (positive lots) or sell (negative) a perpetual when its halted feed reopens, at `ticks` or better.

    It replaces the account's earlier order; zero lots withdraw it.
    """

    SIGNED: ClassVar[str] = (
        "ReopeningOrder(uint64 account,uint32 instrument,int64 lots,uint64 ticks,uint64 nonce,uint64 notAfterMs)"
    )
    """Signed by the account's member."""

    account: U63
    instrument: U32
    lots: I64
    ticks: U63
    """The highest price paid, or the lowest accepted. All orders trade at one price."""
    nonce: U63
    not_after_ms: U63
    signature: Bytes65


class LiquidationBid(TypedRequest, frozen=True, tag=50):
    """Take a slice of every position of an account in liquidation, at the mark less the block's discount."""

    SIGNED: ClassVar[str] = (
        "LiquidationBid(uint64 account,uint64 liquidated,uint64 openedHeight,uint64 slicePpb,uint32 discountPpm,"
        "uint64 nonce,uint64 notAfterMs)"
    )
    """Signed by the bidder."""

    account: U63
    """The bidding account. It must be at initial margin afterwards."""
    liquidated: U63
    """The account, or its mask."""
    opened_height: U63
    """Opening height of the liquidation, so that the bid is not valid for a later one."""
    slice_ppb: U63
    """Share of every position, in 10^-9; reduced to what restores initial margin, or to the slice limit."""
    discount_ppm: U32
    """The lowest discount accepted. The block's discount applies."""
    nonce: U63
    not_after_ms: U63
    signature: Bytes65


class CollateralBid(TypedRequest, frozen=True, tag=21):
    """Buy up to `units` of the collateral that `seller`'s lapsed cash call put up for sale."""

    SIGNED: ClassVar[str] = (
        "CollateralBid(uint64 account,uint64 seller,uint32 asset,uint32 cashGroup,uint64 units,uint64 microsPerUnit,"
        "uint64 nonce,uint64 notAfterMs)"
    )
    """Signed by the bidder."""

    account: U63
    """The account that pays, out of its cash in the group."""
    seller: U63
    asset: U32
    cash_group: U32
    units: U63
    micros_per_unit: U63
    """The highest price accepted. The auction's price applies."""
    nonce: U63
    not_after_ms: U63
    signature: Bytes65


class DefaultBid(TypedRequest, frozen=True, tag=55):
    """Take up to `slices` of a defaulter's portfolio at the mark, for `ask_micros` a slice."""

    SIGNED: ClassVar[str] = (
        "DefaultBid(uint64 account,uint64 number,uint32 slices,int64 askMicros,uint64 nonce,uint64 notAfterMs)"
    )
    """Signed by the account's member."""

    account: U63
    """The account that receives the positions, and pays or is paid."""
    number: U63
    """Number of the default."""
    slices: U32
    """0 withdraws an earlier bid."""
    ask_micros: I64
    """Negative: what is paid for a slice."""
    nonce: U63
    not_after_ms: U63
    signature: Bytes65


class DefaultBidCommitment(TypedRequest, frozen=True, tag=65):
    """Bid for a defaulter's portfolio in a sealed auction: the hash of the bid, which is revealed later."""

    SIGNED: ClassVar[str] = (
        "DefaultBidCommitment(uint64 account,uint64 number,bytes32 commitment,uint64 nonce,uint64 notAfterMs)"
    )
    """Signed by the account's member."""

    account: U63
    """The account of the bid."""
    number: U63
    """Number of the default."""
    commitment: Bytes32
    """`bid_commitment` of the bid. It replaces the member's earlier one."""
    nonce: U63
    not_after_ms: U63
    signature: Bytes65


class DefaultBidReveal(TypedRequest, frozen=True, tag=66):
    """Reveal a committed bid: take up to `slices` of a defaulter's portfolio at the mark, for `ask_micros` a slice."""

    SIGNED: ClassVar[str] = (
        "DefaultBidReveal(uint64 account,uint64 number,uint32 slices,int64 askMicros,bytes32 salt,uint64 nonce,"
        "uint64 notAfterMs)"
    )
    """Signed by the account's member."""

    account: U63
    """The account that receives the positions, and pays or is paid."""
    number: U63
    """Number of the default."""
    slices: U32
    """0 is no bid."""
    ask_micros: I64
    """Negative: what is paid for a slice."""
    salt: Bytes32
    """Random, and secret until now: without it the few possible bids could be tried against the commitment."""
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    @property
    def commitment(self) -> Hash32:
        """The commitment that this reveals."""
        return bid_commitment(self.account, self.number, self.slices, self.ask_micros, self.salt)


def bid_commitment(account: int, number: int, slices: int, ask_micros: int, salt: bytes) -> Hash32:
    """The tagged hash over account, default, slices, ask and 32 bytes of salt, a word each.

    The account is in it, so nobody else can reveal a commitment that it copied.
    """
    return tagged_hash(COMMITMENT_TAG, abi_words((account, number, slices, ask_micros, salt)))


class InventoryBid(TypedRequest, frozen=True, tag=67):
    """Buy from the house's inventory: lots of an instrument at the mark less a discount, or units of a token."""

    SIGNED: ClassVar[str] = (
        "InventoryBid(uint64 account,uint32 instrument,uint32 asset,uint64 size,uint64 limit,uint64 nonce,"
        "uint64 notAfterMs)"
    )
    """Signed by the bidder."""

    account: U63
    """The buying account. It must be at initial margin afterwards."""
    instrument: U32
    """0 for a token."""
    asset: U32
    """0 for an instrument."""
    size: U63
    """The most lots, in the direction of the house's position, or units of the token."""
    limit: U63
    """Lots: the lowest discount accepted, in 10^-6 of the notional. A token: the highest price accepted, in micros a
    unit. The price of the sale applies."""
    nonce: U63
    not_after_ms: U63
    signature: Bytes65
