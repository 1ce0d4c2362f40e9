"""Points whose subgroup is checked together are refused where each by itself would be, and the bad one is named."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.algebra import many_points
from proofs.algebra.group import GENERATOR, Point, decode_point, encode_point, multiply
from proofs.algebra.many_points import SUBSETS, decode_points
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear import verifier
from proofs.linear.layout import RowRange, lay_out
from proofs.linear.messages import read_proof, write_proof
from proofs.linear.prover import prove
from proofs.linear.verifier import verify
from tests.kit.proofs.bad_points import ENCODINGS, torsion
from tests.kit.proofs.linear_statements import CASH, N, committed, refusal

GOOD = [encode_point(multiply(GENERATOR, 5 ** (i + 1))) for i in range(24)]
ORDERS = (3, 11, 10_177)
"""Small primes in the cofactor."""


@pytest.fixture(autouse=True)
def _any_number_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_points, "TOGETHER_MIN", 1)
    monkeypatch.setattr(verifier, "TOGETHER_MIN", 1)


def bent(data: bytes, part: Point) -> bytes:
    """The encoding of a point with a part outside of the subgroup."""
    return encode_point(decode_point(data, "") + part)


def test_many_points_are_those_that_each_gives_by_itself() -> None:
    assert decode_points(GOOD, ("x",)) == [decode_point(each, "x") for each in GOOD]
    assert decode_points([], ("x",)) == []


@pytest.mark.parametrize("at", [0, 11, 23])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_bad_encoding_among_many_is_refused_by_its_name(encoding: str, at: int) -> None:
    data = [*GOOD[:at], ENCODINGS[encoding], *GOOD[at + 1 :]]
    with pytest.raises(VerificationFailed) as caught:
        decode_points(data, ("C_f", "C_D"))
    assert (caught.value.code, caught.value.at) == (ProofCode.BAD_POINT, ("C_f", "C_D")[at % 2])
    assert caught.value.values["bytes"] == ENCODINGS[encoding]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("parts", [(1,), (1, -1), (1, 1, -2), (1, 1, 1), (1, -1) * 12], ids=str)
def test_parts_outside_that_cancel_in_the_sum_of_all_are_refused(order: int, parts: tuple[int, ...]) -> None:
    outside = torsion(order)
    lies = [bent(each, multiply(outside, part % order)) for each, part in zip(GOOD, parts, strict=False)]
    data = [*lies, *GOOD[len(lies) :]]
    assert data != GOOD
    with pytest.raises(VerificationFailed) as caught:
        decode_points(data, ("x",))
    assert caught.value.values["bytes"] == lies[0]


@settings(max_examples=40, deadline=None)
@given(places=st.sets(st.integers(0, 23), min_size=1), order=st.sampled_from(ORDERS))
def test_any_points_outside_are_refused(places: set[int], order: int) -> None:
    outside = torsion(order)
    data = [bent(each, outside) if i in places else each for i, each in enumerate(GOOD)]
    with pytest.raises(VerificationFailed) as caught:
        decode_points(data, ("x",))
    assert caught.value.values["bytes"] == data[min(places)]


def test_subsets_known_beforehand_would_let_points_outside_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two points in the same subsets, with opposite parts: why the subsets follow from all encodings."""
    outside = torsion(11)
    data = [bent(GOOD[0], outside), bent(GOOD[1], -outside), *GOOD[2:]]
    real = many_points._sums_of_subsets

    def as_if(_: list[bytes], points: list[Point]) -> list[Point]:
        return [points[0] + points[1], *real(GOOD, points[2:])]

    with monkeypatch.context() as weaker:
        weaker.setattr(many_points, "_sums_of_subsets", as_if)
        assert len(decode_points(data, ("x",))) == len(data)
    with pytest.raises(VerificationFailed):
        decode_points(data, ("x",))


def test_there_are_as_many_subsets_as_stated_and_every_encoding_changes_them() -> None:
    points = [decode_point(each, "x") for each in GOOD]
    sums = many_points._sums_of_subsets(GOOD, points)
    assert len(sums) == SUBSETS == 128
    assert len(set(map(encode_point, sums))) == SUBSETS
    for at in (0, 23):
        other = [*GOOD[:at], GOOD[at][:-1] + b"\0", *GOOD[at + 1 :]]
        assert many_points._sums_of_subsets(other, points) != sums


def test_a_joint_proof_is_verified_with_its_points_together_and_a_bent_one_refused() -> None:
    layout = lay_out(N, (CASH,), (RowRange(8, ((0, 1),), 0, shortfall=True),))
    statement, witnesses = committed(layout, [(k,) for k in range(4)])
    proof, _ = prove(statement, witnesses)
    verify(statement, proof)
    joint = read_proof(proof, 4, 1)
    for name in ("c_d", "c_f"):
        (point,) = getattr(joint.parts[2], name)
        lie = replace(joint.parts[2], **{name: (bent(point, torsion(3)),)})
        parts = (*joint.parts[:2], lie, joint.parts[3])
        assert refusal(statement, write_proof(replace(joint, parts=parts))) is ProofCode.BAD_POINT
    commitments = (bent(statement.commitments[0], torsion(3)), *statement.commitments[1:])
    assert refusal(replace(statement, commitments=commitments), proof) is ProofCode.BAD_POINT
