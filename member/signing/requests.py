"""Requests signed with a trade key, for members, venues, bots and tools."""

from typing import TypeVar

import msgspec

from clearing.base import secp256k1
from clearing.base.ids import NetworkId
from clearing.base.secp256k1 import sign_digest
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.requests.withdrawals import WithdrawalCancellation

R = TypeVar("R", bound=Transaction)


def signed(network: NetworkId, request: R, **secrets: bytes) -> R:
    """`request` with each named signature made by that secret, such as `signature=key` or `venue_signature=key`.

    Signatures that are not named stay as they are, so that several can sign one after another. Raises ValueError for a
    field that the request does not have.
    """
    unknown = secrets.keys() - set(request.__struct_fields__)
    if unknown or not all(name.endswith("signature") for name in secrets):
        raise ValueError(f"{type(request).__name__} has no such signature: {', '.join(sorted(unknown or secrets))}")
    digest = request.digest(network)
    made = {name: sign_digest(secret, digest) for name, secret in secrets.items()}
    return msgspec.structs.replace(request, **made)


def signed_cancellation(
    network: NetworkId, secret: bytes, account: int, number: int, nonce: int, not_after_ms: int
) -> WithdrawalCancellation:
    """Take back the withdrawal that waits under `number`. `secret`: of whoever signs for the account's money."""
    bare = WithdrawalCancellation(account, number, nonce, not_after_ms, bytes(65))
    signature = secp256k1.sign_digest(secret, bare.digest(network))
    return WithdrawalCancellation(account, number, nonce, not_after_ms, signature)
