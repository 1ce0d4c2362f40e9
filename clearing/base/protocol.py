"""Protocol versions: which rules a block follows, and which of them this release has.

Rule: a version is a whole set of rules of the replicated state and of agreement: how blocks are made, checked and
executed, who leads, what counts as evidence. A rule that changes says from which version on. A vote sets the height of
the next version (`clearing.governance.upgrades`), so every node changes its rules in the same block. What this release
has is never read where a block is executed, only where it is decided whether to execute it.

| version | rules |
|---|---|
| 1 | those of the first release |
"""

from typing import NamedTuple

FIRST_VERSION = 1
"""Of a network's first block."""


class ProtocolVersions(NamedTuple):
    """The versions that a release has, both ends included. It can execute blocks of these and of no others."""

    oldest: int
    newest: int

    def has(self, version: int) -> bool:
        """Whether blocks of this version can be executed."""
        return self.oldest <= version <= self.newest

    def __str__(self) -> str:
        return str(self.oldest) if self.oldest == self.newest else f"{self.oldest} to {self.newest}"


RELEASE_VERSIONS = ProtocolVersions(oldest=1, newest=1)
"""Of this release."""
