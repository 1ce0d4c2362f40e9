"""Epoch keys and leaves: what a contract needs of a statement and of each account, as a quorum certifies it.

Rule: a leaf is (account, σ, presenter, C_W, C_D). It follows from the layout, an account's holdings and its seed
alone, so every validator finds the same root and a member can find its own leaf again. The blinders of C_D, and of the
one proof made over it, are derived and never drawn: a second proof of the same leaf is the same bytes, because another
would open D at a second point and use up what hides it. y = H(statement, layout, root): digits chosen after y could be
forged by lattice reduction.

Keys follow from the statement and the leaves, so all validators find the same ones; a validator that finds others
signs nothing. `check_keys` derives them again. The contract cannot, so there the quorum is trusted with [U], [V] and
c: keys for a y that does not come from the leaves' root prove nothing. The hashed bytes leave out the validator set,
so keys certified again by a later set give the same transcript. Deriving is CPU-bound: 5 ms an account at n = 2048.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Annotated

import msgspec

from clearing.base import secp256k1
from clearing.base.codec import U32, U63, Bytes32, Bytes48, Wire, u256
from clearing.base.errors import LocalFault
from clearing.base.hashing import sha256, tag_prefix, tagged_hash
from clearing.base.ids import Hash32
from clearing.base.merkle import leaf_hash, merkle_proof, merkle_root
from clearing.margin.statement.snapshot import AccountHoldings, RiskSnapshot, RiskStatement
from proofs.algebra.commitment import SEED_BYTES, blinders, commit
from proofs.algebra.field import ORDER, scalar_bytes
from proofs.algebra.group import encode_point, multi_scalar
from proofs.algebra.srs import Basis, basis
from proofs.epoch.package import linear_statement
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.layout import COLUMNS_MAX, ProofLayout
from proofs.linear.statement import LinearStatement, Weights, Witness, make_witness, u_values, weights_of
from proofs.onchain.messages import pad_encoded
from proofs.statement.arithmetization import DOMAIN, AuxiliaryWitness, complete_holdings, context_of, layout_of

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
    presenter: bytes = bytes(20)
    """EVM address of the key that says for whom the account is shown (`proofs.onchain.presentation`)."""

    @cached_property
    def words(self) -> bytes:
        """account ‖ σ ‖ presenter ‖ C_W ‖ C_D of each column, points padded. Raises VerificationFailed BAD_POINT."""
        points = [pad_encoded(self.c_w, "C_W"), *(pad_encoded(point, "C_D") for point in self.c_d)]
        return u256(self.account) + u256(self.shortfall) + self.presenter.rjust(32, b"\0") + b"".join(points)

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


def presenter_secret(seed: bytes, context: bytes, account: int) -> bytes:
    """The secp256k1 key behind a leaf's presenter; `context` as of `digit_blinders`."""
    return scalar_bytes(derived_scalars(seed, "presenter", context + u256(account), 1)[0])


def make_leaf(statement: LinearStatement, index: int, witness: Witness, seed: bytes, basis: Basis) -> Leaf:
    """The leaf of account number `index` of the statement."""
    account = statement.accounts[index]
    points = [*basis.lagrange, *basis.hiding[:D_BLINDERS]]
    c_d = tuple(
        encode_point(multi_scalar(points, [*digits, *digit_blinders(seed, statement.context, account, column)]))
        for column, digits in enumerate(witness.digits)
    )
    presenter = secp256k1.address(presenter_secret(seed, statement.context, account))
    return Leaf(account, statement.shortfalls[index], statement.commitments[index], c_d, presenter)


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


KEYS_TAG = "crossclear/onchain/epoch-keys/v2"
CERTIFIED_TAG = "crossclear/onchain/certified-keys/v2"
ACCOUNTS_MAX = 1 << 20


class EpochKeys(Wire, frozen=True, dict=True):
    """The certified public part. `constant` and `sigma` make c = constant + sigma·σ of an account with shortfall σ."""

    network: Bytes32
    epoch: U63
    height: U63
    """Of the snapshot."""
    commitments_root: Bytes32
    """In the certified header: names the statement and all C_W."""
    layout: Bytes32
    size: U32
    leaves_root: Bytes32
    accounts: U32
    constant: Bytes32
    sigma: Bytes32
    u: Annotated[tuple[Bytes48, ...], msgspec.Meta(min_length=1, max_length=COLUMNS_MAX)]
    """[U] of each column."""
    v: Bytes48

    @cached_property
    def words(self) -> bytes:
        """The bytes that are hashed and submitted to the contract. Raises VerificationFailed BAD_POINT."""
        return b"".join(
            (
                tag_prefix(KEYS_TAG),
                self.network,
                u256(self.epoch),
                u256(self.height),
                self.commitments_root,
                self.layout,
                u256(self.size),
                self.leaves_root,
                u256(self.accounts),
                self.constant,
                self.sigma,
                u256(len(self.u)),
                *(pad_encoded(point, "[U]") for point in self.u),
                pad_encoded(self.v, "[V]"),
            )
        )

    @cached_property
    def hash(self) -> Hash32:
        """Names the keys in every transcript."""
        return sha256(self.words)


def certified_digest(keys: EpochKeys, validators_hash: bytes, time_s: int) -> Hash32:
    """The 32 bytes that validators of the set sign; no vote and no other message opens with this tag.

    `time_s`: of the header that certifies the epoch, from which on the keys serve a contract for a week. It is not in
    the keys, which every transcript hashes: under two headers of one epoch, a leaf must not be opened twice.
    """
    return sha256(tag_prefix(CERTIFIED_TAG) + keys.network + validators_hash + keys.hash + u256(time_s))


