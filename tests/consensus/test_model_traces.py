"""Behaviours of our own model (`tests/model/Certified.tla`), replayed against the core of three honest validators.

Each step of a trace is one input with the rule that it enables: a proposal, a certificate with its block, a vote seen
of a later round, or a timeout. After each, the validator's round, step, lock, valid value, votes and decision are
equal.
`python -m tests.model --traces` writes the traces.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from clearing.base.certificate import NIL
from consensus.core.events import CastVote, Input, ProposalReceived, StartHeight, TimeoutElapsed, VoteReceived
from consensus.core.state import HeightState, Step, new_state
from consensus.core.step import step
from consensus.timeouts import Timeouts, TimerKind
from consensus.turns import Turns
from tests.kit.consensus.core import PRECOMMIT, PREVOTE, V, W, certified, vote
from tests.kit.consensus.crypto import VALIDATORS

TRACES = json.loads((Path(__file__).resolve().parents[1] / "model" / "traces.json").read_text(encoding="utf-8"))
LIAR = 3
INVALID = b"x" * 32
VALUES = {"v": V, "w": W, "invalid": INVALID, "nil": NIL}
STEPS = {"propose": Step.PROPOSE, "prevote": Step.PREVOTE, "precommit": Step.PRECOMMIT, "decided": Step.DECIDED}
TIMERS = {"L57": TimerKind.PROPOSE, "L61": TimerKind.PREVOTE, "L65": TimerKind.PRECOMMIT}
FETCHED = 99
"""A round that no trace reaches: a block that was fetched is no proposal of a round."""


def inputs(given: dict[str, Any], round_: int) -> list[Input]:
    """What enables the rule of a step in this round."""
    rule, value = given["rule"], VALUES[given.get("value", "nil")]
    block = ProposalReceived(FETCHED, value, -1, valid=True)
    match rule:
        case "L22":
            return [ProposalReceived(round_, value, -1, valid=value != INVALID)]
        case "L28":
            polka = given["polka"]
            return [ProposalReceived(round_, value, polka, valid=True), certified(PREVOTE, polka, value)]
        case "L36":
            return [block, certified(PREVOTE, round_, value)]
        case "raise":
            return [certified(PREVOTE, given["polka"], value), block]
        case "L49":
            return [certified(PRECOMMIT, given["final"], value), block]
        case "L55":
            return [VoteReceived(vote(voter, PRECOMMIT, given["round"], NIL)) for voter in (given["seen"], LIAR)]
    return [TimeoutElapsed(TIMERS[rule], round_)]


def value_of(value: bytes | None) -> str:
    return next(name for name, known in VALUES.items() if known == (value or NIL))


def seen_in(state: HeightState, cast: dict[tuple[int, int], bytes]) -> dict[str, Any]:
    """A core's state as a trace has it."""
    decided = state.decision
    return {
        "at": [state.round, next(name for name, step_ in STEPS.items() if step_ is state.step)],
        "locked": [state.locked_round, value_of(state.locked_value)],
        "valid": [state.valid_round, value_of(state.valid_value)],
        "decided": [decided.round, value_of(decided.value)] if decided else [-1, "nil"],
        "votes": [value_of(cast.get((state.round, kind))) for kind in (PREVOTE, PRECOMMIT)],
    }


def test_the_traces_have_every_rule_of_the_model() -> None:
    rules = {given["rule"] for trace in TRACES for given in trace}
    assert rules == {"L22", "L28", "L36", "L49", "L55", "L57", "L61", "L65", "raise"}
    assert len(TRACES) >= 20


@pytest.mark.parametrize("number", range(len(TRACES)))
def test_the_core_follows_our_model(number: int) -> None:
    states = [new_state(Turns(4, (LIAR,), (LIAR,)), VALIDATORS, own, Timeouts()) for own in range(LIAR)]
    cast: list[dict[tuple[int, int], bytes]] = [{} for _ in states]
    for state in states:
        step(state, StartHeight())
    for at, given in enumerate(TRACES[number]):
        own, state = given["node"], states[given["node"]]
        waiting = inputs(given, state.round)
        while waiting:
            for effect in step(state, waiting.pop(0)):
                if isinstance(effect, CastVote):
                    assert (effect.round, effect.kind) not in cast[own]
                    cast[own][effect.round, effect.kind] = effect.value
                    waiting.insert(0, VoteReceived(vote(own, effect.kind, effect.round, effect.value)))
        assert seen_in(state, cast[own]) == given["after"], f"step {at}: {given}"
