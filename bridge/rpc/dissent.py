"""Dissent about final blocks: endpoints that contradict the quorum about one, or that lack it.

Rule: while an endpoint dissents, rightly or not, nothing is final here: two endpoints that forge a block outvote one
that tells the truth. An endpoint agrees again when it states the quorum's hash of that block or of a later one; an
endpoint that does not answer has not agreed. The time to decide is bounded. After it, a contradiction halts the chain,
because crediting could lose money; an endpoint that only lacks the block is no longer waited for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import trio

from bridge.codes import BridgeCode
from clearing.base.errors import RemoteFault

DISSENT_SECONDS = 1_200.0
"""Longer than the two or three epochs in which Ethereum makes a block final: by then an endpoint that had followed the
wrong branch has been corrected."""


@dataclass(frozen=True, slots=True)
class Dissent:
    """What one endpoint states about a final block. `since` is on trio's clock."""

    endpoint: str
    number: int
    agreed: bytes
    """The quorum's hash."""
    stated: bytes | None
    """The endpoint's; None: it lacks the block."""
    since: float


class DissentRecord:
    """The open dissents of one chain's endpoints, at most one each: the first that was not resolved."""

    def __init__(self, names: Sequence[str], seconds: float = DISSENT_SECONDS) -> None:
        self._names = tuple(names)
        self._seconds = seconds
        self._by_endpoint: dict[int, Dissent] = {}

    @property
    def open(self) -> tuple[Dissent, ...]:
        """Every unresolved dissent, in the order of the endpoints, also of endpoints no longer waited for."""
        return tuple(dissent for _, dissent in sorted(self._by_endpoint.items()))

    def note(self, index: int, number: int, agreed: bytes, stated: bytes | None) -> None:
        """An endpoint answered about a final block whose hash a quorum agrees on."""
        before = self._by_endpoint.get(index)
        if stated == agreed:
            if before is not None and before.number <= number:
                del self._by_endpoint[index]
        elif before is None or (before.stated is None and stated is not None):
            self._by_endpoint[index] = Dissent(self._names[index], number, agreed, stated, trio.current_time())
        elif before.number == number and stated is not None:
            self._by_endpoint[index] = replace(before, agreed=agreed, stated=stated)

    def forget_above(self, final_number: int) -> None:
        """The quorum calls no block above this final any more, so nobody dissents about one."""
        self._by_endpoint = {
            index: dissent for index, dissent in self._by_endpoint.items() if dissent.number <= final_number
        }

    def check(self) -> None:
        """Check that no endpoint dissents that must be waited for.

        Raises RemoteFault: DISPUTE_UNDECIDED for a contradiction after the time to decide, FINAL_BLOCK_DISPUTED before
        it, FINAL_BLOCK_LACKING.
        """
        now = trio.current_time()
        for dissent in sorted(self.open, key=lambda each: (each.stated is None, each.since)):
            waited = now - dissent.since
            is_over = waited >= self._seconds
            if dissent.stated is None and is_over:
                continue
            if dissent.stated is None:
                code = BridgeCode.FINAL_BLOCK_LACKING
            else:
                code = BridgeCode.DISPUTE_UNDECIDED if is_over else BridgeCode.FINAL_BLOCK_DISPUTED
            raise RemoteFault(
                code,
                dissent.endpoint,
                number=dissent.number,
                quorum=dissent.agreed,
                stated=dissent.stated or b"",
                seconds=int(waited),
                seconds_max=int(self._seconds),
            )
