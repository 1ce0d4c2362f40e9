"""Sealed seeds: the seed that an owner chooses for its account's commitments, readable by the validators alone.

Rule: X25519 with a key made for the one seed, HKDF-SHA256, a mask and a MAC. The validators' key follows from the seed
that they share, so all of them open the same seed or none does: what does not open counts as not chosen. The account is
bound, so that nobody can have another's sealed seed taken for its own.
"""

import hmac
import secrets
from dataclasses import dataclass
from functools import lru_cache

from clearing.base.codec import u256
from clearing.base.errors import BaseCode, LocalFault
from clearing.base.hashing import tagged_hash

SEAL_TAG = "crossclear/seed-seal-key/v1"
INFO_TAG = b"crossclear/sealed-seed/v1"
SEED_BYTES = 32
SEALED_BYTES = 96


@dataclass(frozen=True, slots=True)
class SealedSeed:
    """The words of a `SeedRotation`, 32 bytes each."""

    ephemeral: bytes
    masked: bytes
    mac: bytes


def seal_secret(network_seed: bytes) -> bytes:
    """The validators' X25519 secret, out of the seed that they share."""
    return tagged_hash(SEAL_TAG, network_seed)


@lru_cache(maxsize=4)
def seal_key(network_seed: bytes) -> bytes:
    """Its public key, for which owners seal. Derived once for a network: every account of a snapshot asks for it."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return X25519PrivateKey.from_private_bytes(seal_secret(network_seed)).public_key().public_bytes_raw()


def seal_seed(seed: bytes, account: int, key: bytes, secret: bytes | None = None) -> SealedSeed:
    """Seal a 32-byte seed of an account for the validators' public key. `secret`: only to make vectors.

    Raises LocalFault OUT_OF_RANGE for another length of the seed, or a key that is none.
    """
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    if len(seed) != SEED_BYTES:
        raise LocalFault(BaseCode.OUT_OF_RANGE, "root seed", bytes=len(seed))
    own = X25519PrivateKey.from_private_bytes(secret or secrets.token_bytes(32))
    ephemeral = own.public_key().public_bytes_raw()
    keys = _keys(own.private_bytes_raw(), key, account, ephemeral, key)
    if keys is None:
        raise LocalFault(BaseCode.OUT_OF_RANGE, "the validators' key for seeds")
    masked = _mask(seed, keys[0])
    return SealedSeed(ephemeral, masked, hmac.digest(keys[1], masked, "sha256"))


def open_sealed_seed(sealed: bytes, account: int, network_seed: bytes) -> bytes | None:
    """The 32-byte seed; None where it was not sealed for this account and these validators."""
    if len(sealed) != SEALED_BYTES:
        return None
    ephemeral, masked, mac = sealed[:32], sealed[32:64], sealed[64:]
    keys = _keys(seal_secret(network_seed), ephemeral, account, ephemeral, seal_key(network_seed))
    if keys is None or not hmac.compare_digest(hmac.digest(keys[1], masked, "sha256"), mac):
        return None
    return _mask(masked, keys[0])


def _keys(secret: bytes, public: bytes, account: int, ephemeral: bytes, key: bytes) -> tuple[bytes, bytes] | None:
    """The mask and the key of the MAC; None for a public key that gives no shared secret."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    try:
        shared = X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        return None
    info = INFO_TAG + u256(account) + ephemeral + key
    wide = HKDF(algorithm=SHA256(), length=64, salt=None, info=info).derive(shared)
    return wide[:32], wide[32:]


def _mask(value: bytes, mask: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(value, mask, strict=True))
