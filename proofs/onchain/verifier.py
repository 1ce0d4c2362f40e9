"""The verifier of an on-chain proof: the computation of the contract `SolvencyVerifier`, step for step, in Python.

Rule: it accepts exactly what the contract accepts. Unlike `proofs.linear.verifier` it computes no polynomial of the
statement: U(ζ), V(ζ) and T(ζ) are claimed and opened by π_1 against the certified [U], [V] and the constant [T].
e(π_1 + μπ_2, [τ]₂) = e([Lz] + Σ r^(i+1)([P_i] − P̄_i) + ζπ_1 + μ([S] − S̄ + ωζπ_2), G₂), P = D…, U…, V, T.
"""

from collections.abc import Sequence
from functools import lru_cache

from clearing.base.errors import RemoteFault
from clearing.base.merkle import verify_merkle_proof
from proofs.algebra.domain import TABLE_SIZE, domain_of
from proofs.algebra.field import ORDER, inner_product, inverse, powers, read_scalar
from proofs.algebra.group import GENERATOR, GENERATOR_2, Point, decode_point, multi_scalar, multiply, pairings_equal
from proofs.algebra.srs import basis, tau_g2
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.layout import COLUMNS_MAX, SHORTFALL_MAX
from proofs.onchain.keys import EpochKeys, Leaf
from proofs.onchain.messages import Challenges, OnchainProof, read_rounds, replay, split_rounds

ACCOUNT_MAX = 2**63


def verify_account(keys: EpochKeys, leaf: Leaf, index: int, path: Sequence[bytes], data: bytes) -> None:
    """Check that the leaf is number `index` under certified keys and that its proof holds. Raises RemoteFault.

    Keys are not checked here: `keys.check_keys` derives them, or a quorum certified them.
    """
    _check_leaf(keys, leaf)
    try:
        verify_merkle_proof(keys.leaves_root, keys.accounts, index, leaf.words, path)
    except RemoteFault as fault:
        raise VerificationFailed(ProofCode.WRONG_ROOT, "leaf", account=leaf.account, why=str(fault)) from None
    verify_leaf(keys, leaf, data)


def verify_leaf(keys: EpochKeys, leaf: Leaf, data: bytes) -> None:
    """Check a proof against a leaf. Raises VerificationFailed."""
    _check_leaf(keys, leaf)
    columns = len(keys.u)
    rounds = split_rounds(data, columns)
    proof = read_rounds(rounds, columns)
    drawn = replay(keys.hash, leaf.hash, rounds)
    points, scalars = _right_side(keys, leaf, proof, drawn)
    left = proof.pi_1 + multiply(proof.pi_2, drawn.mu)
    if not pairings_equal(left, tau_g2(), multi_scalar(points, scalars), GENERATOR_2):
        raise VerificationFailed(ProofCode.PROOF_REFUSED, "pairing equation", account=leaf.account)


def _check_leaf(keys: EpochKeys, leaf: Leaf) -> None:
    """Before hashing: numbers are in range, and there are as many points as columns."""
    in_range = 0 <= leaf.shortfall < SHORTFALL_MAX and 0 <= leaf.account < ACCOUNT_MAX
    if not in_range or not 0 < len(keys.u) <= COLUMNS_MAX or len(leaf.c_d) != len(keys.u):
        raise VerificationFailed(ProofCode.BAD_STATEMENT, "leaf", account=leaf.account, shortfall=leaf.shortfall)


@lru_cache(maxsize=4)
def table_point(size: int) -> Point:
    """[T]: the commitment to the byte table, a constant of the domain."""
    return multi_scalar(basis(size).lagrange, [i % TABLE_SIZE for i in range(size)])


def _right_side(keys: EpochKeys, leaf: Leaf, proof: OnchainProof, drawn: Challenges) -> tuple[list[Point], list[int]]:
    """13 points and their scalars for one column, three more for each further one."""
    columns, domain = len(keys.u), domain_of(keys.size)
    alpha, gamma, zeta, mu = drawn.alpha, drawn.gamma, drawn.zeta, drawn.mu
    vanishing = domain.vanishing(zeta)
    if vanishing == 0:
        raise VerificationFailed(ProofCode.BAD_CHALLENGE, "zeta lies in the domain")
    gamma_beta = gamma * drawn.beta % ORDER
    deltas, openings = powers(drawn.delta, columns), powers(drawn.r, 2 * columns + 3)[1:]
    c = read_scalar(keys.constant, "constant") + read_scalar(keys.sigma, "sigma") * leaf.shortfall
    claimed = inner_product(proof.u_bar, proof.d_bar)
    opened = [*proof.d_bar, *proof.u_bar, proof.v_bar, proof.t_bar]
    constant = (gamma - mu) * proof.s_bar + gamma_beta * (c * inverse(keys.size) - claimed)
    constant -= inner_product(openings, opened)
    points = [*(decode_point(point, "C_D") for point in leaf.c_d), *(decode_point(point, "[U]") for point in keys.u)]
    points += [decode_point(keys.v, "[V]"), table_point(keys.size)]
    scalars = list(openings)
    for column, (c_f, d_bar) in enumerate(zip(proof.c_f, proof.d_bar, strict=True)):
        factor = deltas[column] * (1 if column else alpha + proof.t_bar)
        points.append(c_f)
        scalars.append(factor * (alpha + d_bar) - gamma)
        constant -= factor
    points += [proof.c_m, decode_point(leaf.c_w, "C_W"), proof.c_s, proof.c_t1, proof.c_t2]
    scalars += [alpha + proof.d_bar[0], gamma_beta * proof.v_bar, mu - gamma]
    scalars += [-vanishing, -vanishing * pow(zeta, keys.size + 2, ORDER)]
    points += [proof.pi_1, proof.pi_2, GENERATOR]
    scalars += [zeta, mu * domain.omega % ORDER * zeta, constant]
    return points, scalars
