"""Traces of Malachite's Quint specification, replayed against our vote keeper and our core.

The keeper's traces are compared output by output. The drivers' traces are compared whenever the specification's node
has nothing pending (our core applies every enabled rule at once, theirs one input at a time): round, step and lock must
be equal, the same value decided, and the same votes, proposals and requests for a value made so far, under their order
of proposers. The valid round may only be higher here: we raise it for polkas of rounds missed, too. The consensus
traces' inputs are the conditions of single rules: votes or certificates are made that fulfil them.
"""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from clearing.base.certificate import NIL, VoteKind
from clearing.base.validators import ValidatorSet
from consensus.core.events import (
    CastVote,
    CertificateVerified,
    GetValue,
    Input,
    ProposalReceived,
    Propose,
    StartHeight,
    TimeoutElapsed,
    ValueBuilt,
    VerifyShares,
    VoteReceived,
)
from consensus.core.state import HeightState, Step, new_state
from consensus.core.step import step
from consensus.core.votes import VoteKeeper
from consensus.messages import Vote
from consensus.timeouts import Timeouts, TimerKind
from consensus.turns import Turns
from tests.kit.consensus.core import in_order
from tests.kit.consensus.crypto import validator_set
from tests.kit.consensus.replicas import certificate

KINDS = {"Prevote": VoteKind.PREVOTE, "Precommit": VoteKind.PRECOMMIT}
TIMERS = {
    "ProposeTimeout": TimerKind.PROPOSE,
    "PrevoteTimeout": TimerKind.PREVOTE,
    "PrecommitTimeout": TimerKind.PRECOMMIT,
}
STEPS = {
    "NoStep": Step.NEW,
    "UnstartedStep": Step.NEW,
    "ProposeStep": Step.PROPOSE,
    "PrevoteStep": Step.PREVOTE,
    "PrecommitStep": Step.PRECOMMIT,
    "CommitStep": Step.DECIDED,
}


def plain(value: Any) -> Any:
    """ITF's JSON as Python values: a variant is its tag, or (tag, value)."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "#bigint" in value:
        return int(value["#bigint"])
    if "#tup" in value:
        return tuple(plain(item) for item in value["#tup"])
    if "#set" in value:
        return [plain(item) for item in value["#set"]]
    if "#map" in value:
        return {plain(key): plain(item) for key, item in value["#map"]}
    if "tag" in value:
        inner = plain(value["value"])
        return value["tag"] if inner == () else (value["tag"], inner)
    return {key: plain(item) for key, item in value.items()}


@pytest.fixture(scope="module")
def traces(vectors_dir: Path) -> dict[str, dict[str, Any]]:
    found = {}
    with tarfile.open(vectors_dir / "itf" / "malachite-traces.tgz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None and member.name.endswith(".itf.json"):
                found[Path(member.name).name.removesuffix(".itf.json")] = json.load(file)
    return found


def value_id(value: Any) -> bytes:
    name = value[1] if isinstance(value, tuple) else value
    return NIL if name in ("Nil", "nil") else name.encode().ljust(32, b".")


def to_vote(vote: dict[str, Any], names: list[str]) -> Vote:
    return Vote(
        kind=KINDS[vote["voteType"]],
        height=vote["height"],
        round=vote["round"],
        value=value_id(vote["valueId"]),
        validator=names.index(vote["srcAddress"]),
        share=bytes(96),
    )


def keeper_outputs(keeper: VoteKeeper, validators: ValidatorSet, vote: Vote, current: int) -> set[tuple[str, Any]]:
    """All thresholds that hold after a vote, in the specification's words."""
    found: set[tuple[str, Any]] = set()
    for kind, round_, value, shares in keeper.unchecked_quorums(vote.round):
        signers = [index for index, _ in shares]
        keeper.add_certificate(certificate(kind, round_, value, *signers, height=vote.height, validators=validators))
    for kind, word in ((VoteKind.PREVOTE, "Polka"), (VoteKind.PRECOMMIT, "Precommit")):
        if keeper.has_any_quorum(vote.round, kind):
            found.add((f"{word}AnyVKOutput", vote.round))
        if keeper.certificate(vote.round, kind, NIL) is not None:
            found.add((f"{word}NilVKOutput", vote.round))
        for final in keeper.value_certificates(kind):
            found.add((f"{word}ValueVKOutput", (final.round, final.value)))
    skip = keeper.highest_skip_round(current)
    if skip is not None:
        found.add(("SkipVKOutput", skip))
    return found


