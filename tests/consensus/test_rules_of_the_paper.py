"""A reader of the paper finds every line in the code: each has a name, a place, and a case in which it fires.

Each case is the least that makes its rule apply; taking its last input away takes the rule away.
"""

import inspect
from collections.abc import Callable

import pytest

import consensus.core.step as core
from clearing.base.certificate import NIL
from consensus.core.events import Fired, Input, ProposalReceived, SharesRefused, StartHeight, TimeoutElapsed
from consensus.core.rules import Rule
from consensus.core.state import new_state
from consensus.core.step import step
from consensus.timeouts import Timeouts, TimerKind
from tests.kit.consensus.core import PRECOMMIT, PREVOTE, V, W, certified, in_order, proposal, votes
from tests.kit.consensus.crypto import VALIDATORS

START, PRECOMMIT_WAIT = StartHeight(), TimeoutElapsed(TimerKind.PRECOMMIT, 0)


# At height 4 validator r proposes in round r: index 0 in round 0, index 1 in round 1.
CASES: dict[Rule, tuple[int, list[Input]]] = {
    Rule.L11_START_ROUND: (1, [START]),
    Rule.L16_PROPOSE_VALID: (
        1,
        [START, proposal(0, V), certified(PREVOTE, 0, V), PRECOMMIT_WAIT],
    ),
    Rule.L18_BUILD: (0, [START]),
    Rule.L22_PREVOTE: (1, [START, proposal(0, V)]),
    Rule.L28_PREVOTE_AGAIN: (
        2,
        [START, *votes(PRECOMMIT, 1, NIL, 1, 3), proposal(1, V, 0), certified(PREVOTE, 0, V)],
    ),
    Rule.L34_WAIT_PREVOTES: (
        1,
        [START, proposal(0, V), *votes(PREVOTE, 0, V, 1), *votes(PREVOTE, 0, NIL, 2), *votes(PREVOTE, 0, W, 3)],
    ),
    Rule.L36_LOCK: (1, [START, proposal(0, V), certified(PREVOTE, 0, V)]),
    Rule.L44_NIL_POLKA: (1, [START, proposal(0, V), certified(PREVOTE, 0, NIL)]),
    Rule.L47_WAIT_PRECOMMITS: (1, [START, *votes(PRECOMMIT, 0, NIL, 0, 2), *votes(PRECOMMIT, 0, V, 3)]),
    Rule.L49_DECIDE: (1, [START, proposal(0, V), certified(PRECOMMIT, 0, V)]),
    Rule.L55_SKIP: (1, [START, *votes(PREVOTE, 3, NIL, 2), *votes(PRECOMMIT, 3, V, 3)]),
    Rule.L57_PROPOSE_TIMEOUT: (1, [START, TimeoutElapsed(TimerKind.PROPOSE, 0)]),
    Rule.L61_PREVOTE_TIMEOUT: (1, [START, proposal(0, V), TimeoutElapsed(TimerKind.PREVOTE, 0)]),
    Rule.L65_PRECOMMIT_TIMEOUT: (1, [START, PRECOMMIT_WAIT]),
    Rule.HIDDEN_LOCK: (1, [START, PRECOMMIT_WAIT, proposal(0, V), certified(PREVOTE, 0, V)]),
    Rule.SHOW_POLKA: (1, [START, certified(PREVOTE, 0, V), PRECOMMIT_WAIT]),
    Rule.FETCH_FINAL: (1, [START, certified(PRECOMMIT, 0, V)]),
    Rule.AHEAD_OF_CLOCK: (1, [START, ProposalReceived(0, V, -1, valid=True, timely=False)]),
    Rule.REFUSE_SHARES: (1, [START, *votes(PREVOTE, 0, V, 2), SharesRefused(PREVOTE, 0, V, (2,))]),
}


def fired(own: int, inputs: list[Input]) -> list[Rule]:
    state = new_state(in_order(4), VALIDATORS, own, Timeouts())
    return [effect.line for each in inputs for effect in step(state, each) if isinstance(effect, Fired)]


PAPER = [rule for rule in Rule if rule < 100]
"""Rules that are lines of the paper."""


def test_every_rule_has_a_case() -> None:
    assert CASES.keys() == set(Rule)
    assert {int(rule) for rule in PAPER} == {11, 16, 18, 22, 28, 34, 36, 44, 47, 49, 55, 57, 61, 65}


@pytest.mark.parametrize("rule", list(Rule), ids=[rule.name for rule in Rule])
def test_a_rule_fires_at_its_last_condition_and_not_before(rule: Rule) -> None:
    own, inputs = CASES[rule]
    assert rule in fired(own, inputs)
    assert rule not in fired(own, inputs[:-1])


@pytest.mark.parametrize("rule", list(Rule), ids=[rule.name for rule in Rule])
def test_a_rule_is_named_where_it_stands(rule: Rule) -> None:
    assert f"Rule.{rule.name}" in inspect.getsource(core)


def test_functions_of_lines_report_their_own_line() -> None:
    """`_l28_prevote_again` fires L28 and no other."""
    named: dict[str, Callable[..., bool]] = {rule.__name__: rule for rule in core._RULES}
    lines = {name: int(name[2:4]) for name in named if name.startswith("_l")}
    assert sorted(lines.values()) == [22, 28, 34, 36, 44, 47, 49, 55]
    for name, line in lines.items():
        source = inspect.getsource(named[name])
        mentioned = {rule for rule in PAPER if f"Rule.{rule.name}" in source}
        assert mentioned == {Rule(line)}, name
