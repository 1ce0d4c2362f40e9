"""The linear proof: completeness on any layout, soundness against provers that cheat, binding of every item."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.base.errors import Bug, LocalFault
from proofs.algebra.commitment import CommitmentContext, blinders, commit, commit_holdings
from proofs.algebra.field import ORDER, inverse
from proofs.algebra.group import GENERATOR, decode_point, encode_point, multiply
from proofs.algebra.srs import basis
from proofs.algebra.transcript import Transcript
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.layout import COEFFICIENT_MAX, RowRange, SlotRange, lay_out
from proofs.linear.messages import after_digits, part_bytes, read_proof, write_proof
from proofs.linear.prover import prove, prove_shards, random_scalar
from proofs.linear.shard import Shard
from proofs.linear.statement import LinearStatement, Witness, make_witness
from proofs.linear.verifier import Equation, verify

N = 256
TOKEN, POSITION, CASH, FREE = SlotRange(7, 0), SlotRange(5, 2**39), SlotRange(8, 2**63), SlotRange(0, 0)
SLOTS = (CASH, TOKEN, POSITION)
ROWS = (
    RowRange(8, ((0, 1), (1, 3), (2, -900)), 10, shortfall=True),
    RowRange(8, ((0, 1), (1, 3), (2, 700)), 10, shortfall=True),
)


def build(layout, vectors, sigmas=None, *, check=True):
    points = basis(layout.size)
    sigmas = sigmas or (0,) * len(vectors)
    witnesses = [
        make_witness(layout, values, sigma, (random_scalar(), random_scalar()), check=check)
        for values, sigma in zip(vectors, sigmas, strict=True)
    ]
    commitments = tuple(encode_point(commit(points, w.values, w.blinders)) for w in witnesses)
    return LinearStatement(layout, bytes(32), tuple(range(len(vectors))), tuple(sigmas), commitments), witnesses


def accepted(statement, proof) -> bool:
    try:
        verify(statement, proof)
    except VerificationFailed:
        return False
    return True


def test_a_standalone_proof_has_496_bytes_with_its_commitment():
    statement, witnesses = build(lay_out(N, SLOTS, ROWS), [(1000, 5, -1)])
    proof, _ = prove(statement, witnesses)
    assert accepted(statement, proof)
    assert len(proof) + 48 == 496
    assert part_bytes(1) + 48 == 176


def test_a_proof_over_several_digit_columns_verifies():
    slots = (CASH,) * 40
    rows = tuple(RowRange(8, tuple((j, s + 1) for j in range(40)), 0, shortfall=False) for s in range(40))
    layout = lay_out(N, slots, rows)
    assert layout.columns == 3
    statement, witnesses = build(layout, [tuple(range(40)), tuple(range(3, 43))])
    proof, _ = prove(statement, witnesses)
    assert accepted(statement, proof)
    assert not accepted(replace(statement, shortfalls=(0, 1)), proof)
    # Lower every digit column's sanity in turn: forge one digit in each.
    for column in range(3):
        digits = [list(c) for c in witnesses[0].digits]
        digits[column][4] += 256
        forged = Witness(witnesses[0].values, tuple(map(tuple, digits)), witnesses[0].blinders)
        cheat, _ = prove(statement, [forged, witnesses[1]], check_witness=False)
        assert not accepted(statement, cheat)


def test_shards_give_the_same_proof_as_one(market):
    layout = lay_out(N, SLOTS, ROWS)
    statement, witnesses = build(layout, [(1000, 5, -1), (7, 8, 0), (0, 0, 0)])
    points = basis(N)
    shards = [
        (Shard(layout, points, witnesses[:1], random_scalar), 1),
        (Shard(layout, points, witnesses[1:], random_scalar), 2),
    ]
    proof, _ = prove_shards(statement, shards)
    assert accepted(statement, proof)


def test_a_shard_refuses_to_be_used_twice():
    layout = lay_out(N, SLOTS, ROWS)
    statement, witnesses = build(layout, [(1000, 5, -1)])
    shard = Shard(layout, basis(N), witnesses, random_scalar)
    prove_shards(statement, [(shard, 1)])
    with pytest.raises(LocalFault) as fault:
        prove_shards(statement, [(shard, 1)])
    assert fault.value.code is ProofCode.BLINDERS_REUSED


def test_two_proofs_of_the_same_witness_share_no_bytes_but_the_statement():
    statement, witnesses = build(lay_out(N, SLOTS, ROWS), [(1000, 5, -1)])
    one, two = (read_proof(prove(statement, witnesses)[0], 1, 1) for _ in range(2))
    assert one.parts[0].c_d != two.parts[0].c_d
    assert one.c_m != two.c_m
    assert one.parts[0].c_f != two.parts[0].c_f
    assert one.c_s != two.c_s


def test_an_honest_prover_refuses_a_witness_that_breaks_a_row():
    layout = lay_out(N, SLOTS, ROWS)
    with pytest.raises(LocalFault) as fault:
        make_witness(layout, (0, 0, 1), 0, (1, 2))
    assert fault.value.code is ProofCode.WITNESS_OUT_OF_RANGE
    assert fault.value.at == "row 0"
    statement, witnesses = build(layout, [(0, 0, 1)], check=False)
    with pytest.raises(Bug):
        prove(statement, witnesses)


@pytest.mark.parametrize(
    "vector",
    [
        (0, -1, 0),
        (0, inverse(3), 0),
        (0, ORDER - 1, 0),
        (0, 2**56, 0),
        (2**63, 0, 0),
        (-(2**63) - 1, 0, 0),
        (5000, 0, 2**39),
        (5000, 0, -(2**39) - 1),
        (-11, 0, 0),
        (889, 0, 1),
    ],
)
def test_a_cheating_prover_is_refused(vector):
    statement, witnesses = build(lay_out(N, SLOTS, ROWS), [(100, 5, 0), vector], check=False)
    proof, _ = prove(statement, witnesses, check_witness=False)
    assert not accepted(statement, proof)


@pytest.mark.parametrize("vector", [(890, 0, 1), (-10, 0, 0), (2**63 - 1, 2**56 - 1, 0), (2**50, 0, 2**39 - 1)])
def test_the_bounds_themselves_are_accepted(vector):
    statement, witnesses = build(lay_out(N, SLOTS, ROWS), [vector])
    assert accepted(statement, prove(statement, witnesses)[0])


def test_a_public_shortfall_lifts_only_the_rows_that_count_it():
    rows = (RowRange(8, ((0, 1),), 0, shortfall=True), RowRange(8, ((0, 1),), 5, shortfall=False))
    layout = lay_out(N, SLOTS, rows)
    statement, witnesses = build(layout, [(-5, 0, 0)], (5,))
    proof, _ = prove(statement, witnesses)
    assert accepted(statement, proof)
    for sigma in (0, 4, 6):
        assert not accepted(replace(statement, shortfalls=(sigma,)), proof)
    statement, witnesses = build(layout, [(-6, 0, 0)], (6,), check=False)
    assert not accepted(statement, prove(statement, witnesses, check_witness=False)[0])


def test_an_equality_row_ties_a_slot_without_digits():
    """q − l + h = 0 with l, h ≥ 0: q needs no digits, and |q| ≤ l + h."""
    rows = (RowRange(0, ((0, 1), (1, -1), (2, 1)), 0, shortfall=False),)
    layout = lay_out(N, (FREE, TOKEN, TOKEN), rows)
    statement, witnesses = build(layout, [(-7, 0, 7), (7, 9, 2)])
    assert accepted(statement, prove(statement, witnesses)[0])
    for wrong in ((-7, 7, 0), (inverse(2), 0, 0)):
        statement, witnesses = build(layout, [wrong], check=False)
        assert not accepted(statement, prove(statement, witnesses, check_witness=False)[0])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_satisfies_a_layout_is_proven_and_whatever_does_not_is_refused(data):
    kinds = {5: SlotRange(5, 2**39), 7: SlotRange(7, 0), 8: SlotRange(8, 2**63)}
    slots = tuple(kinds[w] for w in data.draw(st.lists(st.sampled_from([5, 7, 8]), min_size=1, max_size=6)))
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
        statement, witnesses = build(layout, vectors, sigmas)
        honest = True
    except LocalFault:
        statement, witnesses = build(layout, vectors, sigmas, check=False)
        honest = False
    proof, _ = prove(statement, witnesses, check_witness=honest)
    assert accepted(statement, proof) is honest


def test_every_item_of_the_statement_moves_the_challenges():
    layout = lay_out(N, SLOTS, ROWS)
    statement, _ = build(layout, [(1000, 5, -1), (1, 1, 0)])
    other = encode_point(commit(basis(N), (1,), ()))
    row = ROWS[0]

    def with_row(**changes):
        return replace(statement, layout=lay_out(N, SLOTS, (msgspec.structs.replace(row, **changes), ROWS[1])))

    variants = [
        statement,
        replace(statement, layout=lay_out(512, SLOTS, ROWS)),
        replace(statement, layout=lay_out(N, (CASH, TOKEN, TOKEN), ROWS)),
        replace(statement, layout=lay_out(N, (CASH, TOKEN, SlotRange(5, 2**39 - 1)), ROWS)),
        replace(statement, layout=lay_out(N, SLOTS, ROWS[:1])),
        replace(statement, layout=lay_out(N, SLOTS, ROWS[::-1])),
        with_row(width=7),
        with_row(constant=11),
        with_row(shortfall=False),
        with_row(coefficients=((0, 1), (1, 3), (2, -901))),
        with_row(coefficients=((0, 1), (1, 3))),
        replace(statement, context=bytes(31) + b"\1"),
        replace(statement, accounts=(0, 2)),
        replace(statement, shortfalls=(0, 1)),
        replace(statement, commitments=(statement.commitments[0], other)),
        replace(statement, commitments=statement.commitments[::-1]),
    ]
    drawn = {variant.transcript().challenge("alpha") for variant in variants}
    assert len(drawn) == len(variants)


def test_every_byte_of_a_proof_is_bound():
    statement, witnesses = build(lay_out(N, SLOTS, ROWS), [(1000, 5, -1)])
    proof, _ = prove(statement, witnesses)
    for place in range(0, len(proof), 3):
        broken = bytearray(proof)
        broken[place] ^= 1
        assert not accepted(statement, bytes(broken)), place
    assert not accepted(statement, proof[:-1])
    assert not accepted(statement, proof + b"\0")


def test_the_last_challenge_binds_both_openings():
    """With a μ known beforehand, π_1 + μ·X and π_2 − X would pass for any X; shifting by any known μ must fail."""
    statement, witnesses = build(lay_out(N, SLOTS, ROWS), [(1000, 5, -1)])
    proof, _ = prove(statement, witnesses)
    parsed = read_proof(proof, 1, 1)

    equation = Equation(statement, parsed, [])
    equation.draw(statement.transcript())
    shifted = replace(
        parsed,
        pi_1=encode_point(decode_point(parsed.pi_1, "") + multiply(GENERATOR, equation.mu)),
        pi_2=encode_point(decode_point(parsed.pi_2, "") + -GENERATOR),
    )
    assert not accepted(statement, write_proof(shifted))
    again = Equation(statement, shifted, [])
    again.draw(statement.transcript())
    assert again.mu != equation.mu


def test_parts_of_two_accounts_cannot_be_exchanged():
    statement, witnesses = build(lay_out(N, SLOTS, ROWS), [(1000, 5, -1), (2000, 0, 1)])
    parsed = read_proof(prove(statement, witnesses)[0], 2, 1)
    assert not accepted(statement, write_proof(replace(parsed, parts=parsed.parts[::-1])))


def test_one_accounts_surplus_cannot_pay_for_anothers_lack():
    """Rows and digits are joined by powers of δ: errors of two accounts that cancel are still errors."""
    layout = lay_out(N, (TOKEN,), (RowRange(8, ((0, 1),), 0, shortfall=False),))
    statement, witnesses = build(layout, [(5,), (5,)])
    shifted = []
    for witness, change in zip(witnesses, (1, -1), strict=True):
        column = list(witness.digits[0])
        column[0] += change
        shifted.append(Witness(witness.values, (tuple(column),), witness.blinders))
    assert not accepted(statement, prove(statement, shifted, check_witness=False)[0])


def test_a_multiplicity_that_lies_is_refused():
    """A forged digit counted as if it were a byte leaves Σ 1/(α+D) − Σ m/(α+T) unequal to zero."""
    layout = lay_out(N, (TOKEN,), ())
    statement, witnesses = build(layout, [(300,)], check=False)
    column = list(witnesses[0].digits[0])
    column[0], column[1] = 300, 0
    forged = Witness(witnesses[0].values, (tuple(column),), witnesses[0].blinders)

    class Lying(Shard):
        def carry_table(self, counts):
            return super().carry_table([counts[0], counts[1], *counts[2:44], counts[44] + 1, *counts[45:]])

    shard = Lying(layout, basis(N), [forged], random_scalar)
    assert not accepted(statement, prove_shards(statement, [(shard, 1)], check_witness=False)[0])


def test_a_challenge_on_a_forbidden_point_is_refused(monkeypatch):
    transcript = Transcript("crossclear/test/v1")
    monkeypatch.setattr(Transcript, "challenge", lambda self, label: ORDER - 7)
    with pytest.raises(VerificationFailed) as fault:
        after_digits(transcript, [], encode_point(GENERATOR))
    assert fault.value.code is ProofCode.BAD_CHALLENGE


@pytest.mark.parametrize(
    ("accounts", "sigmas"), [((1, 1), (0, 0)), ((2, 1), (0, 0)), ((1,), (0, 0)), ((1, 2), (0,)), ((1, 2), (0, -1))]
)
def test_a_malformed_account_list_is_refused(accounts, sigmas):
    statement, _ = build(lay_out(N, SLOTS, ROWS), [(1000, 5, -1), (1, 1, 0)])
    with pytest.raises(VerificationFailed) as fault:
        replace(statement, accounts=accounts, shortfalls=sigmas).transcript()
    assert fault.value.code is ProofCode.BAD_STATEMENT


@pytest.mark.parametrize(
    ("slots", "rows"),
    [
        ((), ()),
        ((SlotRange(6, 0),), ()),
        ((SlotRange(7, 2**56),), ()),
        ((FREE,), ()),
        ((FREE, FREE), (RowRange(0, ((0, 1), (1, 1)), 0, shortfall=False),)),
        ((FREE, TOKEN), (RowRange(0, ((0, 2), (1, 1)), 0, shortfall=False),)),
        ((FREE, TOKEN), (RowRange(0, ((0, 1), (1, 1)), 0, shortfall=True),)),
        ((TOKEN,), (RowRange(8, ((0, COEFFICIENT_MAX),), 0, shortfall=False),)),
        ((TOKEN,), (RowRange(8, ((0, 0),), 0, shortfall=False),)),
        ((TOKEN,), (RowRange(8, ((1, 1),), 0, shortfall=False),)),
        ((TOKEN, TOKEN), (RowRange(8, ((1, 1), (0, 1)), 0, shortfall=False),)),
        ((TOKEN,), (RowRange(8, ((0, 1), (0, 1)), 0, shortfall=False),)),
        ((TOKEN,), (RowRange(8, ((0, 1),), 2**63, shortfall=False),)),
        ((TOKEN,), (RowRange(3, ((0, 1),), 0, shortfall=False),)),
    ],
)
def test_a_layout_outside_the_proofs_bounds_is_refused(slots, rows):
    with pytest.raises(VerificationFailed) as fault:
        lay_out(N, slots, rows)
    assert fault.value.code is ProofCode.BAD_LAYOUT


def test_blinders_differ_by_everything_they_are_bound_to():
    seed, context = bytes(32), CommitmentContext(bytes(32), 1, 1, bytes(32), 0)
    variants = [
        replace(context, network=bytes(31) + b"\1"),
        replace(context, account=2),
        replace(context, epoch=2),
        replace(context, state_root=bytes(31) + b"\1"),
        replace(context, column=1),
    ]
    drawn = [blinders(seed, item) for item in (context, *variants)] + [blinders(b"\1" * 32, context)]
    assert len({value for pair in drawn for value in pair}) == 2 * len(drawn)
    assert blinders(seed, context) == drawn[0]
    with pytest.raises(LocalFault):
        blinders(bytes(31), context)


def test_a_commitment_hides_equal_holdings_of_two_accounts():
    first, second = (
        commit_holdings(basis(N), (1, 2, 3), bytes(32), CommitmentContext(bytes(32), account, 1, bytes(32)))
        for account in (1, 2)
    )
    assert first != second


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
