"""`FinalWitness`: a source of final blocks beside the endpoints, which proves what it states.

Rule: a witness has no vote. Where it contradicts the quorum about a final block, it dissents as an endpoint does; where
it is required, nothing above its newest block is final.
"""

from typing import Protocol

ANCHORED_MAX = 8_192
"""So many blocks below a proven one are linked to it by parent hashes; farther down, nothing is proven with it."""


class FinalWitness(Protocol):
    """What the quorum asks of it, at once and without the network."""

    @property
    def name(self) -> str:
        """As dissents show it."""

    @property
    def is_required(self) -> bool:
        """Whether nothing above its newest block is final."""

    @property
    def last_fault(self) -> str:
        """Why it proves nothing new; empty where nothing failed."""

    def check(self) -> None:
        """Check that it did not prove two branches. Raises RemoteFault LIGHT_CLIENT_CONFLICT."""

    def hash_at(self, number: int) -> bytes | None:
        """The hash of a final block, if that block itself was proven."""

    def oldest_from(self, number: int) -> int | None:
        """The lowest number of a block proven from `number` on."""

    def newest_within(self, first: int, last: int) -> int | None:
        """The highest number of a block proven from `first` to `last`."""
