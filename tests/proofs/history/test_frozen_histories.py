"""Frozen histories: both verifiers find the same in them, with every later version."""

import hashlib
import json

import pytest

from tests.kit.proofs.counted import SUMS
from tests.kit.proofs.history_vectors import CODES, FOLDER, HISTORIES, LIST, files, found_in
from tests.vectors.proofs.runner.transition import judged

VECTORS = json.loads((FOLDER / LIST).read_text("utf-8"))["vectors"]


def test_the_frozen_histories_are_the_ones_that_were_frozen():
    sums = dict(reversed(line.split("  ")) for line in (FOLDER / SUMS).read_text().splitlines())
    found = {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in FOLDER.iterdir() if each.name != SUMS}
    assert found == sums


def test_the_prover_still_writes_each_frozen_epoch():
    assert files() == {path.name: path.read_bytes() for path in FOLDER.glob("*.ccp")}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_both_verifiers_find_in_each_history_what_was_frozen(vector):
    """The second is written from the specification (`tests/vectors/proofs/runner`)."""
    frozen = (vector["codes"], vector["movements"])
    assert found_in(tuple(vector["packages"])) == frozen
    assert judged([(FOLDER / f"{name}.ccp").read_bytes() for name in vector["packages"]]) == frozen


def test_each_code_of_the_transition_refuses_a_history():
    assert {code for vector in VECTORS for code in vector["codes"]} == set(CODES)
    assert [vector["name"] for vector in VECTORS] == list(HISTORIES)
