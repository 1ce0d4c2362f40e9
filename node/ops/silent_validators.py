"""`SilentValidators`: how many validators are really missing, not only too late for one certificate.

Rule: a certificate holds the first votes that make a quorum, so a validator that is a little slower than the others is
in few of them. Its vote extension reaches the next block all the same. Silent is who appears in neither for
`SILENT_HEIGHTS` heights in a row.
"""

from collections.abc import Iterable

from clearing.base.certificate import signer_indices
from clearing.base.validators import ValidatorSet
from consensus.messages import CommittedBlock

SILENT_HEIGHTS = 20


class SilentValidators:
    """When each validator was last heard. One node's view; it decides nothing."""

    def __init__(self) -> None:
        self._heard: dict[bytes, int] = {}
        """Height by envelope key, of the newest set only."""
        self._before: tuple[int, ValidatorSet] | None = None
        """The last height that was taken in, and the set that decided it."""

    def count(self, committed: CommittedBlock, signers: ValidatorSet) -> int:
        """Take in a decided height and the set that decided it; how many of it are silent now."""
        block = committed.block
        height = block.header.height
        heard = _keys(signers, signer_indices(committed.certificate.signers))
        if self._before is not None and self._before[0] == height - 1:
            # The block carries the extensions of the height below, late ones included.
            heard |= _keys(self._before[1], (each.validator for each in block.extended_commit))
        self._before = height, signers
        self._heard = {
            # Who is new in the set is not silent yet.
            key: height if key in heard else self._heard.get(key, height)
            for key in signers.index_of
        }
        return sum(height - last >= SILENT_HEIGHTS for last in self._heard.values())


def _keys(validators: ValidatorSet, indices: Iterable[int]) -> set[bytes]:
    return {validators.validators[index].envelope_key for index in indices}
