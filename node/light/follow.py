"""Following: the newest height again and again, each told when it is verified.

Rule: a server that fails is waited for; what contradicts, and trust that ran out, end it.
"""

from collections.abc import Callable

from clearing.base.errors import CrossclearError, LocalFault
from consensus.codes import ConsensusCode
from consensus.light.client import LightBlock
from node.codes import NodeCode
from node.light.client import LightClient

STILL_MS = 60_000
_ENDING = (
    NodeCode.LIGHT_ATTACK,
    NodeCode.LIGHT_STORE_UNUSABLE,
    NodeCode.LIGHT_NO_TRUST,
    ConsensusCode.TRUST_EXPIRED,
)


def follow(
    client: LightClient,
    verified: Callable[[LightBlock], None],
    tell: Callable[[str], None],
    wait: Callable[[], bool],
    now_ms: Callable[[], int] = lambda: 0,
) -> None:
    """Until `wait` says False. Raises LocalFault for what ends it, and when no server is left.

    A server that shows nothing new cannot be told from a network that stands: that the newest header is old is said.
    """
    still = False
    told = client.store.newest()
    if told is not None:
        verified(told)
    while True:
        try:
            newest = client.update()
        except CrossclearError as fault:
            if not isinstance(fault, LocalFault) or fault.code in _ENDING or not client.sources:
                raise
            tell(str(fault))
        else:
            if told is None or newest.header.height > told.header.height:
                verified(newest)
                told = newest
            age_ms = now_ms() - newest.header.time_ms
            if age_ms > STILL_MS and not still:
                tell(f"the newest header that is shown, {newest.header.height}, is {age_ms // 1000} s old")
            still = age_ms > STILL_MS
        if not wait():
            return
