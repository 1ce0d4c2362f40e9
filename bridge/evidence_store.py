"""Evidence of custody on disk: one file a block, the newest of each chain.

Rule: a file is a copy that anybody can check; what cannot be read, or is not of the block that is asked for, counts as
absent. It must not know what evidence proves.
"""

from pathlib import Path

from clearing.base.codec import decode, encode
from clearing.base.errors import RemoteFault
from clearing.base.evm.evidence import HEADER_BYTES_MAX, NODE_BYTES_MAX, NODES_MAX, BlockEvidence

KEPT_BLOCKS = 128
"""Of each chain. Epochs are proven minutes after their custody blocks."""
SUFFIX = ".evidence"
_BYTES_MAX = HEADER_BYTES_MAX + NODES_MAX * (NODE_BYTES_MAX + 8)


class EvidenceStore:
    """Keeps what the watchers proved."""

    def __init__(self, folder: Path, kept: int = KEPT_BLOCKS) -> None:
        self._folder = folder
        self._kept = kept
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, number: int, evidence: BlockEvidence) -> None:
        """Write the evidence of a block, in one step, and drop what is older than the newest `kept` of its chain."""
        path = self._path(evidence.chain_id, number, evidence.block_hash)
        new = path.with_suffix(".new")
        new.write_bytes(encode(evidence))
        new.replace(path)
        for old in sorted(self._folder.glob(f"chain-{evidence.chain_id}-*{SUFFIX}"))[: -self._kept]:
            old.unlink(missing_ok=True)

    def of_block(self, chain_id: int, number: int, block_hash: bytes) -> BlockEvidence | None:
        """The evidence of one block, or None."""
        try:
            data = self._path(chain_id, number, block_hash).read_bytes()
            evidence = decode(data, BlockEvidence, _BYTES_MAX)
        except (OSError, RemoteFault):
            return None
        return evidence if (evidence.chain_id, evidence.block_hash) == (chain_id, block_hash) else None

    def _path(self, chain_id: int, number: int, block_hash: bytes) -> Path:
        return self._folder / f"chain-{chain_id}-{number:020d}-{block_hash.hex()[:16]}{SUFFIX}"
