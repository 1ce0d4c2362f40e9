"""The fast verifier and a slow one, written from the notes by itself, agree on good, bad, cheating and forged proofs.

Rule: what the notes' transcript absorbs is what saves the notes' equation: without one item the slow verifier believes
the same forgery that the fast one does. It opens at ζ and ωζ one by one, so it never needs μ: forgeries that play
π_1, π_2 or S̄ against each other are lies to it even then.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs.algebra.domain import domain_of
from proofs.algebra.field import ORDER, SCALAR_BYTES, inverse
from proofs.algebra.group import decode_point, encode_point
from proofs.algebra.srs import CEREMONY_SHA256, TAU_G2
from proofs.linear.layout import RowRange, lay_out
from proofs.linear.messages import TAIL_BYTES, part_bytes, read_proof
from proofs.linear.prover import prove
from proofs.linear.statement import LinearStatement, Witness
from proofs.linear.verifier import verify
from tests.kit.complete import COMPLETE
from tests.kit.proofs import bad_ranges
from tests.kit.proofs.bad_points import ENCODINGS, POINTS, torsion, with_point
from tests.kit.proofs.bad_ranges import GOOD, LIES, WAYS
from tests.kit.proofs.cheating import CheatingProver, believed, bytes_of, heaps_of, proven, secret, state
from tests.kit.proofs.forgers.linear import Forger, Forgery
from tests.kit.proofs.forgers.weakened import leaving_out
from tests.kit.proofs.linear_statements import CASH, FREE, POSITION, SLOTS, TOKEN, N, committed
from tests.kit.proofs.omissions import LAYOUT, RUINED
from tests.kit.proofs.slow_script import P, Script, packed
from tests.kit.proofs.slow_verifier import (
    CEREMONY,
    TAU_2,
    lagrange,
    plain_statement,
    slow_verify,
    state_after,
    why_refused,
)

# Each case takes a second or two: the ordinary run takes a sample, with COMPLETE all are taken.
LARGE = lay_out(
    N,
    SLOTS * 5,
    (
        RowRange(8, ((0, 1), (1, 3), (2, -900), (14, 7)), 10, shortfall=True),
        *(RowRange(8, ((0, 1), (1, 3), (2, 700 + s)), 10, shortfall=False) for s in range(20)),
    ),
)
SMALL = lay_out(
    N,
    (CASH, TOKEN, FREE, POSITION),
    (
        RowRange(8, ((0, 1), (1, 3), (2, -900)), 10, shortfall=True),
        RowRange(0, ((1, -1), (2, 1), (3, 1)), 0, shortfall=False),
        RowRange(5, ((3, 2),), -4, shortfall=False),
    ),
)
RIGHT = (9000, 9, 7, 2)


def agreed(statement: LinearStatement, proof: bytes) -> bool:
    """What both say; fails when they disagree."""
    found = believed(statement, proof)
    assert slow_verify(plain_statement(statement), proof) is found
    return found


def sample(cases: list, step: int) -> list:
    return cases if COMPLETE else cases[3::step]


@pytest.fixture(scope="module")
def honest_case() -> Forgery:
    assert LARGE.columns == 2
    statement, witnesses = committed(LARGE, ((1000, 5, -1) * 5, (-40, 20, 0) + (0, 0, 0) * 4), (0, 40), first=3)
    return statement, prove(statement, witnesses)[0]


@pytest.fixture(scope="module")
def single() -> Forgery:
    statement, witnesses = committed(SMALL, (RIGHT,), first=3)
    return statement, prove(statement, witnesses)[0]


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
    statement, witnesses = committed(SMALL, (RIGHT, vector), check=False)
    assert not agreed(statement, prove(statement, witnesses, check_witness=False)[0])


@pytest.mark.parametrize("digit", [256, ORDER - 1])
def test_both_verifiers_refuse_a_forged_digit(digit):
    statement, (witness,) = committed(SMALL, (RIGHT,))
    column = list(witness.digits[0])
    column[8], column[9] = digit, (column[9] - (digit - column[8]) * inverse(256)) % ORDER
    forged = Witness(witness.values, (tuple(column),), witness.blinders)
    assert not agreed(statement, prove(statement, [forged], check_witness=False)[0])


def test_both_verifiers_refuse_a_change_of_any_item(single):
    """Not accepted, and the slow one tells bytes that are no points or scalars from an equation that fails."""
    statement, proof = single
    seen = set()
    assert len(proof) == part_bytes(1) + TAIL_BYTES == 448
    for start in (0, 48, 96, 128, 176, 224, 272, 320, 352, 400):
        other = bytearray(proof)
        other[start + 20] ^= 1
        assert not believed(statement, bytes(other))
        seen.add(why_refused(plain_statement(statement), bytes(other)))
    assert {"pairing equation"} <= seen <= {"point", "scalar", "pairing equation"}
    assert not agreed(statement, proof[:48] + proof[:48] + proof[96:])


def test_both_verifiers_refuse_infinity_wrong_lengths_and_wide_scalars(single):
    statement, proof = single
    wide = (int.from_bytes(proof[96:128], "big") + ORDER).to_bytes(32, "big")
    for other in (
        b"\xc0" + bytes(47) + proof[48:],
        b"\xc0" + proof[1:],
        proof[:-1],
        proof + b"\0",
        proof[:96] + wide + proof[128:],
    ):
        assert not agreed(statement, other)


def test_both_verifiers_refuse_a_commitment_outside_the_subgroup(single):
    # x = 4 lies on the curve y² = x³ + 4 but not in the subgroup of order p.
    statement, proof = single
    assert not agreed(replace(statement, commitments=(bytes([0x80]) + bytes(46) + b"\4",)), proof)


# A prover that cheats.


@pytest.mark.parametrize("way", WAYS if COMPLETE else WAYS[:2])
def test_both_believe_a_prover_that_has_nothing_to_hide(way):
    secrets = [secret(bad_ranges.LAYOUT, GOOD, digits=digits) for digits in (bytes_of, heaps_of)]
    assert agreed(*proven(bad_ranges.LAYOUT, secrets, way))


@pytest.mark.parametrize(("lie", "way"), sample(sorted(product(LIES, range(len(WAYS)))), 13))
def test_neither_believes_a_lie_however_it_is_told(lie, way):
    own = secret(bad_ranges.LAYOUT, LIES[lie], digits=(bytes_of, heaps_of)[way % 2])
    assert not agreed(*proven(bad_ranges.LAYOUT, [own], WAYS[way]))


@pytest.mark.parametrize(("name", "what"), sample(sorted(product(POINTS, ENCODINGS)), 17))
def test_neither_takes_an_encoding_that_is_none(name, what):
    statement, proof = proven(bad_ranges.LAYOUT, [secret(bad_ranges.LAYOUT, GOOD)])
    assert not agreed(statement, with_point(proof, name, ENCODINGS[what]))


@pytest.mark.parametrize("order", [3, 11] if COMPLETE else [3])
def test_neither_takes_a_commitment_beside_the_subgroup(order):
    own = secret(bad_ranges.LAYOUT, GOOD)
    plain = state(bad_ranges.LAYOUT, [own])
    bent = encode_point(decode_point(plain.commitments[0], "") + torsion(order))
    statement = replace(plain, commitments=(bent,))
    assert not agreed(statement, CheatingProver(statement, [own]).prove())


def test_neither_takes_a_scalar_that_is_not_reduced():
    statement, proof = proven(bad_ranges.LAYOUT, [secret(bad_ranges.LAYOUT, GOOD)])
    value = read_proof(proof, 1, 1).s_bar
    second = proof.replace(value.to_bytes(SCALAR_BYTES, "big"), (value + ORDER).to_bytes(SCALAR_BYTES, "big"))
    assert second != proof
    assert not agreed(statement, second)


# Forgeries that pass where one item is left out.

BELIEVED = ("layout", "C_D", "D(zeta)", "C_W", "C_m", "C_f", "C_S", "C_t1", "C_t2")
PLAYED = ("pi_2", "pi_1", "S(omega zeta)")


@contextmanager
def forgetting(item: str) -> Iterator[None]:
    """A slow verifier without this item."""
    real = Script.put

    def put(self: Script, label: str, kind: str, data: bytes) -> None:
        if label != item or kind == "challenge":
            real(self, label, kind, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Script, "put", put)
        state_after.cache_clear()  # what is remembered was judged with the item
        yield
    state_after.cache_clear()


def forged(item: str) -> Forgery:
    """Believed by the fast verifier without this item."""
    with leaving_out(item):
        statement, proof = Forger(LAYOUT, [RUINED]).forge(item)
        verify(statement, proof)
    return statement, proof


@pytest.mark.parametrize("item", BELIEVED if COMPLETE else BELIEVED[:3])
def test_without_one_item_the_slow_verifier_believes_the_same_forgery(item: str) -> None:
    statement, proof = forged(item)
    with forgetting(item):
        assert why_refused(plain_statement(statement), proof) == ""
    assert why_refused(plain_statement(statement), proof) == "pairing equation"


@pytest.mark.parametrize("item", PLAYED if COMPLETE else PLAYED[:1])
def test_openings_that_are_checked_one_by_one_cannot_be_played_against_each_other(item: str) -> None:
    statement, proof = forged(item)
    with forgetting(item):
        assert why_refused(plain_statement(statement), proof) == "pairing equation"
