"""What more than two thirds of the power agreed on waits for its timelock, and is in force in one block for all."""

import msgspec
import pytest

from clearing.apply_block import apply_block
from clearing.base.errors import RemoteFault
from clearing.genesis.effective_terms import next_head, replay_amendments
from clearing.governance.proposals import VALIDATED_PER_BLOCK
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.governance import (
    AmendmentEnacted,
    ProposalApproved,
    ProposalClosed,
    ProposalMade,
    VoteCounted,
)
from clearing.schema.records.governance import ProposalStage
from clearing.state.export import export_state, import_state
from tests.kit.clearing.chamber import TIMELOCK_MS, VOTE_MS, governed_genesis, parliament_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, SALT
from tests.kit.clearing.replay import replay
from tests.kit.clearing.signer import validator
from tests.kit.clearing.world import codes, kinds, of_kind

FEE = ("market.trade_fee_ppm", 100)


def test_what_is_agreed_takes_effect_after_its_timelock_and_not_before() -> None:
    house = parliament_world()
    proposal = house.proposal(house.changes(FEE))
    made = of_kind(house.block(proposal), ProposalMade)[0]
    assert made.proposal == proposal.content(house.network)
    assert made.vote_until_ms == house.time_ms + VOTE_MS
    result = house.block(*house.votes(proposal))
    counted = of_kind(result, VoteCounted)
    assert [each.approving_power for each in counted] == [10, 20, 30]
    agreed = of_kind(result, ProposalApproved)[0]
    assert (agreed.approving_power, agreed.effective_ms) == (30, house.time_ms + TIMELOCK_MS)
    for _ in range(TIMELOCK_MS // 1_000 - 1):
        house.block()
        assert house.state.terms.market.trade_fee_ppm == 0
    result = house.block()
    assert house.state.terms.market.trade_fee_ppm == 100
    assert of_kind(result, AmendmentEnacted)[0].number == 1
    assert house.state.terms.network == house.network


def test_two_thirds_exactly_agree_on_nothing() -> None:
    house = parliament_world(governed_genesis({1: 20, 2: 20, 3: 20}))
    proposal = house.agree(house.changes(FEE), (1, 2))
    assert house.state.proposals[proposal.content(house.network)].stage is ProposalStage.OPEN
    house.wait()
    assert house.state.terms.market.trade_fee_ppm == 0


def test_a_trade_pays_the_fee_from_the_very_block_on() -> None:
    house = parliament_world()
    house.block(house.trade(ALICE, BOB, BTC_PERP, 1, 790_000))
    before = house.cash(ALICE)
    house.agree(house.changes(FEE))
    house.wait(4)
    house.block(house.trade(ALICE, BOB, BTC_PERP, 1, 790_000))
    assert house.cash(ALICE) == before - 790


def test_what_is_not_agreed_in_time_is_closed_and_its_votes_are_dropped() -> None:
    house = parliament_world()
    proposal = house.agree(house.changes(FEE), (1, 2))
    content = proposal.content(house.network)
    result = house.wait(VOTE_MS // 1_000)
    closed = of_kind(result, ProposalClosed)
    assert [each.code for each in closed] == [ClearingCode.VOTING_OVER]
    assert not list(house.state.votes.ordered())
    assert content not in house.state.proposals
    assert codes(house.block(house.vote(proposal, 3))) == [ClearingCode.NO_SUCH_PROPOSAL]


def test_votes_can_be_taken_back_until_the_last_moment() -> None:
    house = parliament_world()
    proposal = house.agree(house.changes(FEE))
    house.wait(2, house.vote(proposal, 3, approve=False, revision=2))
    assert house.state.proposals[proposal.content(house.network)].stage is ProposalStage.OPEN
    house.wait(20)
    assert house.state.terms.market.trade_fee_ppm == 0
    # Agreed again, the whole timelock runs again.
    house.block(house.vote(proposal, 4))
    house.wait(4)
    assert house.state.terms.market.trade_fee_ppm == 0
    house.block()
    assert house.state.terms.market.trade_fee_ppm == 100


def test_a_state_read_back_has_the_terms_in_force() -> None:
    house = parliament_world()
    house.amend(FEE)
    house.amend(("market.trade_fee_ppm", 200), ("instruments.1.band_ppm", 50_000))
    copy = import_state(house.genesis, SALT, export_state(house.state))
    assert copy.terms.genesis == house.state.terms.genesis
    assert copy.terms.network == house.network
    assert copy.module_roots() == house.state.module_roots()
    block = house.make_block([house.trade(ALICE, BOB, BTC_PERP, 1, 790_000)])
    ours, theirs = apply_block(house.state, block), apply_block(copy, block)
    assert ours[1] == theirs[1]
    assert (
        replay_amendments(house.genesis, [held for _, held in house.state.amendments.ordered()]) == copy.terms.genesis
    )


def test_a_snapshot_with_amendments_that_nobody_agreed_on_is_none() -> None:
    house = parliament_world()
    house.amend(FEE)
    held = house.state.amendments[1]
    worse = house.changes(("market.epoch_blocks", 0))
    unknown = msgspec.structs.replace(worse.changes[0], path="market.nothing")
    for amendment, at in ((worse, held.height), (msgspec.structs.replace(worse, changes=(unknown,)), held.height)):
        head = next_head(bytes(32), at, held.time_ms, held.proposal, amendment)
        fork = house.state.fork()
        fork.amendments.put(1, msgspec.structs.replace(held, amendment=amendment, chain_head=head))
        with pytest.raises(RemoteFault) as caught:
            import_state(house.genesis, SALT, export_state(fork))
        assert caught.value.code == ClearingCode.BAD_SNAPSHOT
    fork = house.state.fork()
    fork.amendments.put(1, msgspec.structs.replace(held, height=held.height + 1))
    with pytest.raises(RemoteFault):
        import_state(house.genesis, SALT, export_state(fork))


def test_a_block_log_with_amendments_replays_to_the_same_roots() -> None:
    house = parliament_world()
    house.block(house.trade(ALICE, BOB, BTC_PERP, 2, 790_000))
    house.amend(FEE)
    house.block(house.trade(ALICE, BOB, BTC_PERP, 1, 790_000))
    *_, (height, roots) = replay(house.genesis, SALT, house.blocks)
    assert (height, roots) == (house.state.now.height, house.state.module_roots())


def test_a_fork_that_is_not_decided_leaves_the_terms_alone() -> None:
    house = parliament_world()
    house.agree(house.changes(FEE))
    house.wait(4)
    block = house.make_block()
    fork, result = apply_block(house.state, block)
    assert "AmendmentEnacted" in kinds(result)
    assert (fork.terms.market.trade_fee_ppm, house.state.terms.market.trade_fee_ppm) == (100, 0)
    fork.absorb()
    assert house.state.terms.market.trade_fee_ppm == 100


def test_of_two_that_race_for_one_place_the_second_is_closed() -> None:
    house = parliament_world()
    first, second = (house.proposal(house.changes(("market.trade_fee_ppm", fee))) for fee in (100, 200))
    house.block(first, second)
    house.block(*house.votes(first), *house.votes(second))
    result = house.wait()
    assert house.state.terms.market.trade_fee_ppm == 100
    result = house.block()
    closed = of_kind(result, ProposalClosed)
    assert [each.code for each in closed] == [ClearingCode.AMENDMENT_STALE]
    assert house.state.terms.market.trade_fee_ppm == 100


def test_two_that_do_not_touch_each_other_both_take_effect_one_block_apart() -> None:
    house = parliament_world()
    first = house.proposal(house.changes(FEE))
    second = house.proposal(house.changes(("instruments.1.band_ppm", 50_000)))
    house.block(first, second)
    house.block(*house.votes(first), *house.votes(second))
    house.wait()
    assert house.state.terms.instruments[1].band_ppm == 100_000
    house.block()
    assert (house.state.terms.instruments[1].band_ppm, house.state.terms.market.trade_fee_ppm) == (50_000, 100)
    assert [number for number, _ in house.state.amendments.ordered()] == [1, 2]


def test_the_votes_of_who_left_weigh_nothing_when_it_comes_to_it() -> None:
    house = parliament_world()
    proposal = house.agree(house.changes(FEE))
    house.change([3])
    result = house.wait(5)
    # 20 of 30 is not more than two thirds: back to the vote.
    assert "AmendmentEnacted" not in kinds(result)
    assert house.state.proposals[proposal.content(house.network)].stage is ProposalStage.OPEN
    house.block(house.vote(proposal, 4))
    house.wait()
    assert house.state.terms.market.trade_fee_ppm == 100


def test_who_came_may_vote_and_counts() -> None:
    house = parliament_world()
    proposal = house.agree(house.changes(FEE), (1, 2))
    house.change([3], [validator(9)])
    house.settle()
    house.block(house.vote(proposal, 9))
    house.wait()
    assert house.state.terms.market.trade_fee_ppm == 100


def test_a_vote_counts_once_for_one_proposal_of_one_network() -> None:
    house = parliament_world()
    first, second = (house.proposal(house.changes(("market.trade_fee_ppm", fee))) for fee in (100, 200))
    house.block(first, second)
    vote = house.vote(first, 1)
    assert codes(house.block(vote)) == []
    assert codes(house.block(vote)) == [ClearingCode.VOTE_USED]
    moved = msgspec.structs.replace(vote, proposal=second.content(house.network))
    another = msgspec.structs.replace(vote, validator=(vote.validator + 1) % 4)
    turned = msgspec.structs.replace(vote, approve=False, revision=2)
    assert codes(house.block(moved, another, turned)) == [ClearingCode.BAD_APPROVAL] * 3
    elsewhere = parliament_world(msgspec.structs.replace(governed_genesis(), name="elsewhere"))
    same = elsewhere.proposal(elsewhere.changes(("market.trade_fee_ppm", 100)))
    elsewhere.block(same)
    assert codes(elsewhere.block(vote)) == [ClearingCode.NO_SUCH_PROPOSAL]


def test_a_proposal_is_made_once() -> None:
    house = parliament_world()
    proposal = house.proposal(house.changes(FEE))
    house.block(proposal)
    assert codes(house.block(proposal)) == [ClearingCode.PROPOSAL_KNOWN]
    house.block(*house.votes(proposal))
    house.wait()
    assert codes(house.block(proposal)) == [ClearingCode.PROPOSAL_KNOWN]
    house.wait(60)
    assert codes(house.block(proposal)) == [ClearingCode.REQUEST_EXPIRED]
    assert not list(house.state.proposals.ordered())


@pytest.mark.parametrize("by", [None, 2])
def test_only_the_house_and_validators_in_force_propose(by: int | None) -> None:
    house = parliament_world()
    good = house.proposal(house.changes(FEE), by)
    bent = msgspec.structs.replace(good, reason="another")
    assert codes(house.block(bent)) == [ClearingCode.BAD_APPROVAL if by else ClearingCode.WRONG_SIGNER]
    assert codes(house.block(msgspec.structs.replace(good, proposer=99))) == [ClearingCode.BAD_APPROVAL]
    assert codes(house.block(msgspec.structs.replace(good, signature=b""))) == [
        ClearingCode.BAD_APPROVAL if by else ClearingCode.WRONG_SIGNER
    ]
    assert codes(house.block(good)) == []


def test_without_governance_nothing_can_be_proposed() -> None:
    house = parliament_world()
    off = msgspec.structs.replace(house.genesis.crisis.governance, vote_ms=0)
    crisis = msgspec.structs.replace(house.genesis.crisis, governance=off)
    silent = parliament_world(msgspec.structs.replace(house.genesis, crisis=crisis))
    assert codes(silent.block(silent.proposal(silent.changes(FEE)))) == [ClearingCode.GOVERNANCE_OFF]
    assert codes(silent.block(silent.halt(BTC_PERP, 20))) == [ClearingCode.GOVERNANCE_OFF]


def test_a_bomb_of_proposals_is_bounded_by_proposer_and_by_block() -> None:
    house = parliament_world()
    bomb = [house.proposal(house.changes(("market.trade_fee_ppm", 100 + at)), 1 + at % 4) for at in range(12)]
    result = house.block(*bomb)
    assert VALIDATED_PER_BLOCK <= len(of_kind(result, ProposalMade)) <= VALIDATED_PER_BLOCK + 1
    assert set(codes(result)) == {ClearingCode.TOO_MANY_PROPOSALS}
    for _ in range(8):
        house.block(*bomb)
    under_way = [held for _, held in house.state.proposals.ordered() if held.stage is not ProposalStage.CLOSED]
    assert len(under_way) == 4 * house.genesis.crisis.governance.open_proposals
    # Also those that are refused count as judged.
    bad = [house.proposal(house.changes(("market.trade_fee_ppm", 20_000 + at))) for at in range(4)]
    house.block()
    while house.state.now.height % 5 == 3:  # the house's turn comes next
        house.block()
    assert codes(house.block(*bad)) == [ClearingCode.AMENDMENT_REFUSED] * 2 + [ClearingCode.TOO_MANY_PROPOSALS] * 2


def test_a_validator_that_fills_every_block_with_bad_proposals_silences_nobody() -> None:
    """What is refused leaves nothing behind, so it could go on for ever."""
    house, made = parliament_world(), []
    good = [house.proposal(house.changes(("market.trade_fee_ppm", 100 + by)), by) for by in (2, 3, 4)]
    good.append(house.proposal(house.changes(FEE)))
    for _ in range(5):
        bad = [house.proposal(house.changes(("market.trade_fee_ppm", 20_000 + at)), 1) for at in range(4)]
        made += of_kind(house.block(*bad, *good), ProposalMade)
    assert len(made) == len(good)
