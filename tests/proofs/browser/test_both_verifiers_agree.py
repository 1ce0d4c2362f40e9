"""A sample of the differential fuzz: both verifiers refuse the same mutants with the same checks."""

import random

import pytest

from tests.kit.proofs.both_verifiers import Tally, first_answer, request, second_answer
from tests.kit.proofs.mutants import KINDS, drawn
from tests.kit.proofs.second_verifier import SecondVerifier


@pytest.mark.parametrize("kind", KINDS)
def test_both_verifiers_agree_on_mutants(second: SecondVerifier, kind: str) -> None:
    tally = Tally()
    for case in range(12):
        mutant = drawn(KINDS[kind], random.Random(f"sample/{case}"))
        tally.add(kind, mutant, first_answer(mutant), second_answer(second.ask(**request(mutant))))
    assert tally.disagreements == []
    assert sum(tally.cases.values()) == 12
