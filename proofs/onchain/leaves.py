"""The leaves that fix the digits of an epoch before y is known: (account, σ, C_W, C_D), and their Merkle root.

Rule: a leaf follows from the layout, an account's holdings and its seed alone, so every validator finds the same root
and a member can find its own leaf again. The blinders of C_D, and of the one proof made over it, are derived and never
drawn: a second proof of the same leaf is the same bytes, because another would open D at a second point and use up what
hides it. y = H(statement, layout, root): digits chosen after y could be forged by lattice reduction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from clearing.base.codec import u256
from clearing.base.errors import LocalFault
from clearing.base.hashing import tagged_hash
from clearing.base.ids import Hash32
from clearing.base.merkle import leaf_hash, merkle_proof, merkle_root
from proofs.algebra.commitment import SEED_BYTES
from proofs.algebra.field import ORDER
from proofs.algebra.group import encode_point, multi_scalar
from proofs.algebra.srs import Basis
from proofs.errors import ProofCode
from proofs.linear.statement import LinearStatement, Witness
from proofs.onchain.messages import pad_encoded

BLINDER_TAG = b"crossclear/onchain/blinder/v1"
Y_TAG = "crossclear/onchain/y/v1"
D_BLINDERS = 2


@dataclass(frozen=True)
class Leaf:
    """One account of one epoch; points as 48 bytes."""

    account: int
    shortfall: int
    c_w: bytes
    c_d: tuple[bytes, ...]
    """One a column."""

    @cached_property
    def words(self) -> bytes:
        """account ‖ σ ‖ C_W ‖ C_D of each column, points padded. Raises VerificationFailed BAD_POINT."""
        points = [pad_encoded(self.c_w, "C_W"), *(pad_encoded(point, "C_D") for point in self.c_d)]
        return u256(self.account) + u256(self.shortfall) + b"".join(points)

    @cached_property
    def hash(self) -> Hash32:
        """What the tree is made of, and what the proof's transcript opens with."""
        return leaf_hash(self.words)


def derived_scalars(seed: bytes, purpose: str, binding: bytes, count: int) -> list[int]:
    """HKDF-SHA256(seed, purpose ‖ binding ‖ i), 64 bytes reduced mod p each. Raises LocalFault BAD_LENGTH."""
    # Imported here: a verifier derives nothing and starts faster.
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    if len(seed) != SEED_BYTES:
        raise LocalFault(ProofCode.BAD_LENGTH, "account seed", bytes=len(seed))
    found = []
    for index in range(count):
        info = b"".join((BLINDER_TAG, len(purpose).to_bytes(1, "big"), purpose.encode(), binding, u256(index)))
        found.append(int.from_bytes(HKDF(algorithm=SHA256(), length=64, salt=None, info=info).derive(seed), "big"))
    return [value % ORDER for value in found]


def digit_blinders(seed: bytes, context: bytes, account: int, column: int) -> list[int]:
    """The two blinders of C_D; `context` is the commitments root, which names network, epoch, statement and all C_W."""
    return derived_scalars(seed, "digits", context + u256(account) + u256(column), D_BLINDERS)


def make_leaf(statement: LinearStatement, index: int, witness: Witness, seed: bytes, basis: Basis) -> Leaf:
    """The leaf of account number `index` of the statement."""
    account = statement.accounts[index]
    points = [*basis.lagrange, *basis.hiding[:D_BLINDERS]]
    c_d = tuple(
        encode_point(multi_scalar(points, [*digits, *digit_blinders(seed, statement.context, account, column)]))
        for column, digits in enumerate(witness.digits)
    )
    return Leaf(account, statement.shortfalls[index], statement.commitments[index], c_d)


def leaves_root(leaves: Sequence[Leaf]) -> Hash32:
    """Root over all leaves, in order of account; their number is inside."""
    return merkle_root([leaf.words for leaf in leaves])


def leaf_path(leaves: Sequence[Leaf], index: int) -> tuple[Hash32, ...]:
    """Siblings from leaf `index` to the top. Raises IndexError."""
    return merkle_proof([leaf.words for leaf in leaves], index)


def row_challenge(context: bytes, layout: bytes, root: bytes) -> int:
    """y: fixed by the statement, the layout and every C_D."""
    wide = tagged_hash(Y_TAG, context, layout, root, u256(0)) + tagged_hash(Y_TAG, context, layout, root, u256(1))
    return int.from_bytes(wide, "big") % ORDER
