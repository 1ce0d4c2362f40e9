"""A proof tells nothing but its statement: the simulator's proofs verify, and honest ones are distributed as they are.

The honest prover's code runs over a toy group whose discrete logarithms are open, so each test sees what one without
any bound on time sees, at fixed challenges. Power of the tests, for q = 769:
- relations: of 67 proofs, all products of at most two of the nine published values (55 of them) must be linearly
  independent. Uniform values are not with probability below (2/q)^67 · q^55 = 2^-48; a relation of degree two between
  them is found with certainty. Planted leaks show in the products that the quotient has, 14 with the values
  themselves, so 28 proofs do for those (2^-106).
- collisions: in 200 proofs two values agree together 0.034 times (Poisson) if they are uniform, 25.9 times if one
  determines the other. A limit of 5 gives a false alarm with 2^-31 a pair and misses with 2^-22.
- counts: chi-square of 16 buckets, 200 or 100 honest against 200 simulated proofs, limit 60 (2^-21 a value).
"""

import random
import sys
from collections import Counter
from itertools import combinations, combinations_with_replacement

import pytest
from flint import nmod_mat
from py_arkworks_bls12381 import G2Point, Scalar

from proofs.algebra.field import ORDER
from proofs.errors import VerificationFailed
from proofs.linear import verifier
from proofs.linear.layout import lay_out
from proofs.linear.statement import LinearStatement
from proofs.linear.verifier import verify
from tests.kit.proofs import slow_verifier
from tests.kit.proofs.linear_statements import SLOTS, N, margin_rows
from tests.kit.proofs.simulator import simulate, simulate_book, with_openings
from tests.kit.proofs.slow_verifier import plain_statement, slow_verify
from tests.kit.proofs.stressed import snapshot_of
from tests.kit.proofs.toy_group import modules_of, proofs_over

Q, TAU, REAL_TAU = 769, 11, 0xC0FFEE
FIXED = {"alpha": 100, "y": 21, "beta": 333, "delta": 45, "gamma": 600, "zeta": 37, "r": 71, "mu": 500, "context": 5}
REAL = modules_of("proofs")
ROWS = margin_rows(-900, constant=10)
HOLDINGS = (1000, 5, -1)
SAMPLES, COUNTED = 28, 200
D, F, M, S, T = (0, 1), (2, 3), (4, 5), (6, 7, 8), (9,)
"""In which order the prover draws the blinders of one account with one column: which of them are whose."""


@pytest.fixture
def known_tau(monkeypatch):
    """Both verifiers under a reference string whose τ the test knows."""
    second = G2Point() * Scalar(REAL_TAU)
    monkeypatch.setattr(verifier, "tau_g2", lambda: second)
    monkeypatch.setattr(slow_verifier, "TAU_2", bytes(second.to_compressed_bytes()))


def simulated_proof(accounts, slots=SLOTS):
    """Of a statement about commitments to who knows what."""
    points = [REAL.group.multiply(REAL.group.GENERATOR, 77 + k) for k in range(accounts)]
    commitments = tuple(map(REAL.group.encode_point, points))
    layout = lay_out(N, slots, ROWS)
    statement = LinearStatement(layout, bytes(32), tuple(range(accounts)), (0,) * accounts, commitments)
    numbers = random.Random(5)
    return statement, simulate(REAL, statement, REAL_TAU, lambda: numbers.randrange(ORDER))


@pytest.mark.usefixtures("known_tau")
@pytest.mark.parametrize(("accounts", "slots"), [(1, SLOTS), (3, SLOTS), (2, SLOTS * 15)])
def test_the_simulators_proofs_verify(accounts, slots):
    statement, proof = simulated_proof(accounts, slots)
    verify(statement, proof)
    assert slow_verify(plain_statement(statement), proof)


def test_without_tau_the_simulator_proves_nothing():
    with pytest.raises(VerificationFailed):
        verify(*simulated_proof(1))


def test_the_simulated_book_satisfies_its_equation():
    points, e = REAL.srs.basis(N), 12345
    bases = [*points.hiding[:2], points.lagrange[4]]
    difference = REAL.group.multiply(REAL.group.GENERATOR, 99)
    numbers = random.Random(6)
    announced, answers = simulate_book(REAL, bases, difference, e, lambda: numbers.randrange(ORDER))
    assert REAL.group.multi_scalar(bases, answers) == announced + REAL.group.multiply(difference, e)