def test_the_vote_keeper_emits_what_the_specification_emits(traces: dict[str, dict[str, Any]]) -> None:
    checked = 0
    for name, trace in traces.items():
        if not name.startswith("votekeeperTest"):
            continue
        weights = plain(trace["states"][0]["bookkeeper"])["validatorSet"]
        names = sorted(weights)
        validators = validator_set(len(names), tuple(weights[who] for who in names))
        keeper, held, before = VoteKeeper(validators), set(), None
        for state in trace["states"][1:]:
            weighted, emitted = plain(state["weightedVote"]), plain(state["lastEmitted"])
            if weighted == before:
                continue
            before = weighted
            raw, _, current = weighted[1]
            vote = to_vote(raw, names)
            keeper.add(vote, current)
            now = keeper_outputs(keeper, validators, vote, current)
            new, held = now - held, now
            if emitted == "NoVKOutput":
                weak = {"PolkaAnyVKOutput", "PrecommitAnyVKOutput"}
                assert {word for word, _ in new} <= weak, (name, vote, new)
                assert not new or len(held) > len(new), (name, "a quorum of whatever votes comes with an older output")
            else:
                word, about = emitted
                about = (about[0], value_id(about[1])) if isinstance(about, tuple) else about
                assert (word, about) in new, (name, vote, emitted, new)
            checked += 1
    assert checked >= 25


Said = tuple[str, int, int, bytes, int]
"""A vote, a proposal, or a request for a value that a node makes: kind, height, round, value, valid round."""


def said_there(output: Any) -> set[Said]:
    """What the specification's node sends as it takes an input."""
    tag, about = output if isinstance(output, tuple) else (output, None)
    if tag == "VoteOutput":
        return {(about["voteType"].upper(), about["height"], about["round"], value_id(about["valueId"]), -1)}
    if tag == "ProposalOutput":
        value = value_id(about["proposal"])
        return {("PROPOSAL", about["height"], about["round"], value, about["validRound"])}
    if tag == "GetValueAndScheduleTimeoutOutput":
        return {("GET_VALUE", *about[:2], NIL, -1)}
    return set()


def turns_there(states: list[Any], history: str, names: list[str]) -> dict[tuple[int, int], int]:
    """Who is the proposer of a height and round, by index, where somebody acts as one."""
    found = {}
    for raw in states:
        who, _, output = history_entry(raw, history)
        for kind, height, round_, _, _ in said_there(output):
            if kind in ("PROPOSAL", "GET_VALUE") and who in names:
                found[height, round_] = names.index(who)
    return found


def history_entry(raw: dict[str, Any], history: str) -> tuple[str, Any, Any]:
    """Node, input and output of a state's last action."""
    entry = plain(raw[history])
    return entry if isinstance(entry, tuple) else (entry["validator"], entry["input"], entry["output"])


