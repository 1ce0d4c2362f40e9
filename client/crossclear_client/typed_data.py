"""EIP-712 typed data in the network's domain: digests for raw keys, JSON for wallets.

Rule: flat structs of one-word values, as docs/specification/signing.md says. `network` is the id of the network.
"""

from functools import lru_cache
from typing import Any

from Crypto.Hash import keccak

DOMAIN = "EIP712Domain(string name,string version,bytes32 salt)"
NAME = "crossclear"
VERSION = "1"


def keccak256(data: bytes) -> bytes:
    """Ethereum's Keccak-256."""
    return keccak.new(digest_bits=256, data=data).digest()


@lru_cache(maxsize=8)
def separator(network: bytes) -> bytes:
    """The domain separator of a network."""
    if len(network) != 32:
        raise ValueError("the id of a network has 32 bytes")
    return keccak256(keccak256(DOMAIN.encode()) + keccak256(NAME.encode()) + keccak256(VERSION.encode()) + network)


def digest(network: bytes, declaration: str, values: tuple[Any, ...]) -> bytes:
    """What is signed for a struct of the declared type with these values, in order."""
    fields = fields_of(declaration)
    words = b"".join(_word(kind, value) for (kind, _), value in zip(fields, values, strict=True))
    return keccak256(b"\x19\x01" + separator(network) + keccak256(keccak256(declaration.encode()) + words))


def for_wallet(network: bytes, declaration: str, values: tuple[Any, ...]) -> dict[str, Any]:
    """The parameter of `eth_signTypedData_v4`. Numbers are decimal strings: JavaScript would round them."""
    fields = fields_of(declaration)
    return {
        "types": {
            "EIP712Domain": [{"name": name, "type": kind} for kind, name in fields_of(DOMAIN)],
            declaration.partition("(")[0]: [{"name": name, "type": kind} for kind, name in fields],
        },
        "primaryType": declaration.partition("(")[0],
        "domain": {"name": NAME, "version": VERSION, "salt": "0x" + network.hex()},
        "message": {name: _shown(value) for (_, name), value in zip(fields, values, strict=True)},
    }


@lru_cache(maxsize=64)
def fields_of(declaration: str) -> tuple[tuple[str, str], ...]:
    """(type, name) of each field of a declaration."""
    inside = declaration.partition("(")[2].removesuffix(")")
    return tuple((kind, name) for kind, name in (each.split(" ") for each in inside.split(",")))


def _word(kind: str, value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return value.rjust(32, b"\0") if kind == "address" else value
    return int(value).to_bytes(32, "big", signed=value < 0)


def _shown(value: int | bytes) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return value if isinstance(value, bool) else str(value)
