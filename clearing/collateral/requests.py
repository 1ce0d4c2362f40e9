"""What members sign about collateral: swaps of claims, bids for collateral, withdrawals with a limit on their fee.

Rule: data and digests only. Each names an account whose nonce it uses up, so it is applied at most once.
"""

from clearing.base import eip712
from clearing.base.codec import U32, U63, Bytes20, Bytes65, Wire
from clearing.base.ids import Hash32, NetworkId

SWAP_TYPE = (
    "ClaimSwap(uint64 account,uint64 recipient,uint64 givenCurrency,uint64 givenUnits,uint64 takenCurrency,"
    "uint64 takenUnits,uint64 nonce,uint64 notAfterMs)"
)
BID_TYPE = (
    "CollateralBid(uint64 account,uint64 seller,uint32 asset,uint32 cashGroup,uint64 units,uint64 microsPerUnit,"
    "uint64 nonce,uint64 notAfterMs)"
)
LIMITED_TYPE = (
    "LimitedWithdrawal(uint64 account,uint32 asset,uint64 units,address to,uint64 feeMax,uint64 nonce,"
    "uint64 notAfterMs)"
)


class ClaimSwap(Wire, frozen=True, tag=20):
    """Two accounts exchange claims, such as a token on one chain for it on another. Both sign the same words.

    A currency is a cash group's id, or 2^32 + the id of a collateral token.
    """

    account: U63
    """Gives `given`, takes `taken`; its nonce is used."""
    recipient: U63
    given_currency: U63
    given_units: U63
    taken_currency: U63
    taken_units: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65
    recipient_signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What both sides sign."""
        given = (self.given_currency, self.given_units, self.taken_currency, self.taken_units)
        return eip712.digest(network, SWAP_TYPE, (self.account, self.recipient, *given, self.nonce, self.not_after_ms))


class CollateralBid(Wire, frozen=True, tag=21):
    """Buy up to `units` of the collateral that `seller`'s lapsed cash call put up for sale."""

    account: U63
    """Who pays, out of its cash in the group."""
    seller: U63
    asset: U32
    cash_group: U32
    units: U63
    micros_per_unit: U63
    """The most that is paid; the auction's price is what is paid."""
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the bidder signs."""
        bid = (self.seller, self.asset, self.cash_group, self.units, self.micros_per_unit)
        return eip712.digest(network, BID_TYPE, (self.account, *bid, self.nonce, self.not_after_ms))


class LimitedWithdrawal(Wire, frozen=True, tag=22):
    """A withdrawal that is refused when its skew fee is above `fee_max` micros."""

    account: U63
    asset: U32
    units: U63
    to: Bytes20
    fee_max: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the account's member signs."""
        return eip712.digest(
            network,
            LIMITED_TYPE,
            (self.account, self.asset, self.units, self.to, self.fee_max, self.nonce, self.not_after_ms),
        )
