"""Requests about withdrawals: a withdrawal, a withdrawal with a fee limit, and the cancellation of a delayed one.

Rule: data and digests only. Each request uses a nonce of its account, so it is applied at most once.
"""

from typing import ClassVar

from clearing.base.codec import U32, U63, Bytes20, Bytes65
from clearing.base.eip712 import TypedRequest


class WithdrawalCancellation(TypedRequest, frozen=True, tag=68):
    """Cancel the delayed withdrawal with this `number`, which its receipt contains."""

    SIGNED: ClassVar[str] = "WithdrawalCancellation(uint64 account,uint64 number,uint64 nonce,uint64 notAfterMs)"
    """Signed by the account's owner."""

    account: U63
    number: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65


class LimitedWithdrawal(TypedRequest, frozen=True, tag=22):
    """A withdrawal that is refused when its skew fee is above `fee_max` micros."""

    SIGNED: ClassVar[str] = (
        "LimitedWithdrawal(uint64 account,uint32 asset,uint64 units,address to,uint64 feeMax,uint64 nonce,"
        "uint64 notAfterMs)"
    )
    """Signed by the account's owner."""

    account: U63
    asset: U32
    units: U63
    to: Bytes20
    fee_max: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65


class Withdrawal(TypedRequest, frozen=True, tag=2):
    """Pay `units` (clearing units) of an asset, which names its chain, to an EVM address there."""

    SIGNED: ClassVar[str] = (
        "Withdrawal(uint64 account,uint32 asset,uint64 units,address to,uint64 nonce,uint64 notAfterMs)"
    )
    """Signed by the account's owner."""

    account: U63
    asset: U32
    units: U63
    to: Bytes20
    nonce: U63
    not_after_ms: U63
    signature: Bytes65
