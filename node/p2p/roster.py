"""`Roster`: whose keys may connect, and as what.

Rule: validators come from the decided state (`admit`), observers and addresses from the configuration. A key that only
the configuration names as a peer is let in while the state may be old (`open`), for a node that is behind needs peers
that its own state does not know yet; never while it is known to be new (`close`), nor after it was seen to leave a set.
"""

from collections.abc import Collection
from enum import StrEnum


class Role(StrEnum):
    """As what a peer may connect."""

    VALIDATOR = "validator"
    OBSERVER = "observer"
    """Reads along and syncs; its votes count nothing."""
    CONFIGURED = "configured"
    """Named by the configuration, in no validator set that this node has seen yet."""


class Roster:
    """The allow-list of one node."""

    def __init__(self, own: bytes, configured: Collection[bytes] = (), observers: Collection[bytes] = ()) -> None:
        self._own = own
        self._configured = frozenset(configured) - {own}
        self._observers = frozenset(observers) - {own}
        self._departed: frozenset[bytes] = frozenset()
        self._told = self._closed = False
        self.validators: frozenset[bytes] = self._configured - self._observers
        """The other validators; until they are told, all that the configuration names."""
        self.keys: frozenset[bytes] = self._configured | self._observers
        """Everybody who may connect."""

    def admit(self, keys: Collection[bytes]) -> frozenset[bytes]:
        """From now on these are the validators. Returns the keys that may connect no longer."""
        known = self.validators if self._told else frozenset()
        self._told, before = True, self.keys
        self.validators = frozenset(keys) - {self._own}
        self._departed = (self._departed | known) - self.validators
        self._list()
        return before - self.keys

    def close(self) -> frozenset[bytes]:
        """The state is the newest there is: who is in none of its sets is nobody. Returns who may connect no longer."""
        before, self._closed = self.keys, True
        self._list()
        return before - self.keys

    def open(self) -> None:
        """The state may be old."""
        self._closed = False
        self._list()

    def _list(self) -> None:
        named = frozenset() if self._closed and self._told else self._configured - self._departed
        self.keys = self.validators | self._observers | named

    def would_change(self, keys: Collection[bytes]) -> bool:
        """Whether `admit` with these keys changes anything."""
        return not self._told or frozenset(keys) - {self._own} != self.validators

    @property
    def closed(self) -> bool:
        """Whether `close` was called, and not `open` since."""
        return self._closed

    def role(self, key: bytes) -> Role | None:
        """None for who may not connect."""
        if key in self.validators:
            return Role.VALIDATOR
        if key in self._observers:
            return Role.OBSERVER
        return Role.CONFIGURED if key in self.keys else None
