"""The linear proof: completeness on any layout, soundness against provers that cheat, binding of every item."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.errors import Bug, LocalFault
from proofs.algebra.field import inverse
from proofs.algebra.group import GENERATOR, decode_point, encode_point, multiply
from proofs.algebra.srs import basis
from proofs.algebra.transcript import Transcript
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.layout import COEFFICIENT_MAX, RowRange, SlotRange, lay_out
from proofs.linear.messages import part_bytes, read_proof, write_proof
from proofs.linear.prover import prove, prove_shards, random_scalar
from proofs.linear.shard import Shard
from proofs.linear.statement import LinearStatement, make_witness
from proofs.linear.verifier import Equation
from tests.kit.proofs.bad_ranges import LAYOUT, LIES
from tests.kit.proofs.linear_statements import CASH, FREE, POSITION, SLOTS, TOKEN, N, committed, refusal
from tests.kit.refusals import refused

HELD = (1000, 5, -1)
AT_LEAST_ZERO = RowRange(8, ((0, 1),), 0, shortfall=False)


def row_like(row=AT_LEAST_ZERO, /, **changes):
    return msgspec.structs.replace(row, **changes)


def equal_zero(*coefficients):
    return RowRange(0, coefficients, 0, shortfall=False)


def accepted(statement: LinearStatement, proof: bytes) -> bool:
    return refusal(statement, proof) is None


def proven(layout, *vectors, sigmas=(), lie=False):
    """A statement with its proof, of a prover that looks away where there is a lie."""
    statement, witnesses = committed(layout, vectors, sigmas, check=not lie)
    return statement, prove(statement, witnesses, check_witness=not lie)[0]


@pytest.fixture(scope="module")
def one():
    """The statement about one account with its proof."""
    return proven(LAYOUT, HELD)


def test_a_standalone_proof_has_496_bytes_with_its_commitment(one):
    assert accepted(*one)
    assert (len(one[1]) + 48, part_bytes(1) + 48) == (496, 176)


def test_a_proof_over_several_digit_columns_verifies():
    slots = (CASH,) * 40
    rows = tuple(RowRange(8, tuple((j, s + 1) for j in range(40)), 0, shortfall=False) for s in range(40))
    layout = lay_out(N, slots, rows)
    assert layout.columns == 3
    statement, witnesses = committed(layout, [tuple(range(40)), tuple(range(3, 43))])
    proof, _ = prove(statement, witnesses)
    assert accepted(statement, proof)
    assert not accepted(replace(statement, shortfalls=(0, 1)), proof)
    for column in range(3):
        forged = with_digits(witnesses[0], column, {4: 256})
        assert not accepted(statement, prove(statement, [forged, witnesses[1]], check_witness=False)[0])


def with_digits(witness, column, changes):
    """The witness with some digits of a column raised, lowered by a negative number."""
    digits = [list(own) for own in witness.digits]
    for place, change in changes.items():
        digits[column][place] += change
    return replace(witness, digits=tuple(map(tuple, digits)))


def test_shards_give_the_same_proof_as_one():
    statement, witnesses = committed(LAYOUT, [HELD, (7, 8, 0), (0, 0, 0)])
    shards = [(Shard(LAYOUT, basis(N), own, random_scalar), len(own)) for own in (witnesses[:1], witnesses[1:])]
    assert accepted(statement, prove_shards(statement, shards)[0])


def test_a_shard_refuses_to_be_used_twice():
    statement, witnesses = committed(LAYOUT, [HELD])
    shard = Shard(LAYOUT, basis(N), witnesses, random_scalar)
    prove_shards(statement, [(shard, 1)])
    with refused(ProofCode.BLINDERS_REUSED, LocalFault):
        prove_shards(statement, [(shard, 1)])


def test_an_honest_prover_refuses_a_witness_that_breaks_a_row():
    with pytest.raises(LocalFault) as fault:
        make_witness(LAYOUT, (0, 0, 1), 0, (1, 2))
    assert (fault.value.code, fault.value.at) == (ProofCode.WITNESS_OUT_OF_RANGE, "row 0")
    statement, witnesses = committed(LAYOUT, [(0, 0, 1)], check=False)
    with pytest.raises(Bug):
        prove(statement, witnesses)


@pytest.mark.parametrize("lie", LIES)
def test_a_cheating_prover_is_refused(lie):
    assert not accepted(*proven(LAYOUT, (100, 5, 0), LIES[lie], lie=True))


@pytest.mark.parametrize("vector", [(890, 0, 1), (-10, 0, 0), (2**63 - 1, 2**56 - 1, 0), (2**50, 0, 2**39 - 1)])
def test_the_bounds_themselves_are_accepted(vector):
    assert accepted(*proven(LAYOUT, vector))


def test_a_public_shortfall_lifts_only_the_rows_that_count_it():
    layout = lay_out(N, SLOTS, (row_like(shortfall=True), row_like(constant=5)))
    statement, proof = proven(layout, (-5, 0, 0), sigmas=(5,))
    assert accepted(statement, proof)
    for sigma in (0, 4, 6):
        assert not accepted(replace(statement, shortfalls=(sigma,)), proof)
    assert not accepted(*proven(layout, (-6, 0, 0), sigmas=(6,), lie=True))


def test_an_equality_row_ties_a_slot_without_digits():
    """q − l + h = 0 with l, h ≥ 0: q needs no digits, and |q| ≤ l + h."""
    layout = lay_out(N, (FREE, TOKEN, TOKEN), (equal_zero((0, 1), (1, -1), (2, 1)),))
    assert accepted(*proven(layout, (-7, 0, 7), (7, 9, 2)))
    for wrong in ((-7, 7, 0), (inverse(2), 0, 0)):
        assert not accepted(*proven(layout, wrong, lie=True))


@settings(max_examples=25)
@given(data=st.data())
def test_whatever_satisfies_a_layout_is_proven_and_whatever_does_not_is_refused(data):
    slots = tuple(data.draw(st.lists(st.sampled_from([POSITION, TOKEN, CASH]), min_size=1, max_size=6)))
    coefficient = st.integers(-1000, 1000).filter(bool) | st.sampled_from([COEFFICIENT_MAX - 1, 1 - COEFFICIENT_MAX])
    rows = []
    for _ in range(data.draw(st.integers(0, 4))):
        chosen = data.draw(st.sets(st.integers(0, len(slots) - 1), max_size=3))
        row = tuple((j, data.draw(coefficient)) for j in sorted(chosen))
        rows.append(RowRange(8, row, data.draw(st.integers(-5, 10**6)), data.draw(st.booleans())))
    layout = lay_out(N, slots, tuple(rows))
    value = st.integers(-3, 10**6)
    count = data.draw(st.integers(1, 3))
    vectors = [tuple(data.draw(value) for _ in slots) for _ in range(count)]
    sigmas = tuple(data.draw(st.sampled_from([0, 0, 10**7])) for _ in range(count))
    try:
        made, honest = proven(layout, *vectors, sigmas=sigmas), True
    except LocalFault:
        made, honest = proven(layout, *vectors, sigmas=sigmas, lie=True), False
    assert accepted(*made) is honest


def test_every_byte_of_a_proof_is_bound(one):
    statement, proof = one
    for place in range(0, len(proof), 3):
        broken = bytearray(proof)
        broken[place] ^= 1
        assert not accepted(statement, bytes(broken)), place
    assert not accepted(statement, proof[:-1])
    assert not accepted(statement, proof + b"\0")


def test_the_last_challenge_binds_both_openings(one):
    """With a μ known beforehand, π_1 + μ·X and π_2 − X would pass for any X; shifting by any known μ must fail."""
    statement, proof = one
    parsed = read_proof(proof, 1, 1)

    def drawn_mu(shown):
        equation = Equation(statement, shown, [])
        equation.draw(statement.transcript())
        return equation.mu

    mu = drawn_mu(parsed)
    shifted = replace(
        parsed,
        pi_1=encode_point(decode_point(parsed.pi_1, "") + multiply(GENERATOR, mu)),
        pi_2=encode_point(decode_point(parsed.pi_2, "") + -GENERATOR),
    )
    assert not accepted(statement, write_proof(shifted))
    assert drawn_mu(shifted) != mu


def test_parts_of_two_accounts_cannot_be_exchanged():
    statement, proof = proven(LAYOUT, HELD, (2000, 0, 1))
    parsed = read_proof(proof, 2, 1)
    assert not accepted(statement, write_proof(replace(parsed, parts=parsed.parts[::-1])))


def test_one_accounts_surplus_cannot_pay_for_anothers_lack():
    """Rows and digits are joined by powers of δ: errors of two accounts that cancel are still errors."""
    statement, witnesses = committed(lay_out(N, (TOKEN,), (AT_LEAST_ZERO,)), [(5,), (5,)])
    shifted = [with_digits(own, 0, {0: change}) for own, change in zip(witnesses, (1, -1), strict=True)]
    assert not accepted(statement, prove(statement, shifted, check_witness=False)[0])


def test_a_multiplicity_that_lies_is_refused():
    """A forged digit counted as if it were a byte leaves Σ 1/(α+D) − Σ m/(α+T) unequal to zero."""
    layout = lay_out(N, (TOKEN,), ())
    statement, witnesses = committed(layout, [(300,)], check=False)
    assert tuple(witnesses[0].digits[0][:2]) == (44, 1)
    forged = with_digits(witnesses[0], 0, {0: 256, 1: -1})

    class Lying(Shard):
        def carry_table(self, counts):
            return super().carry_table([counts[0], counts[1], *counts[2:44], counts[44] + 1, *counts[45:]])

    shard = Lying(layout, basis(N), [forged], random_scalar)
    assert not accepted(statement, prove_shards(statement, [(shard, 1)], check_witness=False)[0])


@pytest.mark.parametrize(
    ("accounts", "sigmas"), [((1, 1), (0, 0)), ((2, 1), (0, 0)), ((1,), (0, 0)), ((1, 2), (0,)), ((1, 2), (0, -1))]
)
def test_a_malformed_account_list_is_refused(accounts, sigmas):
    statement, _ = committed(LAYOUT, [HELD, (1, 1, 0)])
    with refused(ProofCode.BAD_STATEMENT, VerificationFailed):
        replace(statement, accounts=accounts, shortfalls=sigmas).transcript()


@pytest.mark.parametrize(
    ("slots", "rows"),
    [
        ((), ()),
        ((SlotRange(6, 0),), ()),
        ((SlotRange(7, 2**56),), ()),
        ((FREE,), ()),
        ((FREE, FREE), (equal_zero((0, 1), (1, 1)),)),
        ((FREE, TOKEN), (equal_zero((0, 2), (1, 1)),)),
        ((FREE, TOKEN), (row_like(equal_zero((0, 1), (1, 1)), shortfall=True),)),
        ((TOKEN,), (row_like(coefficients=((0, COEFFICIENT_MAX),)),)),
        ((TOKEN,), (row_like(coefficients=((0, 0),)),)),
        ((TOKEN,), (row_like(coefficients=((1, 1),)),)),
        ((TOKEN, TOKEN), (row_like(coefficients=((1, 1), (0, 1))),)),
        ((TOKEN,), (row_like(coefficients=((0, 1), (0, 1))),)),
        ((TOKEN,), (row_like(constant=2**63),)),
        ((TOKEN,), (row_like(width=3),)),
    ],
)
def test_a_layout_outside_the_proofs_bounds_is_refused(slots, rows):
    with refused(ProofCode.BAD_LAYOUT, VerificationFailed):
        lay_out(N, slots, rows)


def test_a_transcript_tells_apart_labels_types_and_lengths():
    def state(*items):
        transcript = Transcript("crossclear/test/v1")
        for kind, label, value in items:
            getattr(transcript, kind)(label, value)
        return transcript.challenge("x")

    seen = {
        state(),
        state(("append_bytes", "a", b"")),
        state(("append_bytes", "b", b"")),
        state(("append_bytes", "a", b"\0")),
        state(("append_bytes", "a", bytes(32))),
        state(("append_integer", "a", 0)),
        state(("append_scalar", "a", 0)),
        state(("append_bytes", "a", b""), ("append_bytes", "a", b"")),
        state(("append_encoded_point", "a", bytes(48))),
    }
    assert len(seen) == 9
    one, two = Transcript("crossclear/test/v1"), Transcript("crossclear/test/v2")
    assert one.challenge("x") != two.challenge("x")
    assert one.challenge("x") != one.challenge("x")
    assert one.fork("a").challenge("x") != one.fork("b").challenge("x")
