"""Gossip validators: whether a message is the canonical bytes of the type that its topic carries.

Rule: synchronous and bounded; they judge form only. What a message means is judged where it is used.
"""

from clearing.base.codec import Wire, decode
from clearing.base.errors import RemoteFault
from node.p2p.network import Incoming, Validator


def carries(kind: type[Wire], limit: int) -> Validator:
    """A validator that lets through what decodes as `kind` within `limit` bytes."""

    def valid(message: Incoming) -> bool:
        try:
            decode(message.data, kind, limit)
        except RemoteFault:
            return False
        return True

    return valid
