"""The search finds a disagreement that is planted: a verifier that leaves out one step of a kind of file."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from proofs.onchain import file as onchain_file
from proofs.verify import standalone
from tests.kit.proofs import file_answers
from tests.kit.proofs.both_verifiers import Tally, first_answer, request, second_answer
from tests.kit.proofs.mutants import OF_FILES, drawn
from tests.kit.proofs.second_verifier import SecondVerifier

CASES = 120


def without_the_equation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(standalone, "verify_batch", lambda claims: [None for _ in claims])


def without_the_height(patch: pytest.MonkeyPatch) -> None:
    contradiction = file_answers.accuse.__globals__["_contradiction"]

    def blind(answer: Any, package: Any) -> str:
        found: str = contradiction(answer, package)
        return "" if found.startswith("the snapshot") else found

    patch.setitem(file_answers.accuse.__globals__, "_contradiction", blind)


def without_the_order_of_shares(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(onchain_file, "sorted", lambda items, **key: list(items), raising=False)
    patch.setattr(onchain_file, "set", tuple, raising=False)


def without_the_presenter(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(file_answers, "check_presentation", lambda *_: None)


PLANTED: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "ccs": without_the_equation,
    "cci": without_the_height,
    "cco": without_the_order_of_shares,
    "cca": without_the_presenter,
}


def searched(second: SecondVerifier, kind: str, cases: int) -> Tally:
    tally = Tally()
    for case in range(cases):
        mutant = drawn(OF_FILES[kind], random.Random(f"planted/{case}"))
        tally.add(kind, mutant, first_answer(mutant), second_answer(second.ask(**request(mutant))))
        if tally.disagreements:
            break
    return tally


@pytest.mark.parametrize("kind", OF_FILES)
def test_a_planted_disagreement_is_found(second: SecondVerifier, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTED[kind](monkeypatch)
    assert searched(second, kind, CASES).disagreements
