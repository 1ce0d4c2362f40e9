"""Signed HTTP requests: a member proves its trade key by signing method, target, body, time and a nonce.

The header is `Authorization: Crossclear <time ms>:<nonce, 64 hex>:<signature, 130 hex>`, the signature is EIP-712 over
`REQUEST_TYPE` in the network's domain, so any wallet can make it, and it is worth nothing elsewhere.
"""

import ipaddress
import re
from dataclasses import dataclass

from clearing.base import eip712, secp256k1
from clearing.base.hashing import keccak256
from clearing.base.ids import Hash32, NetworkId

REQUEST_TYPE = "ApiRequest(bytes32 method,bytes32 target,bytes32 body,uint64 timeMs,bytes32 nonce)"
SCHEME = "Crossclear"
TOKEN_SCHEME = "Bearer"
HEADER_PATTERN = re.compile(r"Crossclear (?P<time>[0-9]{1,16}):(?P<nonce>[0-9a-f]{64}):(?P<signature>[0-9a-f]{130})")


@dataclass(frozen=True, slots=True)
class SignedPart:
    """What of a request is signed. `target` is path and query, as sent."""

    method: str
    target: str
    body: bytes


def request_digest(network: NetworkId, part: SignedPart, time_ms: int, nonce: bytes) -> Hash32:
    """The 32 bytes that the trade key signs."""
    fields = (keccak256(part.method.encode()), keccak256(part.target.encode()), keccak256(part.body), time_ms, nonce)
    return eip712.typed_data_digest(network, REQUEST_TYPE, fields)


def authorization(network: NetworkId, secret: bytes, part: SignedPart, time_ms: int, nonce: bytes) -> str:
    """The header's value, for clients."""
    signature = secp256k1.sign_digest(secret, request_digest(network, part, time_ms, nonce))
    return f"{SCHEME} {time_ms}:{nonce.hex()}:{signature.hex()}"


def token_authorization(token: str) -> str:
    """The header's value with a submitter's token, in place of a signature."""
    return f"{TOKEN_SCHEME} {token}"


def is_bearer(header: str) -> bool:
    """Whether a header carries a token, and no signature."""
    return header.startswith(f"{TOKEN_SCHEME} ")


def is_loopback(host: str) -> bool:
    """Whether what is sent to this address never leaves the machine. Of names only `localhost` is trusted."""
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
