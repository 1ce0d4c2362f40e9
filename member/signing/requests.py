"""The one signer of requests: by a trade key (EIP-712, secp256k1) or by a validator's envelope key (Ed25519).

Rule: the digest is computed here, from the request itself and the network id of the signer's own genesis. A new
signature takes the place of the empty one that the request was built with.
"""

from typing import TypeVar

import msgspec

from clearing.base import ed25519
from clearing.base.ids import NetworkId
from clearing.base.secp256k1 import sign_digest
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.requests.validators import Approval, ValidatorChange
from clearing.schema.requests.withdrawals import WithdrawalCancellation

R = TypeVar("R", bound=Transaction)
UNSIGNED = bytes(65)
"""The placeholder of a trade key's signature."""
UNSIGNED_BY_VALIDATOR = bytes(64)
"""The placeholder of an envelope key's signature."""


def signed(network: NetworkId, request: R, **secrets: bytes) -> R:
    """`request` with each named signature made by that trade key: `signature=key`, or `venue_signature=key`.

    Signatures that are not named stay as they are, so that several can sign one after another. Raises ValueError for a
    field that the request does not have.
    """
    unknown = secrets.keys() - set(request.__struct_fields__)
    if unknown or not all(name.endswith("signature") for name in secrets):
        raise ValueError(f"{type(request).__name__} has no such signature: {', '.join(sorted(unknown or secrets))}")
    digest = request.digest(network)
    made = {name: sign_digest(secret, digest) for name, secret in secrets.items()}
    return msgspec.structs.replace(request, **made)


def signed_by_validator(network: NetworkId, request: R, secret: bytes) -> R:
    """`request` with its `signature` made by a validator's envelope key."""
    return msgspec.structs.replace(request, signature=ed25519.sign(secret, request.digest(network)))


def signed_cancellation(
    network: NetworkId, secret: bytes, account: int, number: int, nonce: int, not_after_ms: int
) -> WithdrawalCancellation:
    """Cancel the delayed withdrawal `number`. `secret`: the key that signs for the account's money."""
    return signed(network, WithdrawalCancellation(account, number, nonce, not_after_ms, UNSIGNED), signature=secret)


def sign_approval(change: ValidatorChange, network: NetworkId, validator: int, secret: bytes) -> Approval:
    """The signature of the validator with this index, by its envelope secret."""
    return Approval(validator, ed25519.sign(secret, change.digest(network)))