# Over the toy group.


@pytest.fixture
def toy(monkeypatch):
    found = proofs_over(Q, 11, TAU)
    monkeypatch.setattr(found.transcript.Transcript, "challenge", lambda _, label: FIXED[label])
    return found


class Blinders:
    """The prover's randomness; numbers in `planted` are zero, which is one random multiple of Z_H fewer."""

    def __init__(self, seed: int, planted: tuple[int, ...] = ()):
        self.random, self.planted, self.drawn = random.Random(seed), planted, 0

    def __call__(self) -> int:
        self.drawn += 1
        value = self.random.randrange(Q)
        return 0 if self.drawn - 1 in self.planted else value


def toy_layout(toy, slots=SLOTS):
    kinds = tuple(toy.layout.SlotRange(slot.width, slot.offset) for slot in slots)
    rows = tuple(toy.layout.RowRange(row.width, row.coefficients, row.constant, row.shortfall) for row in ROWS)
    return toy.layout.lay_out(N, kinds, rows)


def committed(toy, layout, *witnesses):
    points = toy.srs.basis(N)
    commitments = tuple(toy.group.encode_point(toy.commitment.commit(points, w.values, w.blinders)) for w in witnesses)
    count = len(witnesses)
    return toy.statement.LinearStatement(layout, bytes(32), tuple(range(count)), (0,) * count, commitments)


def witnesses_of(toy, layout, number, *vectors, rho=2):
    """Of the run of this number: each hidden by so many blinders of its own."""
    hiding = random.Random(-number - 1)
    blinders = [tuple(hiding.randrange(Q) if i < rho else 0 for i in range(2)) for _ in vectors]
    return [toy.statement.make_witness(layout, own, 0, rhos) for own, rhos in zip(vectors, blinders, strict=True)]


def log(data: bytes) -> int:
    return int.from_bytes(data[1:], "big")


def published(toy, statement, proof):
    """Everything a proof shows, as numbers: W, D, f, D̄ of each account, then m, S, t1, t2, S̄; last π_1, π_2."""
    read = toy.messages.read_proof(proof, len(statement.accounts), statement.layout.columns)
    values = [log(c_w) for c_w in statement.commitments]
    for part in read.parts:
        values += [*map(log, part.c_d), *map(log, part.c_f), *part.d_bar]
    tail = [log(data) for data in (read.c_m, read.c_s, read.c_t1, read.c_t2)]
    return [*values, *tail, read.s_bar, log(read.pi_1), log(read.pi_2)]


