"""Plain types that every topic of the API uses: decimal text, hashes, addresses, ids, and the shape of a refusal.

Rule: an amount is text, because JavaScript rounds numbers above 2**53; bytes are hex with 0x.
"""

from typing import Annotated

from msgspec import Meta, Struct

Decimal = Annotated[str, Meta(pattern="^-?(0|[1-9][0-9]{0,18})$", description="a whole number as a string")]
Natural = Annotated[str, Meta(pattern="^(0|[1-9][0-9]{0,18})$", description="a whole number as a string, not negative")]
Hash = Annotated[str, Meta(pattern="^0x[0-9a-f]{64}$")]
Address = Annotated[str, Meta(pattern="^0x[0-9a-fA-F]{40}$")]
Signature = Annotated[str, Meta(pattern="^0x[0-9a-fA-F]{130}$")]
Hex = Annotated[str, Meta(pattern="^0x([0-9a-f]{2})*$")]
Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
SmallId = Annotated[int, Meta(ge=0, le=2**32 - 1)]


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all of them."""


class Problem(Body, frozen=True):
    """Every refusal. `code` is stable; `crossclear explain CODE` says more."""

    code: str
    message: str
    at: str
    remedy: str


Amount = Annotated[str, Meta(pattern="^-?(0|[1-9][0-9]*)$", description="a whole number as a string, of any size")]
SlotName = Annotated[str, Meta(min_length=1, max_length=256)]


def hexed(data: bytes) -> str:
    """Hex with 0x."""
    return "0x" + data.hex()


def octets(text: str) -> bytes:
    """The bytes of hex with or without 0x; the text was checked by its type."""
    return bytes.fromhex(text.removeprefix("0x"))
