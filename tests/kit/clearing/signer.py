"""One way for tests to sign what members, venues and validators sign.

Rule: a key signs the digest of the whole request, whatever its signature fields hold.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from clearing.base import bls, ed25519
from clearing.base.ids import NetworkId
from clearing.base.validators import Validator, ValidatorSet, validator_of
from member.signing import requests as signing

NAMES_MAX = 40
"""Validators are called by smaller numbers."""


def secret(member: int) -> bytes:
    """The trading key of a member of the small genesis."""
    return (member + 1).to_bytes(32, "big")


def signed(request: Any, network: NetworkId, key: bytes | None = None, **keys: bytes) -> Any:
    """`request` with `signature` made by `key`, and each signature named in `keys` made by that key."""
    return signing.signed(network, request, **keys if key is None else {"signature": key, **keys})


def blank(kind: type[Any], *fields: Any, **named: Any) -> Any:
    """An unsigned request: `fields` in their order, but for nonce, deadline and signatures, which have names."""
    stated = [each for each in kind.__struct_fields__ if each not in ("nonce", "not_after_ms") and not _signs(each)]
    unsigned = {each: b"" for each in kind.__struct_fields__ if _signs(each)}
    return kind(**unsigned | dict(zip(stated, fields, strict=False)) | named)


def _signs(field: str) -> bool:
    return field == "signature" or field.endswith("_signature")


def envelope_secret(name: int) -> bytes:
    return bytes([name]) * 32


@cache
def key_of(name: int) -> bytes:
    return ed25519.public_key(envelope_secret(name))


@cache
def names_by_key() -> dict[bytes, int]:
    """Every name that may come up, by its key."""
    return {key_of(name): name for name in range(1, NAMES_MAX)}


def evm_secret_of(name: int) -> bytes:
    """The secret of a validator's EVM address."""
    return bytes([name]) * 32


@cache
def validator(name: int, power: int = 10, bls_name: int | None = None) -> Validator:
    """`bls_name`: whose BLS key, by default the own."""
    key = bls.secret_from_seed(bytes([bls_name or name]) * 32)
    return validator_of(key_of(name), key, evm_secret_of(name), power)


def set_with(powers: Mapping[int, int]) -> ValidatorSet:
    return ValidatorSet(tuple(sorted((validator(*each) for each in powers.items()), key=lambda v: v.envelope_key)))