class DriverReplay:
    """One node of a trace: our core, fed what the specification's driver is fed."""

    def __init__(self, own: int, validators: ValidatorSet, names: list[str], turns: dict[tuple[int, int], int]) -> None:
        self.own, self.validators, self.names, self.turns = own, validators, names, turns
        self.state: HeightState | None = None
        self.early: list[tuple[int, Input]] = []
        self.decisions: dict[int, bytes] = {}
        self.said: set[Said] = set()

    def take(self, given: Any, height: int) -> None:
        """One driver input; `height` is the node's height after it."""
        if self.state is None or (self.state.height < height and given == "StartDInput"):
            self.state = new_state(self.turns_at(height), self.validators, self.own, Timeouts())
        tag, value = given if isinstance(given, tuple) else (given, None)
        if tag == "StartDInput":
            self.feed(StartHeight())
            early, self.early = self.early, []
            for at, event in early:
                self.at_height(at, event)
        elif tag == "ProposalDInput":
            proposed = value_id(value["proposal"])
            valid = value["proposal"] != "invalid"
            event = ProposalReceived(value["round"], proposed, value["validRound"], valid=valid)
            self.at_height(value["height"], event)
        elif tag == "VoteDInput":
            self.at_height(value["height"], VoteReceived(to_vote(value, self.names)))
        elif tag == "CertificateDInput":
            votes = [to_vote(vote, self.names) for vote in value]
            first, signers = votes[0], [vote.validator for vote in votes]
            self.at_height(first.height, self.certified(first.kind, first.height, first.round, first.value, signers))
        elif tag == "TimeoutDInput":
            self.feed(TimeoutElapsed(TIMERS[value], self.state.round))
        elif tag == "ProposeValueDInput":
            self.feed(ValueBuilt(self.state.round, value_id(value)))
        else:
            assert tag in ("StepChangeDInput", "PendingDInput", "NoDInput"), tag

    def turns_at(self, height: int) -> Turns:
        """Theirs; somebody else's where nobody proposes in the trace."""
        count = len(self.names)
        rounds = [self.turns.get((height, round_), (self.own + 1) % count) for round_ in range(count)]
        cycle = tuple(rounds[(slot - height) % count] for slot in range(count))
        return Turns(height, cycle, cycle)

    def absorb(self, node: dict[str, Any]) -> None:
        """Votes that reached the specification's keeper by an action outside its history."""
        if self.state is None or self.state.height != node["bk"]["height"]:
            return
        if self.state.step is Step.NEW and node["cs"]["round"] >= 0:
            self.feed(StartHeight())
        for round_ in node["bk"]["rounds"].values():
            for raw in (*round_["prevotes"]["receivedVotes"], *round_["precommits"]["receivedVotes"]):
                vote = to_vote(raw, self.names)
                if self.state.step is not Step.NEW and self.state.votes.wants(vote):
                    self.feed(VoteReceived(vote))

    def certified(self, kind: VoteKind, height: int, round_: int, value: bytes, signers: list[int]) -> Input:
        return CertificateVerified(
            certificate(kind, round_, value, *signers, height=height, validators=self.validators)
        )

    def at_height(self, height: int, event: Input) -> None:
        assert self.state is not None
        if height == self.state.height and self.state.step is not Step.NEW:
            self.feed(event)
        elif height >= self.state.height:
            self.early.append((height, event))

    def feed(self, event: Input) -> None:
        """Shares verify at once; own votes and proposals come back through the trace."""
        assert self.state is not None
        waiting: list[Input] = [event]
        while waiting:
            for effect in step(self.state, waiting.pop(0)):
                if isinstance(effect, CastVote):
                    self.said.add((effect.kind.name, self.state.height, effect.round, effect.value, -1))
                elif isinstance(effect, GetValue):
                    self.said.add(("GET_VALUE", self.state.height, effect.round, NIL, -1))
                elif isinstance(effect, Propose):
                    where = (self.state.height, effect.round)
                    self.said.add(("PROPOSAL", *where, effect.value, effect.pol_round))
                elif isinstance(effect, VerifyShares):
                    signers, height = [index for index, _ in effect.shares], self.state.height
                    waiting.append(self.certified(effect.kind, height, effect.round, effect.value, signers))
        if self.state.decision is not None:
            self.decisions[self.state.height] = self.state.decision.value


DRIVER_TRACES = (
    "decideForPastRoundTest_decidePastTest_0",
    "disagreementTest_disagreementTest_0",
    "heightLogicTest_catchUpToHigherRoundTest_5",
    "heightLogicTest_everyoneIsFastInRound0Test_2",
    "heightLogicTest_fastProcessesDecidesAtHeight0SlowOneCatchesUpTest_1",
    "heightLogicTest_multiHeightRunTest_3",
    "heightLogicTest_preloadVotekeeperOnlyTest_7",
    "heightLogicTest_slowProcessAtHeight1Test_4",
    "line26Test_line26Test_0",
    "line28Test_Bigline28Test_1",
    "line28Test_line28Test_0",
    "line32Test_line32InvalidTest_0",
    "line32Test_line32LockedTest_1",
    "someMultiRoundTest_AllButOneTest_0",
    "someMultiRoundTest_DecideFutureRoundTest_1",
    "someMultiRoundTest_RoundswitchTest_3",
    "statemachineTest_DecidingRunTest_20",
    "statemachineTest_TimeoutRunTest_21",
)


AHEAD = {
    # A skip brings the node to a round whose proposal it holds. Their driver looks at it again only on a change of
    # step; the paper's L22 is enabled, and our core prevotes at once.
    ("someMultiRoundTest_DecideFutureRoundTest_1", 127),
}


@pytest.mark.parametrize("name", DRIVER_TRACES)
def test_the_core_follows_the_specification(traces: dict[str, dict[str, Any]], name: str) -> None:
    states = traces[name]["states"]
    system = next(variable for variable in states[0] if variable.endswith("system"))
    history = next(variable for variable in states[0] if variable.endswith("_hist"))
    nodes: dict[str, DriverReplay] = {}
    said: dict[str, set[Said]] = {}
    compared, before = 0, None
    for number, raw in enumerate(states):
        who, given, output = history_entry(raw, history)
        all_nodes = plain(raw[system])
        said.setdefault(who, set()).update(said_there(output))
        if who not in all_nodes:
            continue
        node = all_nodes[who]["es"]
        seen = (who, given, node)
        if seen == before:
            continue  # Other parts of the system moved.
        before = seen
        names = sorted(node["valset"])
        if who not in nodes:
            powers = tuple(node["valset"][key] for key in names)
            turns = turns_there(states, history, names)
            nodes[who] = DriverReplay(names.index(who), validator_set(len(names), powers), names, turns)
        ours = nodes[who]
        ours.take(given, node["cs"]["height"])
        ours.absorb(node)
        if node["pendingInputs"] or node["pendingStepChange"] != "NoStep":
            continue
        if (name, number) not in AHEAD:
            at = f"{name} state {number}: {who} {given}"
            compared += check_equal(ours, node, at)
            assert ours.said == said[who], at
    assert compared >= 2


