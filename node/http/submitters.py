"""`Submitters`: who may submit collateral events by a token, and how many events a submitter may submit.

Rule: settings keep the SHA-256 of a token, never the token. A token is refused where it would travel unencrypted. Every
submitter, member or not, has a rate of its own, beside that of its address.
"""

import math
from hmac import compare_digest

from clearing.base.hashing import sha256
from clearing.base.token_bucket import TokenBuckets
from member.client.authorization import TOKEN_SCHEME, is_loopback
from member.codes import NodeCode
from node.api.calls import ApiRefusal, check_wait
from node.config import Api

EVENTS_PER_SECOND = 5
"""Of one submitter, on average."""
EVENTS_BURST = 100


class Submitters:
    """Of one node's API."""

    def __init__(self, settings: Api) -> None:
        self._settings = settings
        self._rates = TokenBuckets(EVENTS_PER_SECOND, EVENTS_BURST, ticks=1000)

    def check_token(self, header: str) -> str:
        """The name under which the operator listed this token. Raises ApiRefusal 401, 403."""
        if not is_encrypted(self._settings):
            raise ApiRefusal(403, NodeCode.API_IN_CLEAR, "authorization")
        digest = sha256(header.removeprefix(f"{TOKEN_SCHEME} ").encode()).hex()
        for submitter in self._settings.submitters:
            if compare_digest(submitter.token_sha256, digest):
                return submitter.name
        raise ApiRefusal(401, NodeCode.API_UNAUTHENTICATED, "authorization.token")

    def check_rate(self, submitter: str, now_ms: int) -> None:
        """Count one event of a submitter. Raises ApiRefusal 429 with the time to wait."""
        if not self._rates.take(submitter, now_ms):
            check_wait(math.ceil(self._rates.wait(submitter, now_ms)), "submitter")


def is_encrypted(settings: Api) -> bool:
    """Whether nothing that the API is sent or answers leaves the machine unencrypted."""
    return settings.behind_tls or bool(settings.tls_certificate) or is_loopback(settings.host)
