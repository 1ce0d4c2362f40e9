"""`ClaimQueue`: which open withdrawals one relayer claims next.

Rule: every withdrawal has its turn, in the order in which it could first be claimed. One that failed waits twice as
long after each failure, and is claimed alone from then on. So neither an address that refuses money nor a flood of dust
holds anybody else up, and who makes a whole batch fail does it once.

Several relayers share the work without speaking to each other: withdrawals are dealt out in blocks of `BATCH_MAX`, and
who is next after a block's own relayer takes it over when it has waited for `takeover_seconds`.

The network learns of a payment when its block is final. Until then what the vault calls paid is left out here. And a
withdrawal that could be claimed under an earlier root holds up the next checkpoint: each relayer posts at most one more
before it is paid, so that it waits for no more checkpoints than there are relayers. That lasts only while it is new and
did not fail, because a checkpoint is worth more than one payment.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bridge.contracts.vault import VaultClaim

BATCH_MAX = 32
"""Claims of one transaction."""
BACKOFF_MAX_SECONDS = 3600.0
PAID_SECONDS = 600.0
"""After so long the vault is asked again about a payment that the network does not know: it may have been undone."""


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
    root_number: int
    """The vault's newest root then."""
    failures: int = 0
    retry_at: float = 0.0

    @property
    def turn_at(self) -> float:
        """When it could be claimed, or claimed again."""
        return max(self.since, self.retry_at)


class ClaimQueue:
    """The open withdrawals of one vault, as one relayer sees them.

    `retry_seconds`: the pause after a first failure. `hold_seconds`: how long a withdrawal may hold up checkpoints.
    Times are seconds of any steady clock.
    """

    def __init__(self, takeover_seconds: float = 2.0, retry_seconds: float = 10.0, hold_seconds: float = 30.0) -> None:
        self._takeover_seconds = takeover_seconds
        self._retry_seconds = retry_seconds
        self._hold_seconds = hold_seconds
        self._waiting: dict[int, _Waiting] = {}

    def due(
        self, claims: Iterable[VaultClaim], now: float, place: RelayerPlace, root_number: int = 0
    ) -> tuple[VaultClaim, ...]:
        """The claims that this relayer makes now: one that failed before, or a batch of others, ordered by nonce.

        `claims` are all that are open under the vault's newest root, which has this number: others are forgotten.
        """
        by_nonce = self._follow(claims, now, root_number)
        ready = [nonce for nonce, waiting in self._waiting.items() if self._is_ready(nonce, waiting, now, place)]
        ready.sort(key=lambda nonce: (self._waiting[nonce].turn_at, nonce))
        if ready and self._waiting[ready[0]].failures:
            return (by_nonce[ready[0]],)
        fresh = [nonce for nonce in ready if not self._waiting[nonce].failures]
        return tuple(by_nonce[nonce] for nonce in sorted(fresh[:BATCH_MAX]))

    def holding_up(self, claims: Iterable[VaultClaim], now: float, root_number: int) -> tuple[VaultClaim, ...]:
        """Those that could be claimed under a root before this one and may hold up the next, ordered by nonce."""
        by_nonce = self._follow(claims, now, root_number)
        return tuple(
            by_nonce[nonce]
            for nonce, waiting in self._waiting.items()
            if waiting.root_number < root_number
            and not waiting.failures
            and waiting.retry_at <= now < waiting.since + self._hold_seconds
        )

    def paid(self, nonce: int, now: float) -> None:
        """The vault calls this withdrawal paid."""
        self._waiting[nonce].retry_at = now + PAID_SECONDS

    def failed(self, nonce: int, now: float) -> None:
        """The vault did not pay this withdrawal."""
        waiting = self._waiting[nonce]
        pause = self._retry_seconds * 2 ** min(waiting.failures, 30)
        waiting.failures += 1
        waiting.retry_at = now + min(pause, BACKOFF_MAX_SECONDS)

    def _follow(self, claims: Iterable[VaultClaim], now: float, root_number: int) -> dict[int, VaultClaim]:
        by_nonce = {claim.nonce: claim for claim in claims}
        self._waiting = {nonce: self._waiting.get(nonce) or _Waiting(now, root_number) for nonce in sorted(by_nonce)}
        return by_nonce

    def _is_ready(self, nonce: int, waiting: _Waiting, now: float, place: RelayerPlace) -> bool:
        turn = (place.index - nonce // BATCH_MAX) % place.relayers
        return now >= max(waiting.since + turn * self._takeover_seconds, waiting.retry_at)
