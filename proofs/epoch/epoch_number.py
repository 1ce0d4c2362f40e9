"""The number of an epoch beside the height at which it closes.

Rule: epochs are numbered from 1, and each closes at a height of its own, so the n-th closes at a height of at least n.
"""

from proofs.errors import ProofCode, VerificationFailed


def check_epoch_number(epoch: int, height: int, at: str) -> None:
    """Check that a chain may have closed this epoch at this height. Raises VerificationFailed EPOCH_IMPOSSIBLE."""
    if not 1 <= epoch <= height:
        raise VerificationFailed(ProofCode.EPOCH_IMPOSSIBLE, at, epoch=epoch, height=height)
