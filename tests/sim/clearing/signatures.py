"""Signatures of stories, made with keys that are kept and not computed back: half of a trade's time would be that.

Rule: what a story signed itself is looked up, whatever else it shows is recovered as ever. The answer is the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from unittest.mock import patch

import coincurve

from clearing.base.ids import EvmAddress
from clearing.base.secp256k1 import address, recover

KNOWN: dict[tuple[bytes, bytes], EvmAddress] = {}
"""Who made which signature of which digest, lately."""
KNOWN_MAX = 50_000


@cache
def _key_of(secret: bytes) -> tuple[coincurve.PrivateKey, EvmAddress]:
    return coincurve.PrivateKey(secret), address(secret)


def sign_noted(secret: bytes, digest: bytes) -> bytes:
    """As `clearing.base.secp256k1.sign_digest`."""
    key, own = _key_of(secret)
    raw: bytes = key.sign_recoverable(digest, hasher=None)
    signature = raw[:64] + bytes((27 + raw[64],))
    if len(KNOWN) >= KNOWN_MAX:
        KNOWN.clear()
    KNOWN[(digest, signature)] = own
    return signature


def recover_known(digest: bytes, signature: bytes) -> EvmAddress:
    """As `clearing.base.secp256k1.recover`."""
    known = KNOWN.get((digest, signature))
    return recover(digest, signature) if known is None else known


@contextmanager
def looked_up() -> Iterator[None]:
    """While it lasts, the kit's signer notes what it signs, and the rulebook looks it up."""
    with (
        patch("member.signing.requests.sign_digest", sign_noted),
        patch("clearing.context.request_checks.recover", recover_known),
    ):
        yield
