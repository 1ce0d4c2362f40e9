"""Faults of the core are made from its syntax, a fixed sample is found, and one that changes nothing survives."""

import sys
from collections import Counter

import pytest

from tests.mutation.core.__main__ import EXPLAINED, mutants_of
from tests.mutation.core.killing import FIRST, SOURCES, failing, verdicts_on
from tests.mutation.core.operators import mutants
from tests.mutation.explained import idle, read_explained

SOURCE = '''"""Comments stay as they are: 1 < 2."""

from collections import deque


def add(votes: dict[int, int], limit: int = 2) -> bool:
    """Not 3."""
    if not votes or limit < 1:
        raise ValueError(f"{limit} of {3 + 4}")
    votes[0] = sorted(votes)[-1] + 5
    votes.clear()
    return max(votes) == limit
'''
MADE = """
    constant: limit: int = 2 -> limit: int = 3
    guard: if not votes or limit < 1: -> if (limit < 1):
    guard: if not votes or limit < 1: -> if (not votes):
    boolean: if not votes or limit < 1: -> if (not votes) and (limit < 1):
    guard: if not votes or limit < 1: -> if False:
    guard: if not votes or limit < 1: -> if True:
    boolean: if not votes or limit < 1: -> if votes or limit < 1:
    boundary: if not votes or limit < 1: -> if not votes or limit <= 1:
    negation: if not votes or limit < 1: -> if not votes or limit >= 1:
    constant: if not votes or limit < 1: -> if not votes or limit < 2:
    removed: raise ValueError(f"{limit} of {3 + 4}") -> pass
    removed: votes[0] = sorted(votes)[-1] + 5 -> pass
    constant: votes[0] = -> votes[1] =
    order: sorted(votes)[-1] + 5 -> list(votes)[-1] + 5
    arithmetic: sorted(votes)[-1] + 5 -> sorted(votes)[-1] - 5
    constant: [-1] -> [-2]
    constant: + 5 -> + 6
    removed: votes.clear() -> pass
    return: return max(votes) == limit -> return None
    negation: return max(votes) == limit -> return max(votes) != limit
    call: max(votes) -> min(votes)
"""
PLANTED = {
    "step.py": ("_l22_prevote_new: free = state.locked_round == -1 or state.locked_value == proposal.value", "!="),
    "votes.py": ("prune: for key in [key for key in self._tallies if key[0] < current_round - PAST_ROUNDS]:", "<="),
    "rules.py": ("SHOW_POLKA = 102", "103"),
    "adaptive_timeouts.py": ("_upper: return sorted(samples)[2 * len(samples) // 3]", "list(samples)"),
}
"""A fault of each file with rules in it."""


def test_each_operator_changes_one_place_of_the_code_and_no_text() -> None:
    made = mutants("add.py", SOURCE)
    wanted = Counter(line.strip().partition(":")[0] for line in MADE.strip().splitlines())
    assert Counter(mutant.operator for mutant in made) == wanted
    for line in MADE.strip().splitlines():
        operator, _, change = line.strip().partition(": ")
        before, _, after = change.partition(" -> ")
        assert any(operator == each.operator and before in each.before and after in each.after for each in made), line
    for each in made:
        compile(each.source, each.file, "exec")
        assert each.source != SOURCE
        assert all(text in each.source for text in ("1 < 2", "Not 3"))


def test_every_source_of_the_core_has_tests_to_try_first() -> None:
    assert {path.name for path in SOURCES.glob("*.py")} - {"__init__.py"} == FIRST.keys()
    assert all(mutants_of(file) for file in FIRST)


def test_who_tries_faults_keeps_the_own_modules() -> None:
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "consensus"}
    failing("votes.py")
    assert before.items() <= sys.modules.items()


def test_every_explained_fault_exists_and_has_a_reason() -> None:
    explained = read_explained(EXPLAINED)
    assert all(len(entry.why) > 20 for entry in explained)
    assert idle(explained, [each for file in FIRST for each in mutants_of(file)]) == []


def test_the_sources_themselves_pass_where_mutants_fail() -> None:
    assert failing("step.py") == ""


def test_a_fixed_sample_is_found_and_a_planted_survivor_is_reported() -> None:
    chosen = []
    for file, (before, changed) in PLANTED.items():
        chosen.append(next(each for each in mutants_of(file) if each.before == before and changed in each.after))
    harmless = next(each for each in mutants_of("votes.py") if each.before == "IGNORED = 4")
    found = {verdict.mutant: verdict for verdict in verdicts_on([*chosen, harmless], 2, quick=True)}
    assert [found[each].outcome for each in chosen] == ["killed"] * len(chosen)
    assert (found[harmless].outcome, found[harmless].by) == ("survived", "")


@pytest.mark.parametrize("source", ["raise ValueError", "while True: pass"])
def test_a_source_that_cannot_be_imported_or_never_ends_is_found(source: str) -> None:
    own = (SOURCES / "rules.py").read_text(encoding="utf-8")
    assert failing("rules.py", f"{own}\n{source}\n") != ""
