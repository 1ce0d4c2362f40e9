"""A y known before the digits are committed binds nothing: lattice reduction makes bytes that fit any false row.

Rule: the same forgery passes the weakened protocol, where y is drawn before C_D, and is refused by the real one. This
is why y is drawn after C_D, and why the on-chain variant derives it from a root over every (account, C_W, C_D).
"""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from proofs.algebra.commitment import commit
from proofs.algebra.field import ORDER, inverse
from proofs.algebra.group import encode_point
from proofs.algebra.srs import basis
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.layout import BASE, ProofLayout, RowRange, SlotRange, lay_out
from proofs.linear.messages import read_proof
from proofs.linear.prover import prove, random_scalar
from proofs.linear.statement import LinearStatement, Witness, constraint_values, make_witness, u_values, weights_of
from proofs.linear.verifier import Equation, verify
from tests.kit.proofs.forgers.lattice import forge_digits, small_solution
from tests.kit.proofs.forgers.weakened import early_y, y_before_digits

N = 256
CASH, TOKEN, POSITION = SlotRange(8, 2**63), SlotRange(7, 0), SlotRange(5, 2**39)
LAYOUT = lay_out(
    N,
    (CASH, TOKEN, POSITION),
    tuple(RowRange(8, ((0, 1), (1, 3), (2, move)), 0, shortfall=True) for move in (-900, -300, 300, 700)),
)
WIDE = lay_out(N, (CASH,) * 30, tuple(RowRange(8, ((j, 1), (j + 1, -3)), 0, shortfall=False) for j in range(20)))
TWELVE_DIGITS = lay_out(N, (POSITION, TOKEN), ())
FALSE = {
    "equity of minus one": (LAYOUT, (-1, 0, 0)),
    "a negative token": (LAYOUT, (10**6, -1, 0)),
    "a third": (LAYOUT, (10**6, inverse(3), 0)),
    "a loss that ruins": (LAYOUT, (0, 0, 2**38)),
    "several columns": (WIDE, (0, 5) * 15),
}


def stated(layout: ProofLayout, vectors: Sequence[Sequence[int]]) -> tuple[LinearStatement, list[tuple[int, int]]]:
    blinders = [(random_scalar(), random_scalar()) for _ in vectors]
    commitments = tuple(
        encode_point(commit(basis(layout.size), vector, hiding))
        for vector, hiding in zip(vectors, blinders, strict=True)
    )
    count = len(vectors)
    return LinearStatement(layout, bytes(32), tuple(range(count)), (0,) * count, commitments), blinders


def is_false(layout: ProofLayout, values: Sequence[int]) -> bool:
    found = constraint_values(layout, values, 0)
    return any(not 0 <= v < max(BASE**width, 1) for v, width in zip(found, layout.widths, strict=True))


def forged(statement: LinearStatement, values: Sequence[int], blinders: tuple[int, int], y: int) -> Witness:
    return Witness(tuple(values), forge_digits(statement.layout, y, values, 0), blinders)


def refused(statement: LinearStatement, proof: bytes) -> bool:
    try:
        verify(statement, proof)
    except VerificationFailed as fault:
        assert fault.code is ProofCode.PROOF_REFUSED
        return True
    return False


def test_small_numbers_meet_any_equation_modulo_p() -> None:
    weights = [random_scalar() for _ in range(48)]
    target = random_scalar()
    solution = small_solution(weights, target, 0, BASE)
    assert all(0 <= digit < BASE for digit in solution)
    assert sum(map(int.__mul__, weights, solution)) % ORDER == target


@pytest.mark.parametrize("case", FALSE)
def test_with_a_y_known_before_the_digits_any_false_row_is_proven_and_the_real_order_refuses_it(case: str) -> None:
    layout, values = FALSE[case]
    assert is_false(layout, values)
    statement, (blinders,) = stated(layout, [values])
    witness = forged(statement, values, blinders, early_y(statement.transcript()))
    assert all(0 <= digit < BASE for column in witness.digits for digit in column)
    with y_before_digits():
        proof, _ = prove(statement, [witness])  # the prover's own checks find nothing
        assert not refused(statement, proof)
    assert refused(statement, proof)


