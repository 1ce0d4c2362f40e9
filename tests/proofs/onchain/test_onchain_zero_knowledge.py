"""The on-chain proof tells nothing: who knows τ makes one about commitments whose holdings nobody told it.

Rule: the simulator sees the public statement and τ. What it makes verifies, and has the distribution of an honest proof
because each hidden polynomial has as many blinders as it has published values; one fewer is found.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from py_arkworks_bls12381 import G2Point, Scalar

from proofs.algebra import polynomial
from proofs.algebra.domain import domain_of
from proofs.algebra.field import ORDER, inverse, scalar_bytes
from proofs.algebra.group import GENERATOR, encode_point, multi_scalar, multiply
from proofs.algebra.srs import Basis
from proofs.linear.prover import random_scalar
from proofs.linear.statement import public_evaluations, used_positions, weights_of
from proofs.onchain import keys as keys_module
from proofs.onchain import prover as prover_module
from proofs.onchain import verifier
from proofs.onchain.keys import EpochStatement, Leaf, derive_keys, derived_scalars, row_challenge
from proofs.onchain.messages import ChallengeChain, Rounds, padded_point, read_rounds, replay
from tests.kit.proofs.onchain_epoch import Epoch, make_epoch, refusal

N = 256
TAU = 0xC0FFEE**9 % ORDER


def random_point() -> bytes:
    return padded_point(multiply(GENERATOR, random_scalar()))


@pytest.fixture
def known_tau(monkeypatch: pytest.MonkeyPatch) -> Iterator[Basis]:
    """A reference string whose τ is known, in the place of the ceremony's."""
    domain = domain_of(N)
    vanishing = domain.vanishing(TAU)
    lagrange = tuple(multiply(GENERATOR, value % ORDER) for value in domain.lagrange(TAU, N))
    basis = Basis(N, lagrange, tuple(multiply(GENERATOR, vanishing * TAU**i % ORDER) for i in range(3)))
    powers = tuple(multiply(GENERATOR, pow(TAU, i, ORDER)) for i in range(N + 3))
    for module in (keys_module, prover_module, verifier):
        monkeypatch.setattr(module, "basis", lambda _: basis)
    monkeypatch.setattr(polynomial, "powers_g1", lambda: powers)
    monkeypatch.setattr(verifier, "tau_g2", lambda: G2Point() * Scalar(TAU))
    verifier.table_point.cache_clear()
    yield basis
    verifier.table_point.cache_clear()


def unknown_epoch(template: Epoch) -> tuple[EpochStatement, tuple[Leaf, ...]]:
    """The template's statement about commitments that are random points: nobody knows what they hold."""
    linear = template.statement.linear
    commitments = tuple(encode_point(multiply(GENERATOR, random_scalar())) for _ in linear.accounts)
    linear = replace(linear, commitments=commitments)
    leaves = tuple(
        Leaf(account, sigma, c_w, (encode_point(multiply(GENERATOR, random_scalar())),))
        for account, sigma, c_w in zip(linear.accounts, linear.shortfalls, commitments, strict=True)
    )
    return replace(template.statement, linear=linear), leaves


def simulate(statement: EpochStatement, leaves: tuple[Leaf, ...], index: int) -> bytes:
    """Points and values at random, what is public as it is, and the two openings that the equation asks for."""
    keys, leaf, domain = derive_keys(statement, leaves), leaves[index], domain_of(N)
    chain = ChallengeChain(keys.hash, leaf.hash)
    table, lookups, quotient = random_point(), random_point() + random_point(), random_point() + random_point()
    for each in (table, lookups):
        chain.draw(each)
    zeta, _ = chain.draw(quotient)
    linear = statement.linear
    weights = weights_of(linear.layout, row_challenge(linear.context, linear.layout.digest, keys.leaves_root))
    lagrange = domain.lagrange(zeta, used_positions(linear.layout))
    u_bar, v_bar = public_evaluations(linear.layout, weights, lagrange)
    claimed = [random_scalar(), *u_bar, v_bar, domain.table(zeta), random_scalar()]
    evaluations = b"".join(map(scalar_bytes, claimed))
    r, _ = chain.draw(evaluations)
    rounds = Rounds(table, lookups, quotient, evaluations, random_point() * 2)
    drawn = replace(replay(keys.hash, leaf.hash, rounds), r=r, mu=0)
    read = read_rounds(rounds, 1)
    points, scalars = verifier._right_side(keys, leaf, read, drawn)
    scalars[-3] = 0  # ζπ_1 is solved for; μ is zero, so nothing of π_2 is in
    opened = multi_scalar(points, scalars)
    pi_1 = multiply(opened, inverse(TAU - zeta))
    lifted = multi_scalar([read.c_s, GENERATOR], [1, -read.s_bar])
    pi_2 = multiply(lifted, inverse(TAU - domain.omega * zeta))
    return replace(rounds, openings=padded_point(pi_1) + padded_point(pi_2)).data


