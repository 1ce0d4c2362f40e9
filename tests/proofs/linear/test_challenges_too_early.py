"""Challenges drawn one message too early, where the item is absorbed all the same: what the order is for.

Rule: as in `test_transcript_omissions`: the weakened protocol believes a false statement, the real one does not.
y before C_D: it binds nothing, and lattice reduction makes bytes that fit any false row; so on chain y is derived from
a root over every (account, C_W, C_D). α before C_D and C_m: multiplicities are no small numbers, so one of them
pays for any digit. δ before C_f: the lookups of two accounts are wrong by amounts that cancel in the joint, and their
sum pays for a false row. ζ, r and μ too early are the omissions of t1 and t2, of D̄ and S̄, of π_1 and π_2.
β or γ known early would admit nothing: β joins a function of α alone to one of y alone, γ joins what f fixes.
"""

from dataclasses import replace

import pytest

from proofs.algebra.field import ORDER, batch_inverse, inverse, powers
from proofs.linear.layout import BASE, RowRange, lay_out
from proofs.linear.messages import read_proof
from proofs.linear.prover import prove, random_scalar
from proofs.linear.statement import constraint_values, u_values, weights_of
from proofs.linear.verifier import Equation
from tests.kit.proofs.cheating import CheatingProver, believed, bytes_of, heaps_of, secret, state
from tests.kit.proofs.forgers.lattice import forge_digits, small_solution
from tests.kit.proofs.forgers.weakened import drawn_early, early, proves_only_in
from tests.kit.proofs.linear_statements import CASH, POSITION, SLOTS, TOKEN, N, committed, margin_rows, refused

LAYOUT = lay_out(N, SLOTS, margin_rows(-900, -300, 300, 700))
WIDE = lay_out(N, (CASH,) * 30, tuple(RowRange(8, ((j, 1), (j + 1, -3)), 0, shortfall=False) for j in range(20)))
OF_A_NETWORK = lay_out(2048, SLOTS, margin_rows(*((s - 16) * 50 or 1 for s in range(33))))
"""n = 2048, 33 scenarios: the lattice has as many dimensions as digits are chosen, not as there are."""
FALSE_ROWS = {
    "equity of minus one": (LAYOUT, (-1, 0, 0)),
    "a negative token": (LAYOUT, (10**6, -1, 0)),
    "a third": (LAYOUT, (10**6, inverse(3), 0)),
    "a loss that ruins": (LAYOUT, (0, 0, 2**38)),
    "several columns": (WIDE, (0, 5) * 15),
    "the domain that networks use": (OF_A_NETWORK, (0, 0, 2**38)),
}


def is_false(layout, values):
    found = constraint_values(layout, values, 0)
    return any(not 0 <= v < max(BASE**width, 1) for v, width in zip(found, layout.widths, strict=True))


def with_forged_digits(statement, witness, y):
    """The witness with bytes for digits that meet the equation for this y alone."""
    return replace(witness, digits=forge_digits(statement.layout, y, witness.values, 0))


def test_small_numbers_meet_any_equation_modulo_p():
    weights, target = [random_scalar() for _ in range(48)], random_scalar()
    solution = small_solution(weights, target, 0, BASE)
    assert all(0 <= digit < BASE for digit in solution)
    assert sum(map(int.__mul__, weights, solution)) % ORDER == target


@pytest.mark.parametrize("case", FALSE_ROWS)
def test_with_a_y_known_before_the_digits_any_false_row_is_proven_and_the_real_order_refuses_it(case):
    layout, values = FALSE_ROWS[case]
    assert is_false(layout, values)
    statement, (honest,) = committed(layout, [values], check=False)
    witness = with_forged_digits(statement, honest, early(statement.transcript(), "y"))
    assert all(0 <= digit < BASE for column in witness.digits for digit in column)
    with drawn_early("y"):
        proof, _ = prove(statement, [witness])  # the prover's own checks find nothing
        assert not refused(statement, proof)
    assert refused(statement, proof)


def test_one_forger_among_honest_accounts_passes_where_y_is_early_and_is_refused_where_it_is_not():
    statement, witnesses = committed(LAYOUT, ((900, 5, 1), (-1, 0, 0), (5000, 0, -7)), check=False)
    witnesses[1] = with_forged_digits(statement, witnesses[1], early(statement.transcript(), "y"))
    with drawn_early("y"):
        proof, _ = prove(statement, witnesses)
        assert not refused(statement, proof)
    assert refused(statement, proof)


