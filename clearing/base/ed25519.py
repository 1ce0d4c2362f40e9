"""Ed25519 signatures of node message envelopes.

Rule: an envelope key is a validator's `envelope_key`. Every signed message starts with a domain tag. The backend is
libsodium by PyNaCl, which checks a signature in half of OpenSSL's time; tests compare the two. It refuses keys and
signatures of small order and any encoding but the canonical one, so fewer signatures pass than RFC 8032 allows, and no
honest signer makes one of them.
"""

from functools import lru_cache

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey


def public_key(secret: bytes) -> bytes:
    """32 bytes from the 32-byte secret."""
    return bytes(_private(secret).verify_key)


def sign(secret: bytes, message: bytes) -> bytes:
    """64 bytes. Deterministic."""
    return bytes(_private(secret).sign(message).signature)


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is by `key`; also False for a key that is not a point."""
    try:
        _public(key).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


@lru_cache(maxsize=64)
def _private(secret: bytes) -> SigningKey:
    return SigningKey(secret)


@lru_cache(maxsize=4096)
def _public(key: bytes) -> VerifyKey:
    return VerifyKey(key)
