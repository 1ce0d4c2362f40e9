"""Requests about withdrawals: a withdrawal, a withdrawal with a fee limit, and the cancellation of a delayed one.

Rule: data and digests only. Each request uses a nonce of its account, so it is applied at most once.
"""

from clearing.base import eip712
from clearing.base.codec import U32, U63, Bytes20, Bytes65, Wire
from clearing.base.ids import Hash32, NetworkId

WITHDRAWAL_CANCELLATION_TYPE = "WithdrawalCancellation(uint64 account,uint64 number,uint64 nonce,uint64 notAfterMs)"


class WithdrawalCancellation(Wire, frozen=True, tag=68):
    """Cancel the delayed withdrawal with this `number`, which its receipt contains."""

    account: U63
    number: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the account's owner signs."""
        return eip712.typed_data_digest(
            network, WITHDRAWAL_CANCELLATION_TYPE, (self.account, self.number, self.nonce, self.not_after_ms)
        )


LIMITED_WITHDRAWAL_TYPE = (
    "LimitedWithdrawal(uint64 account,uint32 asset,uint64 units,address to,uint64 feeMax,uint64 nonce,"
    "uint64 notAfterMs)"
)


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
        return eip712.typed_data_digest(
            network,
            LIMITED_WITHDRAWAL_TYPE,
            (self.account, self.asset, self.units, self.to, self.fee_max, self.nonce, self.not_after_ms),
        )


WITHDRAWAL_TYPE = "Withdrawal(uint64 account,uint32 asset,uint64 units,address to,uint64 nonce,uint64 notAfterMs)"


class Withdrawal(Wire, frozen=True, tag=2):
    """Pay `units` (clearing units) of an asset, which names its chain, to an EVM address there."""

    account: U63
    asset: U32
    units: U63
    to: Bytes20
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the account's member signs."""
        return eip712.typed_data_digest(
            network,
            WITHDRAWAL_TYPE,
            (self.account, self.asset, self.units, self.to, self.nonce, self.not_after_ms),
        )
