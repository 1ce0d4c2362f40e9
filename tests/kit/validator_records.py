"""Records of validators for tests: one secret gives the keys that are not the subject of the test."""

from clearing.base.codec import u256
from clearing.base.hashing import sha256
from clearing.base.validators import Validator, validator_of

NO_SIGNATURE = bytes(65)


def evm_secret_of(bls_secret: int) -> bytes:
    """The secp256k1 secret of the validator with this BLS secret: the same number."""
    return u256(bls_secret)


def made_validator(envelope_key: bytes, bls_secret: int, power: int = 1) -> Validator:
    """A record with every proof of possession."""
    return validator_of(envelope_key, bls_secret, evm_secret_of(bls_secret), power)


def unproven_validator(envelope_key: bytes, bls_key: bytes, power: int = 1) -> Validator:
    """A record that proves nothing, with an address of its own."""
    return Validator(envelope_key, bls_key, power, bytes(96), sha256(envelope_key)[:20], NO_SIGNATURE)
