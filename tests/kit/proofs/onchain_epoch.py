"""A small epoch for on-chain proofs: some accounts, their leaves and keys, and a prover without its checks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clearing.base.hashing import sha256
from proofs.algebra.commitment import commit
from proofs.algebra.domain import domain_of
from proofs.algebra.field import ORDER, inner_product, inverse
from proofs.algebra.group import encode_point, multi_scalar
from proofs.algebra.srs import basis
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.layout import ProofLayout, RowRange, SlotRange, lay_out
from proofs.linear.statement import LinearStatement, Weights, Witness, make_witness, weights_of
from proofs.onchain.keys import EpochKeys, EpochStatement, Leaf, derive_keys, leaf_path, make_leaf, row_challenge
from proofs.onchain.messages import read_rounds, replay, split_rounds
from proofs.onchain.prover import LeafProver, prove_leaf
from proofs.onchain.verifier import verify_leaf

NETWORK = sha256(b"network of the contract tests")
CASH, TOKEN, POSITION = SlotRange(8, 2**63), SlotRange(7, 0), SlotRange(5, 2**39)
SLOTS = (CASH, TOKEN, POSITION)
ROWS = (
    RowRange(8, ((0, 1), (1, 3), (2, -900)), 10, shortfall=True),
    RowRange(8, ((0, 1), (1, 3), (2, 700)), 10, shortfall=True),
)
HOLDINGS = ((1000, 5, -1), (5000, 0, 3), (9, 900, -2), (20, 0, 0), (700, 1, 1))
SHORTFALLS = (0, 0, 0, 0, 200)
"""The last account holds a position that it cannot carry: 187 short."""


@dataclass(frozen=True)
class Epoch:
    """Everything public, and the accounts' secrets."""

    statement: EpochStatement
    witnesses: tuple[Witness, ...]
    seeds: tuple[bytes, ...]
    leaves: tuple[Leaf, ...]
    keys: EpochKeys

    @property
    def layout(self) -> ProofLayout:
        return self.statement.linear.layout

    @property
    def weights(self) -> Weights:
        linear = self.statement.linear
        return weights_of(linear.layout, row_challenge(linear.context, linear.layout.digest, self.keys.leaves_root))

    def prover(self, index: int = 0, kind: type[LeafProver] = LeafProver) -> LeafProver:
        """To be bent by a test before it runs."""
        return kind(self.layout, self.weights, self.keys, self.leaves[index], self.witnesses[index], self.seeds[index])

    def path(self, index: int) -> tuple[bytes, ...]:
        return leaf_path(self.leaves, index)

    def prove(self, index: int, *, keys: EpochKeys | None = None, weights: Weights | None = None) -> bytes:
        """Without checks, under whatever keys."""
        return prove_leaf(
            self.layout,
            weights or self.weights,
            keys or self.keys,
            self.leaves[index],
            self.witnesses[index],
            self.seeds[index],
            check_witness=False,
        )


def make_epoch(
    size: int = 256,
    holdings: Sequence[Sequence[int]] = HOLDINGS,
    *,
    shortfalls: Sequence[int] = SHORTFALLS,
    rows: Sequence[RowRange] = ROWS,
    number: int = 3,
    check: bool = True,
    witnesses: Sequence[Witness] | None = None,
) -> Epoch:
    """With `check` off the accounts may break every rule."""
    layout, count = lay_out(size, SLOTS, tuple(rows)), len(holdings)
    sigmas = tuple(shortfalls)
    if witnesses is None:
        witnesses = [
            make_witness(layout, own, sigma, (5 + k, 7 + k), check=check)
            for k, (own, sigma) in enumerate(zip(holdings, sigmas, strict=True))
        ]
    points = basis(size)
    commitments = tuple(encode_point(commit(points, each.values, each.blinders)) for each in witnesses)
    context = sha256(b"commitments root of the tests" + bytes([number]))
    linear = LinearStatement(layout, context, tuple(range(1, count + 1)), sigmas, commitments)
    statement = EpochStatement(linear, NETWORK, number, 40 + number)
    seeds = tuple(bytes([k + 1]) * 32 for k in range(count))
    leaves = tuple(make_leaf(linear, k, witnesses[k], seeds[k], points) for k in range(count))
    return Epoch(statement, tuple(witnesses), seeds, leaves, derive_keys(statement, leaves))


def crowded(epoch: Epoch, count: int) -> Epoch:
    """The same accounts with others after them, up to `count`, who copy the first one's points and prove nothing."""
    linear, first = epoch.statement.linear, epoch.leaves[0]
    more = tuple(replace(first, account=account) for account in range(len(epoch.leaves) + 1, count + 1))
    leaves = (*epoch.leaves, *more)
    linear = replace(
        linear,
        accounts=tuple(leaf.account for leaf in leaves),
        shortfalls=tuple(leaf.shortfall for leaf in leaves),
        commitments=tuple(leaf.c_w for leaf in leaves),
    )
    statement = replace(epoch.statement, linear=linear)
    return replace(epoch, statement=statement, leaves=leaves, keys=derive_keys(statement, leaves))


def refusal(keys: EpochKeys, leaf: Leaf, proof: bytes) -> ProofCode | None:
    """Why the verifier refuses the proof; None where it believes it."""
    try:
        verify_leaf(keys, leaf, proof)
    except VerificationFailed as fault:
        return ProofCode(fault.code)
    return None


def opening(keys: EpochKeys, leaf: Leaf, proof: bytes) -> tuple[int, int]:
    """(ζ, D(ζ))."""
    rounds = split_rounds(proof, 1)
    return replay(keys.hash, leaf.hash, rounds).zeta, read_rounds(rounds, 1).d_bar[0]


def confirmed(epoch: Epoch, guess: Sequence[int], openings: Sequence[tuple[int, int]]) -> bool:
    """Solve D(ζ_i) = guess(ζ_i) + Z_H(ζ_i)(b_0 + b_1·ζ_i) for the first account's blinders, and compare C_D."""
    size, points = epoch.layout.size, basis(epoch.layout.size)
    digits = make_witness(epoch.layout, guess, 0, (0, 0), check=False).digits[0]
    domain = domain_of(size)
    (z1, e1), (z2, e2) = (
        (z, (bar - inner_product(digits, domain.lagrange(z, size))) * inverse(domain.vanishing(z)) % ORDER)
        for z, bar in openings
    )
    b1 = (e1 - e2) * inverse(z1 - z2) % ORDER
    hidden = multi_scalar([*points.lagrange, *points.hiding[:2]], [*digits, (e1 - b1 * z1) % ORDER, b1])
    return encode_point(hidden) == epoch.leaves[0].c_d[0]