def accepted(statement: EpochStatement, leaves: tuple[Leaf, ...], index: int, proof: bytes) -> bool:
    return refusal(derive_keys(statement, leaves), leaves[index], proof) is None


def test_the_simulators_proofs_verify(known_tau: Basis) -> None:
    template = make_epoch()
    for index in (0, 4):
        statement, leaves = unknown_epoch(template)
        proof = simulate(statement, leaves, index)
        assert accepted(statement, leaves, index, proof)
        assert not accepted(statement, leaves, 1, proof)
        assert not accepted(*unknown_epoch(template), index, proof)


def test_an_honest_proof_has_the_only_openings_that_its_messages_allow(known_tau: Basis) -> None:
    """So π_1 and π_2 tell nothing beside the other messages."""
    assert known_tau.size == N
    statement, leaves = unknown_epoch(make_epoch())
    proof = simulate(statement, leaves, 0)
    moved = padded_point(multiply(GENERATOR, 5))
    assert not accepted(statement, leaves, 0, proof[:-256] + moved + proof[-128:])
    assert not accepted(statement, leaves, 0, proof[:-128] + moved)


def _is_onto(rows: list[list[int]]) -> bool:
    """Whether the blinders reach every combination of published values: full row rank modulo p."""
    rows = [list(row) for row in rows]
    for at in range(len(rows)):
        pivot = next((c for c in range(len(rows[at])) if rows[at][c]), None)
        if pivot is None:
            return False
        factor = inverse(rows[at][pivot])
        for below in range(at + 1, len(rows)):
            scale = rows[below][pivot] * factor % ORDER
            rows[below] = [(b - scale * a) % ORDER for a, b in zip(rows[at], rows[below], strict=True)]
    return True


@pytest.mark.parametrize(
    ("name", "blinders", "values"),
    [
        ("D", 2, ["tau", "zeta"]),
        ("m", 2, ["tau"]),
        ("f", 2, ["tau"]),
        ("S", 3, ["tau", "omega tau", "omega zeta"]),
    ],
)
def test_each_hidden_polynomial_has_a_blinder_for_each_value_that_is_known_of_it(
    name: str, blinders: int, values: list[str]
) -> None:
    """A value at z moves with b_i by Z_H(z)·z^i: as many independent ones as values leave nothing of the rest."""
    domain, zeta = domain_of(N), random_scalar()
    places: dict[str, int] = {
        "tau": TAU,
        "zeta": zeta,
        "omega tau": domain.omega * TAU % ORDER,
        "omega zeta": domain.omega * zeta % ORDER,
    }

    def reach(count: int, at: list[str]) -> list[list[int]]:
        return [[domain.vanishing(places[z]) * pow(places[z], i, ORDER) % ORDER for i in range(count)] for z in at]

    assert _is_onto(reach(blinders, values)), name
    # A second opening of D, or one blinder fewer of D or S, would tell something.
    if name == "D":
        assert not _is_onto([*reach(2, values), *reach(2, ["omega zeta"])])
    if name in ("D", "S"):
        assert not _is_onto(reach(blinders - 1, values))


def test_the_blinders_of_a_leaf_and_its_proof_differ_by_all_that_tells_them_apart() -> None:
    seed, seen = bytes([1]) * 32, set()
    cases: list[tuple[bytes, str, bytes]] = [
        (seed, "digits", b"a"),
        (seed, "digits", b"b"),
        (seed, "rounds", b"a"),
        (bytes([2]) * 32, "digits", b"a"),
    ]
    for case in cases:
        found = derived_scalars(*case, 8)
        assert found == derived_scalars(*case, 8)
        seen |= set(found)
    assert len(seen) == 8 * len(cases)
    assert all(value < ORDER for value in seen)
