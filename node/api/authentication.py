"""Signed requests: a member shows its trade key by signing method, target, body, time and a nonce.

The header is `Authorization: Crossclear <time ms>:<nonce, 64 hex>:<signature, 130 hex>`, the signature is EIP-712 over
`REQUEST_TYPE` in the network's domain, so any wallet can make it, and it is worth nothing elsewhere.

Rule: the time must be near the node's clock, and a nonce is accepted once within that window. Strangers' nonces are not
remembered, so that they cannot fill the memory.
"""

import re
from dataclasses import dataclass

from clearing.base import eip712, secp256k1
from clearing.base.errors import RemoteFault
from clearing.base.hashing import keccak256
from clearing.base.ids import Hash32, NetworkId
from node.api.problems import ApiRefusal
from node.api.view import NodeView
from node.codes import NodeCode

REQUEST_TYPE = "ApiRequest(bytes32 method,bytes32 target,bytes32 body,uint64 timeMs,bytes32 nonce)"
SCHEME = "Crossclear"
NONCES_MAX = 100_000
_HEADER = re.compile(r"Crossclear (?P<time>[0-9]{1,16}):(?P<nonce>[0-9a-f]{64}):(?P<signature>[0-9a-f]{130})")


@dataclass(frozen=True, slots=True)
class SignedPart:
    """What of a request is signed. `target` is path and query, as sent."""

    method: str
    target: str
    body: bytes


def request_digest(network: NetworkId, part: SignedPart, time_ms: int, nonce: bytes) -> Hash32:
    """The 32 bytes that the trade key signs."""
    words = (
        keccak256(part.method.encode()),
        keccak256(part.target.encode()),
        keccak256(part.body),
        time_ms,
        nonce,
    )
    return eip712.digest(network, REQUEST_TYPE, words)


def authorization(network: NetworkId, secret: bytes, part: SignedPart, time_ms: int, nonce: bytes) -> str:
    """The header's value, for clients."""
    signature = secp256k1.sign_digest(secret, request_digest(network, part, time_ms, nonce))
    return f"{SCHEME} {time_ms}:{nonce.hex()}:{signature.hex()}"


class Authenticator:
    """Remembers the nonces of one node's API."""

    def __init__(self, view: NodeView, skew_ms_max: int) -> None:
        self._view = view
        self._skew_ms_max = skew_ms_max
        self._seen: dict[tuple[bytes, bytes], int] = {}

    def check(self, header: str | None, part: SignedPart, now_ms: int) -> bytes:
        """The member's address. Raises ApiRefusal 401, or 429 when too many nonces are remembered."""
        match = _HEADER.fullmatch(header or "")
        if match is None:
            raise ApiRefusal(401, NodeCode.API_UNAUTHENTICATED, "authorization")
        time_ms = int(match["time"])
        nonce = bytes.fromhex(match["nonce"])
        if abs(time_ms - now_ms) > self._skew_ms_max:
            raise ApiRefusal(401, NodeCode.API_STALE_REQUEST, "authorization.time", time_ms=time_ms, now_ms=now_ms)
        try:
            digest = request_digest(self._view.network, part, time_ms, nonce)
            address = secp256k1.recover(digest, bytes.fromhex(match["signature"]))
        except RemoteFault:
            raise ApiRefusal(401, NodeCode.API_UNAUTHENTICATED, "authorization.signature") from None
        if not self._view.is_member(address):
            raise ApiRefusal(401, NodeCode.API_UNAUTHENTICATED, "authorization.signature", signer=address)
        self._remember(address, nonce, now_ms)
        return address

    def _remember(self, address: bytes, nonce: bytes, now_ms: int) -> None:
        if (address, nonce) in self._seen:
            raise ApiRefusal(401, NodeCode.API_REPLAYED, "authorization.nonce")
        if len(self._seen) >= NONCES_MAX:
            self._seen = {key: until for key, until in self._seen.items() if until >= now_ms}
        if len(self._seen) >= NONCES_MAX:
            raise ApiRefusal(429, NodeCode.API_RATE, "authorization")
        # A request signed `skew` ahead of the clock stays acceptable for twice the skew.
        self._seen[(address, nonce)] = now_ms + 2 * self._skew_ms_max
