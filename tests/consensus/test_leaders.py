"""Leaders: nobody chooses its place, those that fail are passed over for a while, and the honest are not starved."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.certificate import VoteKind
from clearing.base.validators import Validator, ValidatorSet
from consensus import leaders as leaders_module
from consensus.blocks import leader_history
from consensus.blocks.executor import BlockExecutor
from consensus.blocks.leader_history import with_leaders
from consensus.blocks.store import save_committed
from consensus.chain_state import ChainState, chain_at
from consensus.leaders import PERIOD_HEIGHTS, Leaders
from consensus.messages import DuplicateProposal, Evidence, Proposal
from consensus.replica.outbox import HeightOutbox
from consensus.replica.replica import Replica
from consensus.signing import CertificateCache
from consensus.turns import HISTORY_ROUNDS, LED_ROUNDS_MAX, turns_of
from tests.kit.consensus.crypto import VALIDATORS, FakeVerifier, validator_set
from tests.kit.consensus.memory_store import MemoryBlockStore
from tests.kit.consensus.replicas import GENESIS_MS, NETWORK, certificate, faults, make_replica, receive, signer_of
from tests.kit.consensus.toy import ToyApplication
from tests.sim.consensus.network import CALM, SimNetwork
from tests.sim.leaders import Case, measure

powers = st.lists(st.integers(1, 40), min_size=1, max_size=12).map(tuple)


def set_of(weights: Sequence[int]) -> ValidatorSet:
    """Keys without curves: only order and power count here."""
    return ValidatorSet(
        validators=tuple(
            Validator(
                envelope_key=bytes([index]) * 32,
                bls_key=bytes(48),
                power=power,
                possession=bytes(96),
                evm_address=bytes(20),
                evm_possession=bytes(65),
            )
            for index, power in enumerate(weights)
        )
    )


def key(validators: ValidatorSet, index: int) -> bytes:
    return validators.validators[index].envelope_key


def failing(validators: ValidatorSet, *indices: int) -> Leaders:
    """Each of these failed once, in this order, and nobody led after them."""
    return Leaders(failures=tuple((key(validators, index), 1) for index in indices))


# The order


@given(powers, st.integers(0, 10**6))
def test_each_validator_leads_in_proportion_to_its_power(weights: tuple[int, ...], period: int) -> None:
    turns = turns_of(set_of(weights), period * PERIOD_HEIGHTS + 1, Leaders(period))
    counts = Counter(turns.cycle)
    total, cycle = sum(weights), len(turns.cycle)
    assert all(counts[index] * total == power * cycle for index, power in enumerate(weights))


def test_validators_that_stand_together_in_one_period_are_apart_in_others() -> None:
    """Ten of thirty-one stood in a row in every cycle when the order was that of their keys."""
    validators = set_of((10,) * 31)
    first = turns_of(validators, 1, Leaders())
    row = {first.proposer(round_) for round_ in range(10)}

    def longest(period: int) -> int:
        cycle = turns_of(validators, period * PERIOD_HEIGHTS + 1, Leaders(period)).cycle
        marks = "".join("x" if index in row else " " for index in cycle * 2)
        return max(len(run) for run in marks.split())

    assert longest(0) >= 10
    assert max(longest(period) for period in range(1, 40)) < 9


# Who is passed over


@given(powers, st.lists(st.tuples(st.integers(0, 11), st.integers(1, 9)), unique_by=lambda each: each[0]))
def test_at_most_a_third_of_the_power_is_passed_over(weights: tuple[int, ...], failed: list[tuple[int, int]]) -> None:
    validators = set_of(weights)
    known = Leaders(failures=tuple((bytes([index]) * 32, count) for index, count in failed))
    out = known.passed_over(validators)
    assert 3 * sum(weights[index] for index in out) <= sum(weights)
    turns = turns_of(validators, 1, known)
    assert {turns.proposer(round_) for round_ in range(HISTORY_ROUNDS)} <= set(range(len(weights))) - out
    assert set(turns.full_cycle) == set(range(len(weights)))


@given(powers, st.integers(0, 3))
def test_those_left_lead_in_proportion_to_their_power(weights: tuple[int, ...], failed: int) -> None:
    validators = set_of(weights)
    known = failing(validators, failed % len(weights))
    cycle = turns_of(validators, 1, known).cycle
    left = [index for index in range(len(weights)) if index not in known.passed_over(validators)]
    total = sum(weights[index] for index in left)
    assert all(cycle.count(index) * total == weights[index] * len(cycle) for index in left)


def test_nobody_is_passed_over_while_one_that_failed_before_it_stays() -> None:
    """The third is 10 of 30: the heavy one that failed second does not fit, and what it made fail third stays too."""
    validators = set_of((2, 3, 10, 10, 5))
    assert failing(validators, 0, 2, 1).passed_over(validators) == {0}


@given(powers, st.lists(st.integers(0, 11), max_size=12, unique=True))
def test_the_passed_over_are_the_first_that_failed(weights: tuple[int, ...], row: list[int]) -> None:
    validators = set_of(weights)
    failed = [index for index in row if index < len(weights)]
    out = failing(validators, *failed).passed_over(validators)
    assert set(failed[: len(out)]) == out


def test_the_one_with_more_failures_is_passed_over_first_then_the_earlier() -> None:
    validators = validator_set(4)
    once = Leaders().decided([key(validators, 2), key(validators, 1), key(validators, 0)])
    assert once.passed_over(validators) == {2}
    twice = once.decided([key(validators, 1), key(validators, 0)])
    assert twice.passed_over(validators) == {1}


def test_who_leads_a_height_after_all_is_not_passed_over() -> None:
    validators = validator_set(4)
    known = failing(validators, 2).decided([key(validators, 2)])
    assert known == Leaders()


def test_an_outage_of_thousands_of_rounds_costs_no_more_than_a_few() -> None:
    turns = turns_of(validator_set(4), 1, Leaders())
    assert len(turns.led(2**31 - 1)) == LED_ROUNDS_MAX + 1
    assert turns.led(2) == tuple(turns.proposer(round_) for round_ in range(3))


def test_a_liar_makes_no_more_fail_than_itself() -> None:
    """It hides a polka in its own round, so that the next proposer fails as well: the liar is the one passed over."""
    validators = validator_set(4)
    known = Leaders()
    for _ in range(20):
        known = known.decided([key(validators, 3), key(validators, 0), key(validators, 1)])
        assert known.passed_over(validators) == {3}
        known = known.decided([key(validators, 0)])  # it leads at its next turn


def test_in_late_rounds_all_have_their_turns_whatever_the_history() -> None:
    validators = validator_set(4)
    known, nobody = (turns_of(validators, 1, each) for each in (failing(validators, 2), Leaders()))
    late = range(HISTORY_ROUNDS, HISTORY_ROUNDS + 8)
    assert [known.proposer(round_) for round_ in late] == [nobody.proposer(round_) for round_ in late]
    assert 2 in {known.proposer(round_) for round_ in late}


# What a chain knows


def chain_above(height: int, leaders: Leaders) -> ChainState:
    """A chain of this height, whose next turns these leaders give."""
    chain = chain_at(NETWORK, GENESIS_MS, ToyApplication(VALIDATORS, 0).position, None)
    return replace(chain, height=height, leaders=leaders)


def test_the_round_that_a_block_shows_tells_who_failed() -> None:
    shown = certificate(VoteKind.PRECOMMIT, 2, b"v" * 32, 0, 1, 2, height=5)
    chain = chain_above(5, Leaders())
    first, second, _ = turns_of(VALIDATORS, 5, Leaders()).led(2)
    assert chain.leaders_after(shown) == failing(VALIDATORS, first, second)


def test_a_failure_in_the_last_period_does_not_count_in_this_one() -> None:
    shown = certificate(VoteKind.PRECOMMIT, 2, b"v" * 32, 0, 1, 2, height=PERIOD_HEIGHTS - 1)
    assert chain_above(PERIOD_HEIGHTS - 1, Leaders(1)).leaders_after(shown) == Leaders(1)


def test_where_the_history_is_unknown_no_failure_is_counted() -> None:
    shown = certificate(VoteKind.PRECOMMIT, 2, b"v" * 32, 0, 1, 2, height=5)
    assert chain_above(5, Leaders(certain=False)).leaders_after(shown) == Leaders(certain=False)


def one_dead(height: int) -> SimNetwork:
    """Four nodes, one of them dead, until all others are at a height."""
    network = SimNetwork(1, replace(CALM, down=(0,)))
    network.run(heights_after_healing=height)
    return network


def replica_of(network: SimNetwork, index: int) -> Replica:
    replica = network.nodes[index].replica
    assert replica is not None
    return replica


def test_a_restart_knows_what_a_node_knows_that_never_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (leaders_module, leader_history):
        monkeypatch.setattr(module, "PERIOD_HEIGHTS", 7)
    network = one_dead(9)
    knew = set[Leaders]()
    for node in network.honest:
        blocks = node.committed()
        application, store = ToyApplication(network.validators, 9), MemoryBlockStore()
        chain = chain_at(NETWORK, GENESIS_MS, application.position, None)
        executor = BlockExecutor(application, FakeVerifier(), CertificateCache(FakeVerifier(), NETWORK))
        for made in blocks:
            save_committed(store, made)
            chain = executor.apply(chain, made.block, made.certificate, made.extensions)
            restored = with_leaders(chain_at(NETWORK, GENESIS_MS, application.position, made), store, application)
            assert restored.leaders == chain.leaders
            assert restored.turns == chain.turns
            assert restored.leaders_after(made.certificate) == chain.leaders_after(made.certificate)
            knew.add(chain.leaders)
    assert any(known.failures for known in knew)
    assert {known.period for known in knew} == {0, 1}
    assert Leaders(1) in knew, "every period starts afresh"


def test_without_the_blocks_of_the_period_the_leaders_are_uncertain_until_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (leaders_module, leader_history):
        monkeypatch.setattr(module, "PERIOD_HEIGHTS", 7)
    network = one_dead(9)
    last = network.nodes[1].committed()[4]
    application = ToyApplication(network.validators, 9)
    application.height = 5
    chain = with_leaders(chain_at(NETWORK, GENESIS_MS, application.position, last), MemoryBlockStore(), application)
    assert chain.leaders == Leaders(certain=False)
    assert replace(chain, leaders=chain.leaders_after(None), height=6).leaders_after(None).certain


# A node that does not know the history


def uncertain(own: int) -> tuple[Replica, list[int]]:
    """A replica at height 1 without history, and the turns of that height."""
    application = ToyApplication(VALIDATORS, own)
    chain = replace(chain_at(NETWORK, GENESIS_MS, application.position, None), leaders=Leaders(certain=False))
    turns = [chain.turns.proposer(round_) for round_ in range(2 * HISTORY_ROUNDS)]
    return make_replica(own, application=application, chain=chain), turns


def test_where_the_history_is_unknown_any_validator_may_lead_and_this_one_does_not() -> None:
    turns = turns_of(VALIDATORS, 1, Leaders(certain=False))
    for round_ in range(2 * HISTORY_ROUNDS):
        early, own = round_ < HISTORY_ROUNDS, turns.proposer(round_)
        assert turns.leads(own, round_) is not early
        assert [turns.may_lead(index, round_) for index in range(4)] == [early or index == own for index in range(4)]
        assert not turns.may_lead(None, round_)


def test_a_node_without_history_votes_for_the_first_proposal_of_a_round_and_accuses_nobody() -> None:
    own = 0
    replica, _ = uncertain(own)
    one, other = (proposed(replica, sender) for sender in (1, 2))
    assert not faults(receive(replica, 1, one))
    assert not faults(receive(replica, 2, other))
    assert replica.run.state.proposals[0].value == one.block.header.hash
    assert not replica.context.evidence.proofs


def test_two_proposals_of_one_validator_are_evidence_without_history_too() -> None:
    replica, _ = uncertain(0)
    one, other = proposed(replica, 1), proposed(replica, 1, b"x")
    receive(replica, 1, one)
    assert faults(receive(replica, 1, other))
    [proof] = replica.context.evidence.proofs
    assert isinstance(proof, DuplicateProposal)
    assert proof.validator == 1


def proposed(replica: Replica, sender: int, more: bytes = b"") -> Proposal:
    """A good proposal of round 0 by any validator."""
    application = ToyApplication(VALIDATORS, 50 + sender)
    application.pending.append(more)
    executor = BlockExecutor(application, FakeVerifier(), CertificateCache(FakeVerifier(), NETWORK))
    block = executor.build(replica.chain, Evidence())
    return HeightOutbox(replica.chain, signer_of(sender)).make_proposal(0, -1, block, None)[0]


# Whole networks


def test_one_dead_of_four_costs_few_heights() -> None:
    """A quarter of the rounds failed when the dead one had its turn in each cycle."""
    network = one_dead(40)
    rounds = [committed.certificate.round for committed in network.nodes[1].committed()]
    assert len(rounds) >= 40
    assert sum(rounds) <= 2


def test_four_dead_of_thirteen_in_a_row_are_passed_over_after_their_turns() -> None:
    case = Case("four of thirteen", 13, tuple(range(4)), 8, 40)
    assert measure(case).met


def test_every_validator_that_runs_leads_again_in_the_next_period(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaders_module, "PERIOD_HEIGHTS", 10)
    validators = validator_set(4)
    known = failing(validators, 2)
    chain = replace(chain_at(NETWORK, GENESIS_MS, ToyApplication(validators, 0).position, None), leaders=known)
    assert 2 not in chain.turns.cycle
    assert 2 in replace(chain, height=9, leaders=chain.leaders, commit=None).next_turns.cycle
