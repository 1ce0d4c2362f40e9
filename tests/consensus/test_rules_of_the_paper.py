"""A reader of the paper finds every line in the code: each has a name, a place, and a case in which it fires.

Each case is the least that makes its rule apply; taking its last input away takes the rule away.
"""

import inspect
from collections.abc import Callable

import pytest

import consensus.core.step as core
from clearing.base.certificate import NIL, Certificate, VoteKind, signer_bitmap
from consensus.core.events import (
    CertificateVerified,
    Fired,
    Input,
    ProposalReceived,
    SharesRefused,
    StartHeight,
    TimeoutElapsed,
    VoteReceived,
)
from consensus.core.rules import Rule
from consensus.core.state import new_state
from consensus.core.step import step
from consensus.messages import Vote
from consensus.timeouts import Timeouts, TimerKind
from tests.kit.consensus.crypto import validator_set

VALIDATORS = validator_set(4)
V, W = b"v" * 32, b"w" * 32
PREVOTE, PRECOMMIT = VoteKind.PREVOTE, VoteKind.PRECOMMIT
START = StartHeight()


def said(kind: VoteKind, round_: int, value: bytes, *voters: int) -> list[Input]:
    return [
        VoteReceived(Vote(kind=kind, height=4, round=round_, value=value, validator=voter, share=bytes(96)))
        for voter in voters
    ]


def certified(kind: VoteKind, round_: int, value: bytes) -> CertificateVerified:
    return CertificateVerified(
        Certificate(
            kind=kind,
            height=4,
            round=round_,
            value=value,
            validators_hash=VALIDATORS.hash,
            signers=signer_bitmap((1, 2, 3)),
            aggregate=bytes(96),
        )
    )


def proposed(round_: int, value: bytes = V, pol: int = -1) -> ProposalReceived:
    return ProposalReceived(round_, value, pol, valid=True)


def waited(kind: TimerKind, round_: int) -> TimeoutElapsed:
    return TimeoutElapsed(kind, round_)


# At height 4 validator r proposes in round r: index 0 in round 0, index 1 in round 1.
CASES: dict[Rule, tuple[int, list[Input]]] = {
    Rule.L11_START_ROUND: (1, [START]),
    Rule.L16_PROPOSE_VALID: (1, [START, proposed(0), certified(PREVOTE, 0, V), waited(TimerKind.PRECOMMIT, 0)]),
    Rule.L18_BUILD: (0, [START]),
    Rule.L22_PREVOTE: (1, [START, proposed(0)]),
    Rule.L28_PREVOTE_AGAIN: (
        2,
        [START, *said(PRECOMMIT, 1, NIL, 1, 3), proposed(1, pol=0), certified(PREVOTE, 0, V)],
    ),
    Rule.L34_WAIT_PREVOTES: (
        1,
        [START, proposed(0), *said(PREVOTE, 0, V, 1), *said(PREVOTE, 0, NIL, 2), *said(PREVOTE, 0, W, 3)],
    ),
    Rule.L36_LOCK: (1, [START, proposed(0), certified(PREVOTE, 0, V)]),
    Rule.L44_NIL_POLKA: (1, [START, proposed(0), certified(PREVOTE, 0, NIL)]),
    Rule.L47_WAIT_PRECOMMITS: (1, [START, *said(PRECOMMIT, 0, NIL, 0, 2), *said(PRECOMMIT, 0, V, 3)]),
    Rule.L49_DECIDE: (1, [START, proposed(0), certified(PRECOMMIT, 0, V)]),
    Rule.L55_SKIP: (1, [START, *said(PREVOTE, 3, NIL, 2), *said(PRECOMMIT, 3, V, 3)]),
    Rule.L57_PROPOSE_TIMEOUT: (1, [START, waited(TimerKind.PROPOSE, 0)]),
    Rule.L61_PREVOTE_TIMEOUT: (1, [START, proposed(0), waited(TimerKind.PREVOTE, 0)]),
    Rule.L65_PRECOMMIT_TIMEOUT: (1, [START, waited(TimerKind.PRECOMMIT, 0)]),
    Rule.HIDDEN_LOCK: (1, [START, waited(TimerKind.PRECOMMIT, 0), proposed(0), certified(PREVOTE, 0, V)]),
    Rule.SHOW_POLKA: (1, [START, certified(PREVOTE, 0, V), waited(TimerKind.PRECOMMIT, 0)]),
    Rule.FETCH_FINAL: (1, [START, certified(PRECOMMIT, 0, V)]),
    Rule.REFUSE_SHARES: (1, [START, *said(PREVOTE, 0, V, 2), SharesRefused(PREVOTE, 0, V, (2,))]),
}


def fired(own: int, inputs: list[Input]) -> list[Rule]:
    state = new_state(4, VALIDATORS, own, Timeouts())
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
