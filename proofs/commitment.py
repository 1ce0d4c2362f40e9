"""The vector commitment to an account's holdings: C_W = Σ w_j·[L_j] + ρ_0·[Z_H] + ρ_1·[X·Z_H].

Rule: ρ is derived from the account's seed and from everything that tells one commitment from another, so blinders are
never the same for two accounts, epochs or states, and a member can recompute its commitment from holdings and seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from clearing.base.codec import u256
from clearing.base.errors import LocalFault
from proofs.errors import ProofCode
from proofs.field import ORDER
from proofs.group import Point, encode_point, multi_scalar
from proofs.srs import Basis

BLINDER_TAG = b"crossclear/proofs/blinder/v1"
SEED_BYTES = 32
BLINDERS = 2


@dataclass(frozen=True)
class CommitmentContext:
    """What one account's blinders are bound to besides its seed."""

    network: bytes
    account: int
    epoch: int
    state_root: bytes
    column: int = 0


def blinders(seed: bytes, context: CommitmentContext) -> tuple[int, int]:
    """(ρ_0, ρ_1) = HKDF-SHA256(seed, network ‖ account ‖ epoch ‖ state root ‖ column ‖ i), 64 bytes reduced mod p.

    Raises LocalFault BAD_LENGTH for a seed that is not 32 bytes.
    """
    # Imported here so that a verifier without own accounts starts faster.
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    if len(seed) != SEED_BYTES:
        raise LocalFault(ProofCode.BAD_LENGTH, "account seed", bytes=len(seed))
    values = []
    for index in range(BLINDERS):
        info = b"".join(
            (
                BLINDER_TAG,
                context.network,
                u256(context.account),
                u256(context.epoch),
                context.state_root,
                u256(context.column),
                u256(index),
            )
        )
        wide = HKDF(algorithm=SHA256(), length=64, salt=None, info=info).derive(seed)
        values.append(int.from_bytes(wide, "big") % ORDER)
    return values[0], values[1]


def commit(basis: Basis, values: Sequence[int], hiding: Sequence[int]) -> Point:
    """Σ values[j]·[L_j] + Σ hiding[i]·[X^i·Z_H]; zero values cost nothing. Values may be negative."""
    used = [index for index, value in enumerate(values) if value]
    # A negative value would be a full-size scalar: its point is negated instead.
    points = [basis.lagrange[index] if values[index] > 0 else -basis.lagrange[index] for index in used]
    small = multi_scalar(points, [abs(values[index]) for index in used])
    return small + multi_scalar(basis.hiding[: len(hiding)], hiding)


def commit_holdings(basis: Basis, values: Sequence[int], seed: bytes, context: CommitmentContext) -> bytes:
    """The 48 bytes of an account's C_W."""
    return encode_point(commit(basis, values, blinders(seed, context)))
