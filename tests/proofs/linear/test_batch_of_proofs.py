"""Proofs of different provers, verified together: the same verdicts as alone, whatever the bad ones agreed upon."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from proofs.algebra.commitment import commit
from proofs.algebra.field import ORDER
from proofs.algebra.group import GENERATOR, decode_point, encode_point, multiply
from proofs.algebra.srs import basis
from proofs.algebra.transcript import Transcript
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear import verifier
from proofs.linear.layout import RowRange, SlotRange, lay_out
from proofs.linear.messages import read_proof, write_proof
from proofs.linear.prover import prove, random_scalar
from proofs.linear.statement import LinearStatement, make_witness
from proofs.linear.verifier import verify, verify_batch

SLOTS = (SlotRange(8, 2**63), SlotRange(7, 0), SlotRange(5, 2**39))
ROWS = (RowRange(8, ((0, 1), (1, 3), (2, -900)), 10, shortfall=True),)
Claim = tuple[LinearStatement, bytes]


def claim(account: int, size: int = 256) -> Claim:
    """A standalone proof of its own prover, layout and context."""
    layout, points = lay_out(size, SLOTS, ROWS), basis(size)
    witness = make_witness(layout, (1000 + account, 5, -account), 0, (random_scalar(), random_scalar()))
    commitment = encode_point(commit(points, witness.values, witness.blinders))
    statement = LinearStatement(layout, bytes([account]) * 32, (account,), (0,), (commitment,))
    return statement, prove(statement, [witness])[0]


@pytest.fixture(scope="module")
def claims() -> list[Claim]:
    return [claim(account, 512 if account == 2 else 256) for account in range(5)]


def with_proof(found: Claim, **changes: object) -> Claim:
    statement, data = found
    return statement, write_proof(replace(read_proof(data, 1, 1), **changes))  # type: ignore[arg-type]


def shifted(point: bytes, by: int) -> bytes:
    return encode_point(decode_point(point, "test") + multiply(GENERATOR, by % ORDER))


def bad(found: list[Claim]) -> list[int]:
    return [index for index, verdict in enumerate(verify_batch(found)) if verdict is not None]


def alone(found: list[Claim]) -> list[int]:
    refused = []
    for index, (statement, data) in enumerate(found):
        try:
            verify(statement, data)
        except VerificationFailed:
            refused.append(index)
    return refused


def test_good_proofs_of_different_provers_and_layouts_pass_together(claims: list[Claim]) -> None:
    assert verify_batch(claims) == [None] * 5
    assert verify_batch([]) == []
    assert verify_batch(claims[:1]) == [None]


@pytest.mark.parametrize("at", range(5))
def test_one_bad_proof_is_named_and_spoils_no_other(claims: list[Claim], at: int) -> None:
    proof = read_proof(claims[at][1], 1, 1)
    wrong = [*claims[:at], with_proof(claims[at], pi_1=shifted(proof.pi_1, 1)), *claims[at + 1 :]]
    assert bad(wrong) == alone(wrong) == [at]
    assert verify_batch(wrong)[at].code is ProofCode.PROOF_REFUSED  # type: ignore[union-attr]


def test_what_does_not_parse_is_refused_alone(claims: list[Claim]) -> None:
    short, foreign = (claims[1][0], claims[1][1][:-1]), (claims[3][0], claims[4][1])
    mixed = [claims[0], short, claims[2], foreign, with_proof(claims[4], c_m=bytes(48))]
    assert bad(mixed) == alone(mixed) == [1, 3, 4]
    verdicts = verify_batch(mixed)
    assert [verdict and verdict.code for verdict in verdicts] == [
        None,
        ProofCode.BAD_LENGTH,
        None,
        ProofCode.PROOF_REFUSED,
        ProofCode.BAD_POINT,
    ]


def cancelling(twin: Claim) -> list[Claim]:
    """Two bad copies of one proof whose errors cancel in a plain sum.

    π_1 + E moves the equation by e(E, [τ − ζ]₂); ζ is drawn before π_1, so both copies share it, and E and −E cancel.
    """
    pi_1 = read_proof(twin[1], 1, 1).pi_1
    return [with_proof(twin, pi_1=shifted(pi_1, 7)), with_proof(twin, pi_1=shifted(pi_1, -7))]


def test_errors_that_cancel_in_a_sum_do_not_cancel_here(claims: list[Claim], monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with weights that the provers know (all one) the pair passes, though each is bad."""
    pair = cancelling(claims[0])
    assert alone(pair) == [0, 1]
    assert bad(pair) == [0, 1]
    real = Transcript.challenge
    monkeypatch.setattr(Transcript, "challenge", lambda self, label: 1 if label == "weight" else real(self, label))
    assert bad(pair) == []


def test_the_weights_depend_on_every_proof(claims: list[Claim], monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[int, ...]] = []
    real = verifier._bad

    def noting(found: Sequence[tuple[int, verifier._Collected]], weights: Sequence[int]) -> list[int]:
        drawn.append(tuple(weights))
        return real(found, weights)

    monkeypatch.setattr(verifier, "_bad", noting)
    verify_batch(claims)
    verify_batch([*claims[:4], claim(4)])
    assert drawn[0][0] == drawn[1][0] == 1
    assert all(first != second for first, second in zip(drawn[0][1:], drawn[1][1:], strict=True))
