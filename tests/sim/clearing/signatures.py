"""Signatures of stories, made with keys that are kept and not computed back: half of a trade's time would be that.

Rule: what a story signed itself is looked up, whatever else it shows is recovered as ever. The answer is the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import coincurve

import clearing.context.request_checks
from clearing.base.ids import EvmAddress
from clearing.base.secp256k1 import address, recover
from tests.kit.clearing.signer import secret

KNOWN: dict[tuple[bytes, bytes], EvmAddress] = {}
"""Who made which signature of which digest, lately."""
KNOWN_MAX = 50_000
requests: Any = clearing.context.request_checks


@cache
def _key_of(member: int) -> tuple[coincurve.PrivateKey, EvmAddress]:
    return coincurve.PrivateKey(secret(member)), address(secret(member))


def sign_as(member: int, digest: bytes) -> bytes:
    """As `clearing.base.secp256k1.sign_digest`, by the secret with this number."""
    key, own = _key_of(member)
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
    """While it lasts, the rulebook looks up what stories have signed."""
    before = requests.recover
    requests.recover = recover_known
    try:
        yield
    finally:
        requests.recover = before
