"""What members sign about liquidations: a bid for a slice of a portfolio.

Rule: data and digests only. A bid names an account whose nonce it uses up, so it is applied at most once.
"""

from clearing.base import eip712
from clearing.base.codec import U32, U63, Bytes65, Wire
from clearing.base.ids import Hash32, NetworkId

BID_TYPE = (
    "LiquidationBid(uint64 account,uint64 liquidated,uint64 openedHeight,uint64 slicePpb,uint32 discountPpm,"
    "uint64 nonce,uint64 notAfterMs)"
)


class LiquidationBid(Wire, frozen=True, tag=50):
    """Take a slice of every position of an account in liquidation, at the mark less the block's discount."""

    account: U63
    """Who takes it, and must be at initial margin afterwards."""
    liquidated: U63
    opened_height: U63
    """Of the liquidation, so that the bid is good for no later one."""
    slice_ppb: U63
    """Of every position, in 10^-9; what restores initial margin, or the slice limit, is taken when it is less."""
    discount_ppm: U32
    """The least discount that is accepted; the block's is what is given."""
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the bidder signs."""
        bid = (self.liquidated, self.opened_height, self.slice_ppb, self.discount_ppm)
        return eip712.digest(network, BID_TYPE, (self.account, *bid, self.nonce, self.not_after_ms))
