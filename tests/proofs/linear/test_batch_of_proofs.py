"""Proofs of different provers, verified together: the same verdicts as alone, whatever the bad ones agreed upon."""

from dataclasses import replace

import pytest

from proofs.algebra.field import ORDER
from proofs.algebra.group import GENERATOR, decode_point, encode_point, multiply
from proofs.algebra.transcript import Transcript
from proofs.errors import ProofCode
from proofs.linear import verifier
from proofs.linear.layout import lay_out
from proofs.linear.messages import read_proof, write_proof
from proofs.linear.prover import prove
from proofs.linear.verifier import verify_batch
from tests.kit.proofs.linear_statements import SLOTS, committed, margin_rows, refusal


def claim(account, size=256):
    """A standalone proof of its own prover, layout and context."""
    layout = lay_out(size, SLOTS, margin_rows(-900, constant=10))
    held = (1000 + account, 5, -account)
    statement, witnesses = committed(layout, [held], context=bytes([account]) * 32, first=account)
    return statement, prove(statement, witnesses)[0]


@pytest.fixture(scope="module")
def claims():
    return [claim(account, 512 if account == 2 else 256) for account in range(5)]


def with_proof(claim, **changes):
    statement, data = claim
    return statement, write_proof(replace(read_proof(data, 1, 1), **changes))


def shifted(claim, by):
    """π_1 moved by a multiple of the generator."""
    pi_1 = decode_point(read_proof(claim[1], 1, 1).pi_1, "test")
    return with_proof(claim, pi_1=encode_point(pi_1 + multiply(GENERATOR, by % ORDER)))


def together(claims):
    """Why each is refused in a batch, which is why it is refused alone."""
    codes = [verdict and verdict.code for verdict in verify_batch(claims)]
    assert codes == [refusal(*claim) for claim in claims]
    return codes


def test_good_proofs_of_different_provers_and_layouts_pass_together(claims):
    assert together(claims) == [None] * 5
    assert verify_batch([]) == []
    assert verify_batch(claims[:1]) == [None]


@pytest.mark.parametrize("at", range(5))
def test_one_bad_proof_is_named_and_spoils_no_other(claims, at):
    codes = together([shifted(claim, 1) if index == at else claim for index, claim in enumerate(claims)])
    assert codes == [ProofCode.PROOF_REFUSED if index == at else None for index in range(5)]


def test_what_does_not_parse_is_refused_alone(claims):
    short, foreign = (claims[1][0], claims[1][1][:-1]), (claims[3][0], claims[4][1])
    mixed = [claims[0], short, claims[2], foreign, with_proof(claims[4], c_m=bytes(48))]
    assert together(mixed) == [None, ProofCode.BAD_LENGTH, None, ProofCode.PROOF_REFUSED, ProofCode.BAD_POINT]


def test_errors_that_cancel_in_a_sum_do_not_cancel_here(claims, monkeypatch):
    """π_1 + E moves the equation by e(E, [τ − ζ]₂); ζ is drawn before π_1, so two copies share it, and E and −E cancel.

    The control: with weights that the provers know (all one) the pair passes, though each is bad.
    """
    pair = [shifted(claims[0], by) for by in (7, -7)]
    assert together(pair) == [ProofCode.PROOF_REFUSED] * 2
    real = Transcript.challenge
    monkeypatch.setattr(Transcript, "challenge", lambda self, label: 1 if label == "weight" else real(self, label))
    assert verify_batch(pair) == [None, None]


def test_the_weights_depend_on_every_proof(claims, monkeypatch):
    drawn, real = [], verifier._bad

    def noting(found, weights):
        drawn.append(tuple(weights))
        return real(found, weights)

    monkeypatch.setattr(verifier, "_bad", noting)
    verify_batch(claims)
    verify_batch([*claims[:4], claim(4)])
    assert drawn[0][0] == drawn[1][0] == 1
    assert all(first != second for first, second in zip(drawn[0][1:], drawn[1][1:], strict=True))
