"""Requests in auctions: reopening orders, and bids in a liquidation, for collateral and for a defaulter's portfolio.

Rule: data and digests only. Each request names an account and uses a nonce of it, so it is applied at most once.
"""

from clearing.base import eip712
from clearing.base.codec import I64, U32, U63, Bytes65, Wire
from clearing.base.ids import Hash32, NetworkId

REOPENING_ORDER_TYPE = (
    "ReopeningOrder(uint64 account,uint32 instrument,int64 lots,uint64 ticks,uint64 nonce,uint64 notAfterMs)"
)


class ReopeningOrder(Wire, frozen=True, tag=30):
    """Buy (positive lots) or sell (negative) a perpetual when its halted feed reopens, at `ticks` or better.

    It replaces the account's earlier order; zero lots withdraw it.
    """

    account: U63
    instrument: U32
    lots: I64
    ticks: U63
    """The highest price paid, or the lowest accepted. All orders trade at one price."""
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the account's member signs."""
        values = (self.account, self.instrument, self.lots, self.ticks, self.nonce, self.not_after_ms)
        return eip712.typed_data_digest(network, REOPENING_ORDER_TYPE, values)


LIQUIDATION_BID_TYPE = (
    "LiquidationBid(uint64 account,uint64 liquidated,uint64 openedHeight,uint64 slicePpb,uint32 discountPpm,"
    "uint64 nonce,uint64 notAfterMs)"
)


class LiquidationBid(Wire, frozen=True, tag=50):
    """Take a slice of every position of an account in liquidation, at the mark less the block's discount."""

    account: U63
    """The bidding account. It must be at initial margin afterwards."""
    liquidated: U63
    opened_height: U63
    """Opening height of the liquidation, so that the bid is not valid for a later one."""
    slice_ppb: U63
    """Share of every position, in 10^-9; reduced to what restores initial margin, or to the slice limit."""
    discount_ppm: U32
    """The lowest discount accepted. The block's discount applies."""
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the bidder signs."""
        bid = (self.liquidated, self.opened_height, self.slice_ppb, self.discount_ppm)
        return eip712.typed_data_digest(
            network, LIQUIDATION_BID_TYPE, (self.account, *bid, self.nonce, self.not_after_ms)
        )


COLLATERAL_BID_TYPE = (
    "CollateralBid(uint64 account,uint64 seller,uint32 asset,uint32 cashGroup,uint64 units,uint64 microsPerUnit,"
    "uint64 nonce,uint64 notAfterMs)"
)


class CollateralBid(Wire, frozen=True, tag=21):
    """Buy up to `units` of the collateral that `seller`'s lapsed cash call put up for sale."""

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

    def digest(self, network: NetworkId) -> Hash32:
        """What the bidder signs."""
        bid = (self.seller, self.asset, self.cash_group, self.units, self.micros_per_unit)
        return eip712.typed_data_digest(
            network, COLLATERAL_BID_TYPE, (self.account, *bid, self.nonce, self.not_after_ms)
        )


DEFAULT_BID_TYPE = (
    "DefaultBid(uint64 account,uint64 number,uint32 slices,int64 askMicros,uint64 nonce,uint64 notAfterMs)"
)


class DefaultBid(Wire, frozen=True, tag=55):
    """Take up to `slices` of a defaulter's portfolio at the mark, for `ask_micros` a slice."""

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

    def digest(self, network: NetworkId) -> Hash32:
        """What the account's member signs."""
        bid = (self.account, self.number, self.slices, self.ask_micros)
        return eip712.typed_data_digest(network, DEFAULT_BID_TYPE, (*bid, self.nonce, self.not_after_ms))
