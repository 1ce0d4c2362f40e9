"""`Roster`: whose keys may connect, and as what.

Rule: validators come from the decided state (`admit`), observers and addresses from the configuration. A key that the
configuration names stays allowed until this node has itself seen it leave the validator set: a node that is behind
needs peers that its own state does not know yet.
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
        self._told = False
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
        self.keys = self.validators | self._observers | (self._configured - self._departed)
        return before - self.keys

    def would_change(self, keys: Collection[bytes]) -> bool:
        """Whether `admit` with these keys changes anything."""
        return not self._told or frozenset(keys) - {self._own} != self.validators

    def role(self, key: bytes) -> Role | None:
        """None for who may not connect."""
        if key in self.validators:
            return Role.VALIDATOR
        if key in self._observers:
            return Role.OBSERVER
        return Role.CONFIGURED if key in self.keys else None