def test_the_attack_takes_no_longer_on_the_domain_that_networks_use() -> None:
    """n = 2048, 33 scenarios: the lattice has as many dimensions as digits are chosen, not as there are."""
    moves = [(s - 16) * 50 or 1 for s in range(33)]
    rows = tuple(RowRange(8, ((0, 1), (1, 3), (2, move)), 0, shortfall=True) for move in moves)
    layout, values = lay_out(2048, (CASH, TOKEN, POSITION), rows), (0, 0, 2**38)
    assert is_false(layout, values)
    statement, (blinders,) = stated(layout, [values])
    witness = forged(statement, values, blinders, early_y(statement.transcript()))
    with y_before_digits():
        proof, _ = prove(statement, [witness])
        assert not refused(statement, proof)
    assert refused(statement, proof)


def test_one_forger_among_honest_accounts_passes_where_y_is_early_and_is_refused_where_it_is_not() -> None:
    vectors = ((900, 5, 1), (-1, 0, 0), (5000, 0, -7))
    statement, blinders = stated(LAYOUT, vectors)
    witnesses = [make_witness(LAYOUT, v, 0, b, check=False) for v, b in zip(vectors, blinders, strict=True)]
    witnesses[1] = forged(statement, vectors[1], blinders[1], early_y(statement.transcript()))
    with y_before_digits():
        proof, _ = prove(statement, witnesses)
        assert not refused(statement, proof)
    assert refused(statement, proof)


def test_digits_forged_for_the_y_of_the_last_attempt_do_not_fit_the_next_one() -> None:
    """The forger's best against the real order: forge for the y just seen; new digits are a new C_D and a new y."""
    values = (-1, 0, 0)
    statement, (blinders,) = stated(LAYOUT, [values])
    y, seen = early_y(statement.transcript()), set()
    for _ in range(3):
        witness = forged(statement, values, blinders, y)
        proof, _ = prove(statement, [witness], check_witness=False)
        assert refused(statement, proof)
        replayed = Equation(statement, read_proof(proof, 1, LAYOUT.columns), [])
        replayed.draw(statement.transcript())
        seen.add(y)
        y = replayed.first.y
    assert len({*seen, y}) == 4


def test_forged_digits_hold_for_their_own_y_and_for_no_other() -> None:
    values = (-1, 0, 0)
    y = random_scalar()
    column = forge_digits(LAYOUT, y, values, 0)[0]
    for at, holds in ((y, True), (y + 1, False), (random_scalar(), False)):
        weights = weights_of(LAYOUT, at)
        left = sum(weight * column[place] for place, weight in u_values(LAYOUT, weights)[0].items())
        right = sum(map(int.__mul__, weights.v, values)) + weights.c(0)
        assert ((left - right) % ORDER == 0) is holds


def test_twelve_digits_are_too_few_to_forge() -> None:
    """96 bits of freedom meet a 255-bit equation for one y in 2^159: the attack is the lattice's, not the prover's."""
    with pytest.raises(ValueError, match="no solution"):
        forge_digits(TWELVE_DIGITS, random_scalar(), (2**39, -1), 0)


def test_outside_of_the_weakened_protocol_the_real_order_stands() -> None:
    statement, (blinders,) = stated(LAYOUT, [(5000, 0, 0)])
    honest = make_witness(LAYOUT, (5000, 0, 0), 0, blinders)
    with y_before_digits():
        early, _ = prove(statement, [honest])
    proof, _ = prove(statement, [honest])
    assert refused(statement, early)
    assert not refused(statement, proof)
    assert refused(replace(statement, context=b"\1" * 32), proof)
