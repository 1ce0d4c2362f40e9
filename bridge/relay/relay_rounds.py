"""Which rounds of a relayer ask the vault: all but a few after one in which there was nothing to do.

Rule: a round rests only while the network wants of the vault just what it wanted in the idle round. Whatever is open
(a withdrawal, a rotation), anything new (a set, a root, an order) and every fault make the next round ask. What only
the vault's side or time can bring, a checkpoint that grows old or another's transaction, is seen some rounds late. It
must not know what is relayed.
"""

from collections.abc import Hashable

RESTS = 3
"""Rounds that rest after an idle one."""


class RelayRounds:
    """Of one vault."""

    def __init__(self) -> None:
        self._idle: Hashable = None
        self._rests = 0

    def is_due(self, wanted: Hashable) -> bool:
        """Whether this round asks the vault. `wanted`: what the network wants of it; None: what is open, is due."""
        if wanted is None or wanted != self._idle or self._rests == 0:
            return True
        self._rests -= 1
        return False

    def note(self, wanted: Hashable, *, is_idle: bool) -> None:
        """A round asked. `is_idle`: it failed in nothing and found nothing to do."""
        self._idle, self._rests = (wanted, RESTS) if is_idle else (None, 0)
