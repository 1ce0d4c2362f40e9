"""Signing requests, for members, venues, bots and tools.

Rule: a signature is over the request's EIP-712 digest for one network; what is signed is what the request says. It
must not know where keys are kept.
"""

from typing import TypeVar

import msgspec

from clearing.base.ids import NetworkId
from clearing.base.secp256k1 import sign_digest
from clearing.transactions import Transaction

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
