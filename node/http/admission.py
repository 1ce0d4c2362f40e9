"""`Authenticator`: which member signed a request.

Rule: the time of a signed request must be near the node's clock, and a nonce is accepted once within that window. Only
members' nonces are remembered, so that strangers cannot fill the memory.
"""

from clearing.base import secp256k1
from clearing.base.errors import RemoteFault
from member.client.authorization import HEADER_PATTERN, SignedPart, request_digest
from member.codes import NodeCode
from node.api.calls import ApiRefusal, member_of
from node.api.view import NodeView

NONCES_MAX = 100_000


class Authenticator:
    """Remembers the nonces of one node's API."""

    def __init__(self, view: NodeView, skew_ms_max: int) -> None:
        self._view = view
        self._skew_ms_max = skew_ms_max
        self._seen: dict[tuple[bytes, bytes], int] = {}

    def check(self, header: str | None, part: SignedPart, now_ms: int) -> bytes:
        """The member's address. Raises ApiRefusal 401, or 429 when too many nonces are remembered."""
        match = HEADER_PATTERN.fullmatch(header or "")
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
        if member_of(self._view.state, address) is None:
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
