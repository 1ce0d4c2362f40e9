"""Faults are made from the text of a source, planted ones are found, and one that changes nothing survives."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.chains import anvil_binary
from tests.mutation.__main__ import SOURCES, mutants_of, sampled, summary
from tests.mutation.compiler import MutantCompiler, sound_artifacts
from tests.mutation.explained import Explained, idle, read_explained
from tests.mutation.killing import FIRST, Verdict
from tests.mutation.operators import Mutant, mutants
from tests.mutation.record import Record
from tests.mutation.workers import Worker, verdicts_on

__all__ = ["anvil_binary"]

SOURCE = """// SPDX-License-Identifier: Apache-2.0
import {Other} from "./Other.sol";

contract Sum {
    bytes32 private constant TAG = keccak256("tag");
    event Added(uint256 a);

    /// Comments stay as they are: 1 < 2.
    function add(uint256 a, uint256 b) external nonReentrant returns (uint256 c) {
        if (a < b) revert Wrong(a);
        (c, a) = (a + b, b);
        total += c;
        _pay(c);
        emit Added(c);
    }
}
"""
MADE = """
    constant: "tag" -> "tagx"
    removed: external nonReentrant -> external
    removed: if (a < b) revert Wrong(a); ->
    boundary: a < b -> a <= b
    negation: a < b -> a >= b
    removed: (c, a) = (a + b, b); ->
    order: (c, a) = (a + b, b); -> (c, a) = (b, a + b);
    arithmetic: a + b -> a - b
    removed: total += c; ->
    order: total += c; _pay(c); -> _pay(c); total += c;
    arithmetic: total += c; -> total -= c;
    removed: _pay(c); ->
    removed: emit Added(c); ->
"""


def test_each_operator_changes_one_place_of_the_code_and_no_comment() -> None:
    made = mutants("Sum.sol", SOURCE)
    wanted = [line.strip() for line in MADE.strip().splitlines()]
    assert Counter(mutant.operator for mutant in made) == Counter(line.partition(":")[0] for line in wanted)
    for mutant, line in zip(made, wanted, strict=True):
        operator, _, change = line.partition(": ")
        before, _, after = change.partition(" ->")
        assert mutant.operator == operator
        assert before in mutant.before
        assert after.strip() in mutant.after
    assert all(mutant.source != SOURCE and "1 < 2" in mutant.source for mutant in made)


def test_a_seed_names_the_same_sample_and_no_more_than_there_are() -> None:
    files = ("Deposits.sol", "Pauses.sol")
    first, again, other = (sampled(files, 5, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert Counter(mutant.file for mutant in first) == {"Deposits.sol": 5, "Pauses.sol": 5}
    assert len(sampled(files, None, 1)) == len(sampled(files, 10_000, 1))


def test_every_source_of_the_vault_has_mutants_and_tests_to_try_first() -> None:
    assert all(mutants_of(file) for file in FIRST)


def test_every_explained_fault_exists_and_has_a_reason() -> None:
    explained = read_explained()
    assert all(len(entry.why) > 20 for entry in explained)
    assert idle(explained, [each for file in FIRST for each in mutants_of(file)]) == []


def test_too_small_a_share_and_an_explained_fault_that_is_found_are_complaints() -> None:
    one, two = (Mutant("A.sol", line, "removed", f"f{line}();", "", "") for line in (1, 2))
    found, missed = Verdict(one, "killed", "test_a.py::test_f"), Verdict(two, "survived")
    assert summary([found], ())[1]
    assert not summary([found, missed], ())[1]
    assert summary([found, missed], (Explained("A.sol", "f2();", "", "does nothing"),))[1]
    lines, is_well = summary([found], (Explained("A.sol", "f1();", "", "does nothing"),))
    assert not is_well
    assert lines[-1] == "explained.toml: A.sol:1 removed: f1(); -> (nothing) is found by test_a.py::test_f"


def test_a_record_keeps_the_last_verdict_on_each_fault(tmp_path: Path) -> None:
    one, two, three = (Mutant("A.sol", line, "removed", f"f{line}();", "", f"contract {line}") for line in (1, 2, 3))
    record = Record(tmp_path / "record")
    found = [Verdict(one, "survived"), Verdict(one, "killed", "test_a.py::test_f"), Verdict(two, "survived")]
    for verdict in found:
        record.add(verdict)
    again = Record(tmp_path / "record")
    assert [again.verdict(each) for each in (one, two, three)] == [found[1], found[2], None]
    assert Record(None).verdict(one) is None


def test_a_process_that_dies_is_an_error_of_its_fault() -> None:
    fault = Mutant("Deposits.sol", 1, "removed", "f();", "", "")
    (verdict,) = verdicts_on([fault], {"Vault.json": b"nothing that could be read"}, 1)
    assert verdict.outcome == "error"
    assert not summary([verdict], ())[1]


@pytest.fixture(scope="module")
def sound() -> dict[str, bytes]:
    return sound_artifacts()


@pytest.fixture(scope="module")
def compiler(sound: dict[str, bytes]) -> Iterator[MutantCompiler]:
    made = MutantCompiler(sound)
    yield made
    made.close()


@pytest.fixture(scope="module")
def worker(anvil_binary: object, sound: dict[str, bytes]) -> Iterator[Worker]:
    with Worker(sound) as made:
        yield made


PLANTED = {
    "deposited[token] += credited;": "test_deposits_are_numbered_from_one_counted_and_chained",
    "if (unit == 0) revert TokenNotListed(token);": "test_an_unlisted_token_is_refused",
}
"""Statements to remove, and the test that finds it."""


def _fault(before: str, after: str) -> Mutant:
    return next(each for each in mutants_of("Deposits.sol") if (each.before, each.after) == (before, after))


@pytest.mark.chain
@pytest.mark.parametrize("before", PLANTED)
def test_a_planted_fault_is_found(worker: Worker, before: str) -> None:
    verdict = worker.judge(_fault(before, ""), {}, quick=True)
    assert verdict.outcome == "killed"
    assert PLANTED[before] in verdict.by


@pytest.mark.chain
def test_a_fault_that_changes_nothing_survives(
    worker: Worker, compiler: MutantCompiler, sound: dict[str, bytes]
) -> None:
    fault = _fault("if (credited > amount) credited = amount;", "if (credited >= amount) credited = amount;")
    artifacts = compiler.compiled(fault.file, fault.source)
    assert artifacts != sound
    assert worker.failing_test(("deposits",), artifacts) == ""


def test_a_mutant_is_compiled_as_the_sources_are(compiler: MutantCompiler, sound: dict[str, bytes]) -> None:
    assert compiler.compiled("Deposits.sol", (SOURCES / "Deposits.sol").read_text(encoding="utf-8")) == sound
