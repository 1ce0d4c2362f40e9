"""The node's own final headers, as the bridge and the vaults are shown them.

Rule: it reads the decided blocks, which never change; what they hold is final here. It decides nothing.
"""

from clearing.base.certificate import Certificate
from clearing.base.header import Header
from consensus.blocks.store import BlockStore, load_committed


class StoredBranch:
    """Implements `bridge.watch.branch.OwnBranch` over the node's blocks."""

    def __init__(self, blocks: BlockStore) -> None:
        self._blocks = blocks

    def height(self) -> int:
        """The newest one's; 0: none."""
        return self._blocks.height()

    def header_hash(self, height: int) -> bytes | None:
        """None for a height that is not kept."""
        found = self.certified(height)
        return None if found is None else found[0].hash

    def certified(self, height: int) -> tuple[Header, Certificate] | None:
        """The header of a height with its consensus certificate."""
        committed = load_committed(self._blocks, height)
        return None if committed is None else (committed.block.header, committed.certificate)
