"""`ClaimQueue`: which open withdrawals one relayer claims next.

Rule: every withdrawal has its turn, in the order in which it could first be claimed. One that failed waits twice as
long after each failure, and is claimed alone from then on. So neither an address that refuses money nor a flood of dust
holds anybody else up, and who makes a whole batch fail does it once.

Several relayers share the work without speaking to each other: withdrawals are dealt out in blocks of `BATCH_MAX`, and
who is next after a block's own relayer takes it over when it has waited for `takeover_seconds`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bridge.contracts.vault import VaultClaim

BATCH_MAX = 32
"""Claims of one transaction."""
BACKOFF_MAX_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class RelayerPlace:
    """One relayer among all that may run, counted from 0."""

    index: int = 0
    relayers: int = 1


ALONE = RelayerPlace()


@dataclass(slots=True)
class _Waiting:
    since: float
    """When it could first be claimed."""
    failures: int = 0
    retry_at: float = 0.0

    @property
    def turn_at(self) -> float:
        """When it could be claimed, or claimed again."""
        return max(self.since, self.retry_at)


class ClaimQueue:
    """The open withdrawals of one vault, as one relayer sees them.

    `retry_seconds`: the pause after a first failure. Times are seconds of any steady clock.
    """

    def __init__(self, takeover_seconds: float = 2.0, retry_seconds: float = 10.0) -> None:
        self._takeover_seconds = takeover_seconds
        self._retry_seconds = retry_seconds
        self._waiting: dict[int, _Waiting] = {}

    def due(self, claims: Iterable[VaultClaim], now: float, place: RelayerPlace) -> tuple[VaultClaim, ...]:
        """The claims that this relayer makes now: one that failed before, or a batch of others, ordered by nonce.

        `claims` are all that are open: others are forgotten.
        """
        by_nonce = {claim.nonce: claim for claim in claims}
        self._waiting = {nonce: self._waiting.get(nonce) or _Waiting(now) for nonce in sorted(by_nonce)}
        ready = [nonce for nonce, waiting in self._waiting.items() if self._is_ready(nonce, waiting, now, place)]
        ready.sort(key=lambda nonce: (self._waiting[nonce].turn_at, nonce))
        if ready and self._waiting[ready[0]].failures:
            return (by_nonce[ready[0]],)
        fresh = [nonce for nonce in ready if not self._waiting[nonce].failures]
        return tuple(by_nonce[nonce] for nonce in sorted(fresh[:BATCH_MAX]))

    def failed(self, nonce: int, now: float) -> None:
        """The vault did not pay this withdrawal."""
        waiting = self._waiting[nonce]
        pause = self._retry_seconds * 2 ** min(waiting.failures, 30)
        waiting.failures += 1
        waiting.retry_at = now + min(pause, BACKOFF_MAX_SECONDS)

    def _is_ready(self, nonce: int, waiting: _Waiting, now: float, place: RelayerPlace) -> bool:
        turn = (place.index - nonce // BATCH_MAX) % place.relayers
        return now >= max(waiting.since + turn * self._takeover_seconds, waiting.retry_at)