def test_digits_forged_for_the_y_of_the_last_attempt_do_not_fit_the_next_one():
    """The forger's best against the real order: forge for the y just seen; new digits are a new C_D and a new y."""
    statement, (honest,) = committed(LAYOUT, [(-1, 0, 0)], check=False)
    drawn = [early(statement.transcript(), "y")]
    for _ in range(3):
        proof, _ = prove(statement, [with_forged_digits(statement, honest, drawn[-1])], check_witness=False)
        assert refused(statement, proof)
        replayed = Equation(statement, read_proof(proof, 1, LAYOUT.columns), [])
        replayed.draw(statement.transcript())
        drawn.append(replayed.first.y)
    assert len(set(drawn)) == 4


def test_forged_digits_hold_for_their_own_y_and_for_no_other():
    values, y = (-1, 0, 0), random_scalar()
    column = forge_digits(LAYOUT, y, values, 0)[0]
    for at, holds in ((y, True), (y + 1, False), (random_scalar(), False)):
        weights = weights_of(LAYOUT, at)
        left = sum(weight * column[place] for place, weight in u_values(LAYOUT, weights)[0].items())
        right = sum(map(int.__mul__, weights.v, values)) + weights.c(0)
        assert ((left - right) % ORDER == 0) is holds


def test_twelve_digits_are_too_few_to_forge():
    """96 bits of freedom meet a 255-bit equation for one y in 2^159: the attack is the lattice's, not the prover's."""
    with pytest.raises(ValueError, match="no solution"):
        forge_digits(lay_out(N, (POSITION, TOKEN), ()), random_scalar(), (2**39, -1), 0)


def test_outside_of_the_weakened_protocol_the_real_order_stands():
    statement, witnesses = committed(LAYOUT, [(5000, 0, 0)])
    with drawn_early("y"):
        proof_with_early_y, _ = prove(statement, witnesses)
    proof, _ = prove(statement, witnesses)
    assert refused(statement, proof_with_early_y)
    assert not refused(statement, proof)
    assert refused(replace(statement, context=b"\1" * 32), proof)


class KnowsAlpha(CheatingProver):
    """Its digits are any residues; how often the byte 0 "occurs" makes up for those that are none."""

    def multiplicities(self):
        alpha = early(self.transcript, "alpha")
        counts = super().multiplicities()
        sought = sum(sum(batch_inverse([alpha + digit for digit in column])) for column in self.all_digits())
        found = sum(count * inverse(alpha + i % BASE) for i, count in enumerate(counts) if count)
        counts[0] = (counts[0] + (sought - found) * alpha) % ORDER
        return counts


class KnowsDelta(CheatingProver):
    """Its digits are all bytes and its rows are false; two accounts' f are wrong at one point of H."""

    def lookups(self):
        delta, alpha = early(self.transcript, "delta"), self.first.alpha
        plain = [self.lookup(k, 0) for k in range(2)]
        self.f = [[self.hide(values)] for values in plain]
        self.own = self.joint = powers(delta, 2)
        first, second = (alpha + each.digits[0][0] for each in self.secrets)
        # own_0·a·(α + D_0)(α + T) + own_1·b·(α + D_1) = 0 at the first point of H, where T is 0.
        ratio = -delta * second * inverse(first * alpha)
        b = -sum(self.steps()) * inverse(1 + ratio) % ORDER
        for values, error in zip(plain, (ratio * b, b), strict=True):
            values[0] = (values[0] + error) % ORDER
        return [[self.hide(values)] for values in plain]


def forger(challenge, prover, lie, digits):
    """Makes proofs of two accounts, the first of which is in order, the second false, by who knows a challenge."""
    layout = lay_out(N, SLOTS, margin_rows(-900, 700))
    secrets = [secret(layout, (5000, 7, 1)), secret(layout, FALSE_ROWS[lie][1], digits=digits)]
    statement = state(layout, secrets)
    with drawn_early(challenge):
        assert not believed(statement, CheatingProver(statement, secrets).prove()), "who does not use it is refused"
    return lambda: (statement, prover(statement, secrets).prove())


SMALL_LIES = ("a negative token", "a third", "equity of minus one")


@pytest.mark.parametrize("lie", SMALL_LIES)
def test_with_an_alpha_known_before_the_multiplicities_any_digit_passes_and_the_real_order_refuses_it(lie):
    proves_only_in(drawn_early("alpha"), forger("alpha", KnowsAlpha, lie, heaps_of))


@pytest.mark.parametrize("lie", SMALL_LIES)
def test_with_a_delta_known_before_the_lookups_two_accounts_pay_for_a_false_row_and_the_real_order_refuses_it(lie):
    proves_only_in(drawn_early("delta"), forger("delta", KnowsDelta, lie, bytes_of))
