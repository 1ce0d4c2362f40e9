"""The vector commitment to an account's holdings: C_W = Σ w_j·[L_j] + ρ_0·[Z_H] + ρ_1·[X·Z_H].

Rule: ρ is derived from the account's seed of the epoch and from everything that distinguishes commitments, its owner's
address among it. So blinders are never the same for two accounts, owners, epochs or states; an owner can recompute its
commitment from holdings and seed; and what one owner is shown opens for no other. An epoch's seed is derived one-way
from the account's root seed: who learns it can open no other epoch.
`Committer` gives the same points epoch after epoch from what changed: it keeps Σ w_j·[L_j] without blinders, which is
as secret as the holdings, and adds fresh blinders every time.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from clearing.base.codec import u256
from clearing.base.errors import LocalFault
from clearing.base.hashing import tagged_hash
from proofs.algebra.field import ORDER, SCALAR_BYTES
from proofs.algebra.group import Point, encode_point, infinity, multi_scalar
from proofs.algebra.srs import Basis
from proofs.errors import ProofCode

BLINDER_TAG = b"crossclear/proofs/blinder/v2"
EPOCH_SEED_TAG = "crossclear/epoch-seed/v1"
SEED_BYTES = 32
OWNER_BYTES = 20
BLINDERS = 2


@dataclass(frozen=True)
class CommitmentContext:
    """What one account's blinders are bound to besides its seed."""

    network: bytes
    account: int
    epoch: int
    state_root: bytes
    column: int = 0
    owner: bytes = bytes(OWNER_BYTES)
    """Address that owns the account; zeros for an account of the ledger itself."""


def epoch_seed(root: bytes, account: int, epoch: int) -> bytes:
    """The 32-byte seed of an account at one epoch, out of its root seed. Raises LocalFault BAD_LENGTH."""
    if len(root) != SEED_BYTES:
        raise LocalFault(ProofCode.BAD_LENGTH, "root seed", bytes=len(root))
    return tagged_hash(EPOCH_SEED_TAG, root, u256(account), u256(epoch))


def blinders(seed: bytes, context: CommitmentContext) -> tuple[int, int]:
    """(ρ_0, ρ_1) = HKDF-SHA256(seed, network ‖ account ‖ owner ‖ epoch ‖ state root ‖ column ‖ i), 64 bytes reduced
    mod p.

    Raises LocalFault BAD_LENGTH for a seed that is not 32 bytes, or an owner that is not 20.
    """
    # Imported here so that a verifier without own accounts starts faster.
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    if len(seed) != SEED_BYTES:
        raise LocalFault(ProofCode.BAD_LENGTH, "account seed", bytes=len(seed))
    if len(context.owner) != OWNER_BYTES:
        raise LocalFault(ProofCode.BAD_LENGTH, "account owner", bytes=len(context.owner))
    values = []
    for index in range(BLINDERS):
        info = b"".join(
            (
                BLINDER_TAG,
                context.network,
                u256(context.account),
                context.owner.rjust(32, b"\0"),
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


class FixedBase:
    """Multiples of a point that is used often: 32 additions of a table's entries, for 8,160 additions once."""

    def __init__(self, point: Point) -> None:
        self._windows: list[list[Point]] = []
        for _ in range(SCALAR_BYTES):
            window = [infinity()]
            for _ in range(255):
                window.append(window[-1] + point)
            self._windows.append(window)
            point = window[-1] + point

    def times(self, scalar: int) -> Point:
        """scalar · point."""
        result = infinity()
        for digit, window in zip((scalar % ORDER).to_bytes(SCALAR_BYTES, "little"), self._windows, strict=True):
            if digit:
                result = result + window[digit]
        return result


class Committer:
    """Remembers one commitment without blinders an account."""

    def __init__(self, basis: Basis) -> None:
        self.basis = basis
        self._hiding = [FixedBase(point) for point in basis.hiding[:2]]
        self._last: dict[int, tuple[tuple[int, ...], Point]] = {}

    def commit(self, account: int, values: Sequence[int], hiding: Sequence[int]) -> Point:
        """C_W of an account's values, zero beyond their end, and its two blinders."""
        before, point = self._last.get(account, ((), infinity()))
        length = max(len(before), len(values))
        old, new = _padded(before, length), _padded(values, length)
        change = [after - earlier for earlier, after in zip(old, new, strict=True)]
        if sum(map(bool, change)) < sum(map(bool, new)):
            point = point + commit(self.basis, change, ())
        else:
            point = commit(self.basis, new, ())
        self._last[account] = (tuple(values), point)
        for table, blinder in zip(self._hiding, hiding, strict=True):
            point = point + table.times(blinder)
        return point

    def keep(self, accounts: Collection[int]) -> None:
        """Forget all accounts but these."""
        self._last = {account: kept for account, kept in self._last.items() if account in accounts}


def _padded(values: Sequence[int], length: int) -> list[int]:
    return [*values, *[0] * (length - len(values))]
