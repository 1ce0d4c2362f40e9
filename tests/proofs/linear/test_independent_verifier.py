"""The fast verifier and a slow one, written from the notes by itself, agree on good and bad proofs alike."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs.algebra.commitment import commit
from proofs.algebra.domain import domain_of
from proofs.algebra.field import ORDER, inverse
from proofs.algebra.group import encode_point
from proofs.algebra.srs import CEREMONY_SHA256, TAU_G2, basis
from proofs.errors import VerificationFailed
from proofs.linear.layout import RowRange, SlotRange, lay_out
from proofs.linear.messages import TAIL_BYTES, part_bytes
from proofs.linear.prover import prove, random_scalar
from proofs.linear.statement import LinearStatement, Witness, make_witness
from proofs.linear.verifier import verify
from tests.kit.proofs.slow_script import P, packed
from tests.kit.proofs.slow_verifier import CEREMONY, TAU_2, lagrange, plain_statement, slow_verify, why_refused

N = 256
LAYOUT = lay_out(
    N,
    (SlotRange(8, 2**63), SlotRange(7, 0), SlotRange(5, 2**39)) * 5,
    (
        RowRange(8, ((0, 1), (1, 3), (2, -900), (14, 7)), 10, shortfall=True),
        *(RowRange(8, ((0, 1), (1, 3), (2, 700 + s)), 10, shortfall=False) for s in range(20)),
    ),
)
SMALL = lay_out(
    N,
    (SlotRange(8, 2**63), SlotRange(7, 0), SlotRange(0, 0), SlotRange(5, 2**39)),
    (
        RowRange(8, ((0, 1), (1, 3), (2, -900)), 10, shortfall=True),
        RowRange(0, ((1, -1), (2, 1), (3, 1)), 0, shortfall=False),
        RowRange(5, ((3, 2),), -4, shortfall=False),
    ),
)


def fast_verify(statement: LinearStatement, proof: bytes) -> bool:
    try:
        verify(statement, proof)
    except VerificationFailed:
        return False
    return True


def agreed(statement: LinearStatement, proof: bytes) -> bool:
    """What both say; fails when they disagree."""
    found = fast_verify(statement, proof)
    assert slow_verify(plain_statement(statement), proof) is found
    return found


def case(
    layout, vectors, sigmas, *, check=True, change: Callable[[list[Witness]], list[Witness]] = lambda found: found
):
    """A statement about some accounts and its proof, by a prover that may cheat."""
    witnesses = change(
        [
            make_witness(layout, vector, sigma, (random_scalar(), random_scalar()), check=check)
            for vector, sigma in zip(vectors, sigmas, strict=True)
        ]
    )
    commitments = tuple(encode_point(commit(basis(N), w.values, w.blinders)) for w in witnesses)
    accounts = tuple(range(3, 3 + len(vectors)))
    statement = LinearStatement(layout, bytes(32), accounts, tuple(sigmas), commitments)
    return statement, prove(statement, witnesses, check_witness=check)[0]


@pytest.fixture(scope="module")
def honest_case():
    assert LAYOUT.columns == 2
    return case(LAYOUT, ((1000, 5, -1) * 5, (-40, 20, 0) + (0, 0, 0) * 4), (0, 40))


@pytest.fixture(scope="module")
def single():
    return case(SMALL, ((9000, 9, 7, 2),), (0,))


def test_the_slow_verifier_stands_on_the_same_reference_string():
    assert (CEREMONY, TAU_2, P) == (CEREMONY_SHA256, TAU_G2, ORDER)


@given(at=st.integers(2, ORDER - 2), i=st.integers(0, N - 1))
def test_lagrange_values_of_both_are_the_products_of_their_definition(at, i):
    roots = domain_of(N).roots
    top = bottom = 1
    for j, there in enumerate(roots):
        if j != i:
            top, bottom = top * (at - there) % P, bottom * (roots[i] - there) % P
    expected = top * pow(bottom, -1, P) % P
    assert lagrange(N, i, at) == domain_of(N).lagrange(at, N)[i] % P == expected


@given(
    st.recursive(
        st.integers(-(2**63), 2**64 - 1) | st.booleans() | st.binary(max_size=300) | st.text(max_size=40),
        lambda inner: st.lists(inner, max_size=20).map(tuple),
    )
)
def test_the_slow_verifier_packs_as_the_codec_does(value):
    assert packed(value) == msgspec.msgpack.encode(value)


def test_both_verifiers_accept_an_honest_proof(honest_case, single):
    assert agreed(*honest_case)
    assert agreed(*single)


def test_both_verifiers_refuse_another_statement(honest_case):
    statement, proof = honest_case
    assert not agreed(replace(statement, shortfalls=(0, 39)), proof)
    assert not agreed(replace(statement, context=bytes(31) + b"\1"), proof)


@pytest.mark.parametrize(
    "vector",
    [(0, 0, 0, 0), (9000, -1, -3, 2), (9000, inverse(3), 0, 2), (9000, 9, 8, 2), (9000, 9, 8, 1), (9000, 2**56, 0, 2)],
)
def test_both_verifiers_refuse_a_cheating_prover(vector):
    assert not agreed(*case(SMALL, ((9000, 9, 7, 2), vector), (0, 0), check=False))


@pytest.mark.parametrize("digit", [256, ORDER - 1])
def test_both_verifiers_refuse_a_forged_digit(digit):
    def forge(found: list[Witness]) -> list[Witness]:
        column = list(found[0].digits[0])
        column[8], column[9] = digit, (column[9] - (digit - column[8]) * inverse(256)) % ORDER
        return [Witness(found[0].values, (tuple(column),), found[0].blinders)]

    assert not agreed(*case(SMALL, ((9000, 9, 7, 2),), (0,), check=False, change=forge))


def test_both_verifiers_refuse_a_change_of_any_item(single):
    """Not accepted, and the slow one tells bytes that are no points or scalars from an equation that fails."""
    statement, proof = single
    seen = set()
    starts = [0, 48, 96, 128, 176, 224, 272, 320, 352, 400]
    assert len(proof) == part_bytes(1) + TAIL_BYTES == 448
    for start in starts:
        other = bytearray(proof)
        other[start + 20] ^= 1
        assert not fast_verify(statement, bytes(other))
        seen.add(why_refused(plain_statement(statement), bytes(other)))
    assert seen <= {"point", "scalar", "pairing equation"}
    assert "pairing equation" in seen
    moved = proof[:48] + proof[:48] + proof[96:]
    assert not agreed(statement, moved)


def test_both_verifiers_refuse_infinity_wrong_lengths_and_wide_scalars(single):
    statement, proof = single
    infinity = b"\xc0" + bytes(47)
    assert not agreed(statement, infinity + proof[48:])
    assert not agreed(statement, b"\xc0" + proof[1:])
    assert not agreed(statement, proof[:-1])
    assert not agreed(statement, proof + b"\0")
    wide = (int.from_bytes(proof[96:128], "big") + ORDER).to_bytes(32, "big")
    assert not agreed(statement, proof[:96] + wide + proof[128:])


def test_both_verifiers_refuse_a_commitment_outside_the_subgroup(single):
    # x = 4 lies on the curve y² = x³ + 4 but not in the subgroup of order p.
    statement, proof = single
    outside = bytes([0x80]) + bytes(46) + b"\4"
    assert not agreed(replace(statement, commitments=(outside,)), proof)
