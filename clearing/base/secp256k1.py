"""Recoverable ECDSA on secp256k1 over Keccak digests: member signatures, as by Ethereum wallets.

Rule: a signature is 65 bytes r || s || v with v in {27, 28} and s in the lower half of the order, so one digest and key
have one accepted form of each signature. A signer is identified by its 20-byte EVM address.
"""

from functools import lru_cache

import coincurve

from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.hashing import keccak256
from clearing.base.ids import EvmAddress

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def address(secret: bytes) -> EvmAddress:
    """The EVM address of a 32-byte secret."""
    return _address_of(coincurve.PrivateKey(secret).public_key)


def sign_digest(secret: bytes, digest: bytes) -> bytes:
    """Sign a 32-byte digest: 65 bytes. Deterministic (RFC 6979), low s."""
    raw: bytes = coincurve.PrivateKey(secret).sign_recoverable(digest, hasher=None)
    return raw[:64] + bytes((27 + raw[64],))


@lru_cache(maxsize=65536)
def recover(digest: bytes, signature: bytes) -> EvmAddress:
    """The address that signed `digest`. Cached. Raises RemoteFault BAD_SIGNATURE unless the signature is canonical."""
    if len(signature) != 65 or signature[64] not in (27, 28):
        raise RemoteFault(BaseCode.BAD_SIGNATURE, "secp256k1", signature=signature)
    if not 0 < int.from_bytes(signature[32:64], "big") <= ORDER // 2:
        raise RemoteFault(BaseCode.BAD_SIGNATURE, "secp256k1 s", signature=signature)
    try:
        key = coincurve.PublicKey.from_signature_and_message(
            signature[:64] + bytes((signature[64] - 27,)), digest, hasher=None
        )
    except Exception:  # coincurve raises bare Exception for an unrecoverable signature
        raise RemoteFault(BaseCode.BAD_SIGNATURE, "secp256k1", signature=signature) from None
    return _address_of(key)


def _address_of(key: coincurve.PublicKey) -> EvmAddress:
    return _address_of_point(key.format(compressed=False))


@lru_cache(maxsize=4096)
def _address_of_point(point: bytes) -> EvmAddress:
    """Address of an uncompressed point. Cached: there are few members, who sign often."""
    return EvmAddress(keccak256(point[1:])[12:])
