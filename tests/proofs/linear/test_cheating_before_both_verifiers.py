"""The cheating provers' proofs, shown to the slow verifier too, which was written from the notes alone: one verdict."""

import os
from dataclasses import replace
from itertools import product

import pytest

from proofs.algebra.field import ORDER, SCALAR_BYTES
from proofs.algebra.group import decode_point, encode_point
from proofs.linear.messages import read_proof
from tests.kit.proofs.bad_points import ENCODINGS, POINTS, torsion, with_point
from tests.kit.proofs.bad_ranges import GOOD, LAYOUT, LIES, WAYS
from tests.kit.proofs.cheating import CheatingProver, believed, bytes_of, heaps_of, secret, state
from tests.kit.proofs.slow_verifier import plain_statement, slow_verify

COMPLETE = os.environ.get("CROSSCLEAR_COMPLETE") == "1"
"""Each case takes a second or two: the ordinary run takes a sample."""
CASES = sorted(product(LIES, range(len(WAYS))))
BENT = sorted(product(POINTS, ENCODINGS))


def sample(cases: list, step: int) -> list:
    return cases if COMPLETE else cases[3::step]


@pytest.mark.parametrize("way", WAYS if COMPLETE else WAYS[:2])
def test_both_believe_a_prover_that_has_nothing_to_hide(way):
    secrets = [secret(LAYOUT, GOOD), secret(LAYOUT, GOOD, digits=heaps_of)]
    statement = state(LAYOUT, secrets)
    proof = way(statement, secrets).prove()
    assert believed(statement, proof)
    assert slow_verify(plain_statement(statement), proof)


@pytest.mark.parametrize(("lie", "way"), sample(CASES, 13))
def test_neither_believes_a_lie_however_it_is_told(lie, way):
    own = secret(LAYOUT, LIES[lie], digits=(bytes_of, heaps_of)[way % 2])
    statement = state(LAYOUT, [own])
    proof = WAYS[way](statement, [own]).prove()
    assert not believed(statement, proof)
    assert not slow_verify(plain_statement(statement), proof)


@pytest.mark.parametrize(("name", "what"), sample(BENT, 17))
def test_neither_takes_an_encoding_that_is_none(name, what):
    own = secret(LAYOUT, GOOD)
    statement = state(LAYOUT, [own])
    proof = with_point(CheatingProver(statement, [own]).prove(), name, ENCODINGS[what])
    assert not believed(statement, proof)
    assert not slow_verify(plain_statement(statement), proof)


@pytest.mark.parametrize("order", [3, 11] if COMPLETE else [3])
def test_neither_takes_a_commitment_beside_the_subgroup(order):
    own = secret(LAYOUT, GOOD)
    plain = state(LAYOUT, [own])
    bent = encode_point(decode_point(plain.commitments[0], "") + torsion(order))
    statement = replace(plain, commitments=(bent,))
    proof = CheatingProver(statement, [own]).prove()
    assert not believed(statement, proof)
    assert not slow_verify(plain_statement(statement), proof)


def test_neither_takes_a_scalar_that_is_not_reduced():
    own = secret(LAYOUT, GOOD)
    statement = state(LAYOUT, [own])
    proof = CheatingProver(statement, [own]).prove()
    value = read_proof(proof, 1, 1).s_bar
    second = proof.replace(value.to_bytes(SCALAR_BYTES, "big"), (value + ORDER).to_bytes(SCALAR_BYTES, "big"))
    assert second != proof
    assert not believed(statement, second)
    assert not slow_verify(plain_statement(statement), second)
