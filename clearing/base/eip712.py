"""EIP-712 typed data for member requests: flat structs of 32-byte words.

Rule: the domain's salt is the network id, so a signature for one network is invalid on any other. Only value types of
one word are used (uintN, intN, bytes32, address), so the struct hash is Keccak over words.

A request class declares the signed type once, as `SIGNED`; the signed values are the fields of the request. A name in
camel case in the type is the field of that name in snake case, so a wallet displays and signs exactly the fields.
"""

import re
import struct
from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any, ClassVar

from clearing.base.codec import Wire
from clearing.base.hashing import keccak256
from clearing.base.ids import Hash32, NetworkId

DOMAIN_TYPE = b"EIP712Domain(string name,string version,bytes32 salt)"
DOMAIN_NAME = "crossclear"
DOMAIN_VERSION = "1"
_SHORT_TYPES = frozenset(("uint8", "uint16", "uint32", "uint64", "bool"))
"""Types whose values fit in the last eight bytes of a word."""


def _abi_word(value: int | bytes) -> bytes:
    """One ABI word: an integer in two's complement, bytes32 unchanged, an address left-padded."""
    if isinstance(value, int):
        return value.to_bytes(32, "big", signed=value < 0)
    return value.rjust(32, b"\0") if len(value) == 20 else value.ljust(32, b"\0")


@lru_cache(maxsize=64)
def type_hash(declaration: str) -> Hash32:
    """Keccak of a declaration such as `Trade(uint64 buyer,uint64 seller)`."""
    return keccak256(declaration.encode("ascii"))


@lru_cache(maxsize=16)
def domain_separator(network: NetworkId) -> Hash32:
    """The EIP-712 domain of one network."""
    names = (DOMAIN_NAME.encode(), DOMAIN_VERSION.encode())
    return keccak256(keccak256(DOMAIN_TYPE) + b"".join(keccak256(name) for name in names) + network)


def abi_words(values: tuple[int | bytes, ...]) -> bytes:
    """The words of these values one after the other, in the clear way that every shorter one equals."""
    return b"".join(_abi_word(value) for value in values)


def _encoded_values(declaration: str, values: tuple[int | bytes, ...]) -> bytes:
    """`abi_words`, in one call where the type has only unsigned integers of at most 64 bits."""
    pack = _words_packer(declaration)
    if pack is not None:
        try:
            return pack(*values)
        except struct.error:
            pass  # not the declared number or range of values
    return abi_words(values)


@lru_cache(maxsize=64)
def _words_packer(declaration: str) -> Callable[..., bytes] | None:
    """Packs one word for each declared field; None where a field is not of `_SHORT_TYPES`."""
    declared = declaration[declaration.index("(") + 1 : -1].split(",")
    if any(field.split(" ")[0] not in _SHORT_TYPES for field in declared):
        return None
    return struct.Struct(">" + "24xQ" * len(declared)).pack


@lru_cache(maxsize=32768)
def typed_data_digest(network: NetworkId, declaration: str, values: tuple[int | bytes, ...]) -> Hash32:
    """The digest to sign for a struct of the declared type with these values, in order.

    Cached: a request is hashed when it arrives and again in its block.
    """
    struct_hash = keccak256(type_hash(declaration) + _encoded_values(declaration, values))
    return keccak256(b"\x19\x01" + domain_separator(network) + struct_hash)


class TypedRequest(Wire, frozen=True):
    """Base of requests that a trade key, a client's key or a venue's key signs."""

    SIGNED: ClassVar[str]
    """The EIP-712 type, such as `VenueSwitch(uint64 venue,bool suspended,uint32 revision,uint64 notAfterMs)`."""

    def digest(self, network: NetworkId) -> Hash32:
        """What each signature of the request is over."""
        return typed_data_digest(network, self.SIGNED, self.signed_values())

    def signed_values(self) -> tuple[int | bytes, ...]:
        """One ABI word for each declared field, in order."""
        return _values_getter(self.SIGNED)(self)


def _signed_fields(declaration: str) -> tuple[str, ...]:
    """Names of the fields that an EIP-712 type declares, in snake case."""
    declared = declaration[declaration.index("(") + 1 : -1].split(",")
    return tuple(re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", field.split(" ")[1]) for field in declared)


@lru_cache(maxsize=64)
def _values_getter(declaration: str) -> Callable[[Any], tuple[int | bytes, ...]]:
    return attrgetter(*_signed_fields(declaration))