def honest(toy, count, planted=(), *, slots=SLOTS, accounts=1, rho=2, holdings=HOLDINGS):
    """What so many honest proofs publish; `rho` is how many blinders C_W has."""
    layout, found = toy_layout(toy, slots), []
    vectors = [holdings * (len(slots) // len(SLOTS))] * accounts
    for number in range(count):
        witnesses = witnesses_of(toy, layout, number, *vectors, rho=rho)
        statement = committed(toy, layout, *witnesses)
        proof, _ = toy.prover.prove(statement, witnesses, scalars=Blinders(number + 1000 * accounts, planted))
        found.append(published(toy, statement, proof))
    return found


def simulated(toy, count) -> list[list[int]]:
    layout, numbers, found = toy_layout(toy), random.Random(7), []
    for _ in range(count):
        c_w = toy.group.encode_point(toy.group.multiply(toy.group.GENERATOR, numbers.randrange(Q)))
        statement = toy.statement.LinearStatement(layout, bytes(32), (0,), (0,), (c_w,))
        found.append(published(toy, statement, simulate(toy, statement, TAU, lambda: numbers.randrange(Q))))
    return found


W_AT, D_AT, F_AT, D_BAR_AT, M_AT = range(5)
QUOTIENT = [(F_AT, D_AT), (F_AT, D_BAR_AT), (M_AT, D_AT), (M_AT, D_BAR_AT)]
ALL = list(combinations_with_replacement(range(9), 2))


def relations(values: list[list[int]], products=QUOTIENT) -> int:
    """How many independent relations hold between published values and such products of two (π_1, π_2 left out)."""
    lifted = [[1, *row[:-2], *(row[a] * row[b] % Q for a, b in products)] for row in values]
    assert len(lifted) > len(lifted[0])
    return len(lifted[0]) - nmod_mat(lifted, Q).rank()


def most_collisions(values: list[list[int]]) -> int:
    """The most often that two proofs agree in two values together."""
    return max(
        sum(n * (n - 1) // 2 for n in Counter((row[a], row[b]) for row in values).values())
        for a, b in combinations(range(len(values[0])), 2)
    )


def worst_count(left: list[list[int]], right: list[list[int]]) -> float:
    """The largest chi-square of the published values' counts in 16 buckets."""
    worst, more = 0.0, (len(right) / len(left)) ** 0.5
    for at in range(len(left[0])):
        one, two = (Counter(row[at] * 16 // Q for row in rows) for rows in (left, right))
        total = sum((more * one[b] - two[b] / more) ** 2 / (one[b] + two[b]) for b in range(16) if one[b] + two[b])
        worst = max(worst, total)
    return worst


def test_the_toy_group_runs_the_provers_own_code(toy):
    assert toy.field.ORDER == Q != ORDER
    assert toy.prover.__spec__.origin == sys.modules["proofs.linear.prover"].__file__
    points = toy.srs.basis(N)
    roots = toy.domain.domain_of(N).roots
    assert points.lagrange[3].log == toy.domain.domain_of(N).lagrange(TAU, 4)[3] % Q
    shown = {FIXED["zeta"], FIXED["zeta"] * roots[1] % Q, TAU, TAU * roots[1] % Q}
    assert len(shown) == 4
    assert not shown & set(roots)


def test_an_honest_prover_draws_as_many_blinders_as_the_notes_say(toy):
    draw = Blinders(1)
    layout = toy_layout(toy)
    witness = toy.statement.make_witness(layout, HOLDINGS, 0, (1, 2))
    toy.prover.prove(committed(toy, layout, witness), [witness], scalars=draw)
    assert layout.columns == 1
    assert draw.drawn == len((*D, *F, *M, *S, *T))


def test_honest_proofs_verify_over_the_toy_group_and_their_openings_are_the_only_ones(toy):
    layout = toy_layout(toy)
    for number in range(5):
        witness = toy.statement.make_witness(layout, HOLDINGS, 0, (number, 2))
        statement = committed(toy, layout, witness)
        proof, _ = toy.prover.prove(statement, [witness], scalars=Blinders(number))
        toy.verifier.verify(statement, proof)
        read = toy.messages.read_proof(proof, 1, 1)
        wiped = type(read)(**{**vars(read), "pi_1": read.c_m, "pi_2": read.c_m})
        assert with_openings(toy, statement, wiped, TAU) == read


@pytest.mark.parametrize("proofs", [honest, simulated])
def test_published_values_of_honest_proofs_are_in_no_relation_nor_those_of_simulated_ones(toy, proofs):
    assert relations(proofs(toy, 67), ALL) == 0


NEEDED = {
    **{f"blinder {number} of D or S": ((number,), 2) for number in (*D, *S)},
    "those of the lookup": (F, 2),
    "those of the multiplicities": (M, 2),
    "those of the commitment": ((), 0),
    "that of the quotient, which f, m and W hide too, with one of theirs": ((F[1], M[1], *T), 1),
}
TO_SPARE = {
    **{f"blinder {number} of f, m or the quotient": ((number,), 2) for number in (*F, *M, *T)},
    "one of the commitment": ((), 1),
    "one each of f, m and W": ((F[1], M[1]), 1),
}
"""What is left out, and how many blinders C_W has."""


@pytest.mark.parametrize("what", NEEDED)
def test_blinders_left_out_beyond_what_is_to_spare_are_found(toy, what):
    left_out, rho = NEEDED[what]
    assert relations(honest(toy, SAMPLES, left_out, rho=rho)) > 0


@pytest.mark.parametrize("what", TO_SPARE)
def test_blinders_that_are_to_spare_may_be_left_out(toy, what):
    left_out, rho = TO_SPARE[what]
    assert relations(honest(toy, SAMPLES, left_out, rho=rho)) == 0


def test_values_of_a_joint_proof_over_two_columns_are_in_no_relation_of_the_first_degree(toy):
    values = honest(toy, 24, slots=SLOTS * 15, accounts=2)
    shown = [[1, *row[:-2]] for row in values]
    assert len(shown[0]) == 1 + 2 + 3 * 4 + 5
    assert nmod_mat(shown, Q).rank() == len(shown[0])


def test_two_proofs_about_one_commitment_show_no_more_together_than_each_alone(toy):
    """As a joint and a standalone proof of an account do: both show W(τ), which the commitment shows already."""
    layout, values = toy_layout(toy), []
    for number in range(36):
        (witness,) = witnesses_of(toy, layout, number, HOLDINGS)
        statement = committed(toy, layout, witness)
        pair = [toy.prover.prove(statement, [witness], scalars=Blinders(2 * number + i))[0] for i in range(2)]
        one, two = (published(toy, statement, proof)[:-2] for proof in pair)
        products = [row[a] * row[b] % Q for row in (one, two) for a, b in QUOTIENT]
        values.append([1, *one, *two[1:], *products])
        assert one[0] == two[0]
    assert nmod_mat(values, Q).rank() == len(values[0]) == 26


def test_honest_proofs_of_any_holdings_are_distributed_as_simulated_ones(toy):
    fake = simulated(toy, COUNTED)
    assert most_collisions(fake) < 5
    for holdings, count in ((HOLDINGS, COUNTED), ((10**9, 2**55, 3), COUNTED // 2)):
        real = honest(toy, count, holdings=holdings)
        assert most_collisions(real) < 5
        assert worst_count(real, fake) < 60


def test_the_comparison_of_distributions_finds_planted_leaks(toy):
    assert most_collisions(honest(toy, COUNTED, D[:1])) > 5
    assert worst_count(honest(toy, COUNTED // 2, M), simulated(toy, COUNTED)) > 60


# The default fund.

LEVERED = {1: (9 * 10**9, 0, 5_000, 0, 0), 2: (7 * 10**9, 0, -4_000, 10, 0)}
LINK = (18, 19, 20)
"""The running sum's blinders among those that a cover proof of two scenarios draws: after two of each V_s and 14 of the
joint proof."""


def linked(toy, count, planted=()) -> list[list[int]]:
    """What so many links show beside what the accounts' commitments do: each W and V_s, G, q and G at ωζ."""
    shot, found = snapshot_of(LEVERED, {1: 11, 2: 12}), []
    layout = toy.arithmetization.layout_of(shot.statement, N)
    full = [toy.arithmetization.complete_holdings(shot.statement, account) for account in shot.accounts]
    for number in range(count):
        witnesses = witnesses_of(toy, layout, number, *full)
        points = committed(toy, layout, *witnesses).commitments
        commitments = tuple((each.account, c_w) for each, c_w in zip(shot.accounts, points, strict=True))
        transcript = toy.transcript.Transcript("crossclear/test/v1")
        draw = Blinders(number, planted)
        data = toy.cover.prove_cover(shot.statement, commitments, witnesses, N, transcript, scalars=draw)
        at = 2 * 48 + 2 * 128 + 320
        link = data[at : at + 48 + 48 + 32]
        shown = [log(c_w) for _, c_w in commitments] + [log(data[:48]), log(data[48:96])]
        found.append([*shown, log(link[:48]), log(link[48:96]), int.from_bytes(link[96:], "big")])
    return found


def test_what_the_link_to_the_accounts_shows_is_in_no_relation(toy):
    """Its step is linear in what is hidden, so relations of the first degree are all that there could be."""
    values = [[1, *row] for row in linked(toy, 14)]
    assert nmod_mat(values, Q).rank() == len(values[0]) == 9


@pytest.mark.parametrize("blinder", LINK)
def test_one_blinder_fewer_in_the_link_is_found(toy, blinder):
    values = [[1, *row] for row in linked(toy, 14, (blinder,))]
    assert nmod_mat(values, Q).rank() == len(values[0]) - 1
