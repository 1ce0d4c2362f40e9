"""A node's signature holds by one equation, without a cofactor, in every verifier."""

import json

import pytest

from clearing.base import ed25519 as ours
from tests.kit.proofs.counted import VECTORS
from tests.kit.proofs.ed25519_cases import cases
from tests.vectors.proofs.runner import ed25519 as specified

FROZEN = json.loads((VECTORS.parent / "bad" / "ed25519.json").read_text())["signatures"]


@pytest.mark.parametrize("case", FROZEN, ids=lambda case: case["says"])
def test_both_verifiers_judge_a_signature_as_the_vector_says(case):
    """Libraries differ: with a cofactor, more signatures hold. Another libsodium must not change this unnoticed."""
    key, message, signature = (bytes.fromhex(case[name]) for name in ("key", "message", "signature"))
    assert ours.verify(key, message, signature) == specified.verify(key, message, signature) == (case["holds"] == "yes")


def test_the_vectors_are_those_that_are_made_and_both_answers_are_among_them():
    assert list(cases()) == FROZEN
    assert {case["holds"] for case in FROZEN} == {"yes", "no"}
    assert len(FROZEN) > 25


def test_each_key_signs_for_both():
    for number in range(3):
        secret, message = bytes([number + 1]) * 32, bytes([number])
        key, signature = ours.public_key(secret), ours.sign(secret, message)
        assert specified.verify(key, message, signature)
        assert not specified.verify(key, message + b"\0", signature)
        assert not specified.verify(key, message, bytes([signature[0] ^ 1]) + signature[1:])
