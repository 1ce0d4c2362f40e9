"""The Fiat-Shamir transcript: SHA-256, typed appenders, versioned domain separators.

Rule: every item is absorbed with its label, its type and its length, so that no two sequences of items give the same
state; a challenge depends on everything absorbed before it and is itself absorbed. SHA-256 so that `hashlib`, browsers
and the EVM agree.
"""

import hashlib

from clearing.base.codec import u256
from clearing.base.hashing import tag_prefix, tagged_hash
from proofs.algebra.field import ORDER, scalar_bytes

TRANSCRIPT_TAG = "crossclear/transcript/v1"


class Transcript:
    """A running hash. state' = SHA-256(state ‖ H(label) ‖ H(type) ‖ length ‖ data)."""

    def __init__(self, protocol: str) -> None:
        """`protocol` is a versioned domain separator such as `crossclear/linear/v1`."""
        self._state: bytes = tagged_hash(TRANSCRIPT_TAG, tag_prefix(protocol))

    def append_bytes(self, label: str, data: bytes) -> None:
        """Absorb bytes of any length."""
        self._absorb(label, "bytes", data)

    def append_integer(self, label: str, value: int) -> None:
        """Absorb an integer in [0, 2^256)."""
        self._absorb(label, "integer", u256(value))

    def append_scalar(self, label: str, value: int) -> None:
        """Absorb a reduced scalar."""
        self._absorb(label, "scalar", scalar_bytes(value))

    def append_encoded_point(self, label: str, data: bytes) -> None:
        """Absorb a point whose canonical bytes are at hand."""
        self._absorb(label, "point", data)

    def challenge(self, label: str) -> int:
        """A scalar, uniform but for 2^-257, that depends on everything absorbed so far."""
        self._absorb(label, "challenge", b"")
        wide = hashlib.sha256(self._state + b"\x00").digest() + hashlib.sha256(self._state + b"\x01").digest()
        return int.from_bytes(wide, "big") % ORDER

    def fork(self, label: str) -> "Transcript":
        """An independent transcript bound to everything absorbed so far."""
        other = Transcript(label)
        other.append_bytes("parent", self._state)
        return other

    def _absorb(self, label: str, kind: str, data: bytes) -> None:
        self._state = hashlib.sha256(
            self._state + tag_prefix(label) + tag_prefix(kind) + len(data).to_bytes(8, "big") + data
        ).digest()