def row_polynomials(layout: ProofLayout, weights: Weights, points: Basis) -> tuple[tuple[bytes, ...], bytes]:
    """([U] of each column, [V]): commitments without blinders to the row polynomials under y (30 ms a column)."""
    lagrange = points.lagrange
    u = tuple(
        encode_point(multi_scalar([lagrange[at] for at in column], list(column.values())))
        for column in u_values(layout, weights)
    )
    return u, encode_point(multi_scalar(lagrange[: len(weights.v)], list(weights.v)))


@dataclass(frozen=True)
class EpochStatement:
    """The joint proof's statement, whose context is the commitments root, with what names its epoch."""

    linear: LinearStatement
    network: bytes
    epoch: int
    height: int


def epoch_statement(
    statement: RiskStatement, commitments: Sequence[tuple[int, bytes]], domain: int = DOMAIN
) -> EpochStatement:
    """Of the statement and commitments of an epoch package. Raises VerificationFailed."""
    linear = linear_statement(statement, commitments, domain)
    return EpochStatement(linear, statement.network, statement.epoch, statement.height)


def derive_keys(statement: EpochStatement, leaves: Sequence[Leaf]) -> EpochKeys:
    """The keys of an epoch (60 ms).

    Raises VerificationFailed BAD_STATEMENT for leaves of another statement, BAD_POINT.
    """
    linear = statement.linear
    _check_leaves(linear, leaves)
    root = leaves_root(leaves)
    weights = weights_of(linear.layout, row_challenge(linear.context, linear.layout.digest, root))
    u, v = row_polynomials(linear.layout, weights, basis(linear.layout.size))
    return EpochKeys(
        network=statement.network,
        epoch=statement.epoch,
        height=statement.height,
        commitments_root=linear.context,
        layout=linear.layout.digest,
        size=linear.layout.size,
        leaves_root=root,
        accounts=len(leaves),
        constant=scalar_bytes(weights.constant),
        sigma=scalar_bytes(weights.shortfall),
        u=u,
        v=v,
    )


def _check_leaves(statement: LinearStatement, leaves: Sequence[Leaf]) -> None:
    """Whether the leaves are the statement's accounts, with its shortfalls and commitments.

    Raises VerificationFailed.
    """
    given = [(leaf.account, leaf.shortfall, leaf.c_w) for leaf in leaves]
    stated = list(zip(statement.accounts, statement.shortfalls, statement.commitments, strict=True))
    columns = statement.layout.columns
    if given != stated or len(leaves) > ACCOUNTS_MAX or columns > COLUMNS_MAX:
        raise VerificationFailed(ProofCode.BAD_STATEMENT, "leaves of another statement", leaves=len(leaves))
    if any(a >= b for a, b in pairwise(statement.accounts)):
        raise VerificationFailed(ProofCode.BAD_STATEMENT, "leaves are not strictly ascending")
    if any(len(leaf.c_d) != columns for leaf in leaves):
        raise VerificationFailed(ProofCode.BAD_STATEMENT, "leaves with other columns", columns=columns)


def check_keys(keys: EpochKeys, statement: EpochStatement, leaves: Sequence[Leaf]) -> None:
    """Derive everything that the contract takes from the quorum.

    Raises VerificationFailed KEYS_DIFFER naming what differs.
    """
    derived = derive_keys(statement, leaves)
    for name in EpochKeys.__struct_fields__:
        if getattr(derived, name) != getattr(keys, name):
            raise VerificationFailed(ProofCode.KEYS_DIFFER, f"epoch keys: {name}")


@dataclass(frozen=True)
class DerivedEpoch:
    """All that is public of an epoch on chain."""

    statement: EpochStatement
    leaves: tuple[Leaf, ...]
    keys: EpochKeys


def derive_epoch(snapshot: RiskSnapshot, seeds: Mapping[int, bytes], domain: int = DOMAIN) -> DerivedEpoch:
    """The leaves and keys of a snapshot.

    Raises LocalFault BAD_LENGTH without a seed, WITNESS_OUT_OF_RANGE, VerificationFailed.
    """
    layout, points, auxiliary = (
        layout_of(snapshot.statement, domain),
        basis(domain),
        AuxiliaryWitness(snapshot.statement),
    )
    witnesses = [
        account_witness(snapshot.statement, layout, account, _seed(seeds, account.account), auxiliary)
        for account in snapshot.accounts
    ]
    commitments = [
        (account.account, encode_point(commit(points, witness.values, witness.blinders)))
        for account, witness in zip(snapshot.accounts, witnesses, strict=True)
    ]
    statement = epoch_statement(snapshot.statement, commitments, domain)
    leaves = tuple(
        make_leaf(statement.linear, index, witness, _seed(seeds, account.account), points)
        for index, (account, witness) in enumerate(zip(snapshot.accounts, witnesses, strict=True))
    )
    return DerivedEpoch(statement, leaves, derive_keys(statement, leaves))


def account_witness(
    statement: RiskStatement,
    layout: ProofLayout,
    account: AccountHoldings,
    seed: bytes,
    auxiliary: AuxiliaryWitness | None = None,
) -> Witness:
    """An account's witness, by its holdings and seed. Raises LocalFault WITNESS_OUT_OF_RANGE, BAD_LENGTH."""
    values = complete_holdings(statement, account, auxiliary)
    context = context_of(statement, account.account, account.owner)
    return make_witness(layout, values, account.shortfall, blinders(seed, context))


def _seed(seeds: Mapping[int, bytes], account: int) -> bytes:
    try:
        return seeds[account]
    except KeyError:
        raise LocalFault(ProofCode.BAD_LENGTH, "account seed missing", account=account) from None