def check_equal(ours: DriverReplay, node: dict[str, Any], at: str) -> int:
    theirs, state = node["cs"], ours.state
    for block in node["chain"]:
        decision = block["decision"]
        assert ours.decisions.get(decision["height"]) == value_id(decision["proposal"]), at
    if state is None or state.height != theirs["height"] or theirs["step"] in ("NoStep", "UnstartedStep"):
        return 0
    shown = f"{at}: ours {state.round} {state.step.name} lock {state.locked_round}, theirs {theirs}"
    assert state.step is STEPS[theirs["step"]], shown
    assert state.round == theirs["round"], shown
    assert state.locked_round == theirs["lockedRound"], shown
    assert (state.locked_value or NIL) == value_id(theirs["lockedValue"]), shown
    assert state.valid_round >= theirs["validRound"], shown
    if state.valid_round == theirs["validRound"]:
        assert (state.valid_value or NIL) == value_id(theirs["validValue"]), shown
    return 1


def rule_inputs(given: Any, state: HeightState, validators: ValidatorSet) -> list[Input]:
    """Inputs that fulfil the condition which a consensus input of the specification stands for."""
    tag, about = given if isinstance(given, tuple) else (given, None)
    round_, height = state.round, state.height

    def scattered(kind: VoteKind) -> list[Input]:
        values = (b"x" * 32, b"y" * 32, NIL)
        return [
            VoteReceived(Vote(kind=kind, height=height, round=round_, value=value, validator=index, share=bytes(96)))
            for index, value in enumerate(values, start=1)
        ]

    def certified(kind: VoteKind, value: bytes) -> list[Input]:
        return [CertificateVerified(certificate(kind, round_, value, 1, 2, 3, height=height, validators=validators))]

    match tag:
        case "NoConsensusInput" | "NewRoundCInput" | "NewRoundProposerCInput":
            return [StartHeight()] if about == 0 else []
        case "ProposeValueCInput":
            return [ValueBuilt(round_, value_id(about))]
        case "ProposalCInput":
            return [ProposalReceived(about[0], value_id(about[1]), -1, valid=True)]
        case "ProposalInvalidCInput":
            return [ProposalReceived(round_, b"z" * 32, -1, valid=False)]
        case "PolkaAnyCInput":
            return scattered(VoteKind.PREVOTE)
        case "PrecommitAnyCInput":
            return scattered(VoteKind.PRECOMMIT)
        case "PolkaNilCInput":
            return certified(VoteKind.PREVOTE, NIL)
        case "ProposalAndPolkaAndValidCInput":
            return certified(VoteKind.PREVOTE, value_id(about))
        case "ProposalAndCommitAndValidCInput":
            return certified(VoteKind.PRECOMMIT, value_id(about[1] if isinstance(about, tuple) else about))
    kind = TIMERS[tag.removesuffix("CInput").removeprefix("Timeout") + "Timeout"]
    return [TimeoutElapsed(kind, about[1])]


@pytest.mark.parametrize(
    "name", ["consensusTest_DecideNonProposerTest_0", "consensusTest_DecideNonProposerAtHeight2Test_1"]
)
def test_each_rule_does_what_the_specification_says(traces: dict[str, dict[str, Any]], name: str) -> None:
    validators = validator_set(4)
    first = plain(traces[name]["states"][0])["state"]
    state = new_state(in_order(first["height"], len(validators.validators)), validators, 0, Timeouts())
    compared, before = 0, None
    for number, raw in enumerate(traces[name]["states"]):
        given, theirs = plain(raw["input"]), plain(raw["state"])
        if (given, theirs) != before:
            for event in rule_inputs(given, state, validators):
                step(state, event)
        before = (given, theirs)
        if theirs["step"] in ("NoStep", "UnstartedStep"):
            continue
        shown = f"{name} state {number}: {given}: ours {state.round} {state.step.name}, theirs {theirs}"
        assert (state.round, state.step) == (theirs["round"], STEPS[theirs["step"]]), shown
        assert (state.locked_round, state.valid_round) == (theirs["lockedRound"], theirs["validRound"]), shown
        assert (state.locked_value or NIL) == value_id(theirs["lockedValue"]), shown
        compared += 1
    assert compared >= 7
