"""Signers: a raw key in this process, or a wallet that is asked; and signatures of requests and of API requests.

Rule: a secret is never printed. The digest is computed here, from the request itself. A wallet's signature is checked
by recovering its address, so a wallet that signs something else is found before anything is sent.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import coincurve
import msgspec

from crossclear_client import typed_data
from crossclear_client.errors import BadField
from crossclear_client.generated.requests import API_REQUEST
from crossclear_client.request import Request

R = TypeVar("R", bound=Request)
_HALF_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 // 2


class Signer(Protocol):
    """Who signs typed data: a `Key`, a `Wallet`, or anything of this shape."""

    @property
    def address(self) -> bytes:
        """The 20 bytes that a signature is recovered to."""

    async def sign(self, network: bytes, declaration: str, values: tuple[Any, ...]) -> bytes:
        """65 bytes: r, s, v."""


class Key:
    """A secp256k1 secret of 32 bytes in this process: a trade key, a client's key or a session key."""

    def __init__(self, secret: bytes) -> None:
        self._key = coincurve.PrivateKey(secret)
        self._address = address_of(self._key.public_key)

    @property
    def address(self) -> bytes:
        """The 20 bytes that a signature is recovered to."""
        return self._address

    async def sign(self, network: bytes, declaration: str, values: tuple[Any, ...]) -> bytes:
        """Sign typed data."""
        return self.sign_digest(typed_data.digest(network, declaration, values))

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes; the same digest always has the same ones (RFC 6979), with s in the lower half."""
        raw: bytes = self._key.sign_recoverable(digest, hasher=None)
        return raw[:64] + bytes((27 + raw[64],))

    def __repr__(self) -> str:
        return f"Key(0x{self._address.hex()})"


class Wallet:
    """A browser or hardware wallet: `ask` is given the parameter of `eth_signTypedData_v4`, and returns 65 bytes."""

    def __init__(self, address: bytes, ask: Callable[[dict[str, Any]], Awaitable[bytes]]) -> None:
        self._address = address
        self._ask = ask

    @property
    def address(self) -> bytes:
        """The 20 bytes that a signature is recovered to."""
        return self._address

    async def sign(self, network: bytes, declaration: str, values: tuple[Any, ...]) -> bytes:
        """Ask the wallet. Raises BadField where the signature is not this wallet's or not of this data."""
        made = await self._ask(typed_data.for_wallet(network, declaration, values))
        if len(made) == 65 and made[64] < 27:
            made = made[:64] + bytes((made[64] + 27,))
        if recover(typed_data.digest(network, declaration, values), made) != self._address:
            raise BadField("signature", "the wallet signed something else, or with another key")
        return made


async def signed(network: bytes, request: R, **signers: Signer) -> R:
    """`request` with each named signature made: `signature=key`, or `buyer_signature=key`. The others stay as they are,
    so that several can sign one after another. Raises BadField, and TypeError for what validators sign."""
    unknown = signers.keys() - {field.name for field in request.FIELDS if field.is_signature}
    if unknown:
        raise BadField(", ".join(sorted(unknown)), f"{type(request).__name__} has no such signature")
    values = request.signed_values(network)
    made = {name: await signer.sign(network, request.DECLARATION, values) for name, signer in signers.items()}
    return msgspec.structs.replace(request, **made)


async def authorization(
    network: bytes, signer: Signer, method: str, target: str, body: bytes, time_ms: int, nonce: bytes
) -> str:
    """The header `Authorization` of a signed route. `target` is path and query, as sent."""
    hashes = tuple(typed_data.keccak256(each) for each in (method.encode(), target.encode(), body))
    made = await signer.sign(network, API_REQUEST, (*hashes, time_ms, nonce))
    return f"Crossclear {time_ms}:{nonce.hex()}:{made.hex()}"


def recover(digest: bytes, signature: bytes) -> bytes:
    """The address that signed. Raises BadField for a signature that no node accepts."""
    if len(signature) != 65 or signature[64] not in (27, 28):
        raise BadField("signature", "a signature has 65 bytes, the last 27 or 28")
    if not 0 < int.from_bytes(signature[32:64], "big") <= _HALF_ORDER:
        raise BadField("signature", "s is not in the lower half of the order")
    try:
        raw = signature[:64] + bytes((signature[64] - 27,))
        key = coincurve.PublicKey.from_signature_and_message(raw, digest, hasher=None)
    except Exception:  # coincurve raises bare Exception
        raise BadField("signature", "the signature is of no key") from None
    return address_of(key)


def address_of(key: coincurve.PublicKey) -> bytes:
    """The last 20 bytes of the Keccak-256 of the point."""
    return typed_data.keccak256(key.format(compressed=False)[1:])[12:]
