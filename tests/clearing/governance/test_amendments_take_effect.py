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
from tests.kit.clearing.chamber import GOVERNED, TIMELOCK_MS, VOTE_MS, governed_genesis, parliament_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, SALT
from tests.kit.clearing.replay import replay
from tests.kit.clearing.signer import validator
from tests.kit.clearing.world import World, codes, kinds, of_kind

FEE = ("market.trade_fee_ppm", 100)


def fee(house: World) -> int:
    return house.state.terms.market.trade_fee_ppm


def test_what_is_agreed_takes_effect_after_its_timelock_and_not_before(house: World) -> None:
    proposal = house.proposal(house.changes(FEE))
    (made,) = of_kind(house.block(proposal), ProposalMade)
    assert (made.proposal, made.vote_until_ms) == (proposal.content(house.network), house.time_ms + VOTE_MS)
    result = house.block(*house.votes(proposal))
    assert [each.approving_power for each in of_kind(result, VoteCounted)] == [10, 20, 30]
    (agreed,) = of_kind(result, ProposalApproved)
    assert (agreed.approving_power, agreed.effective_ms) == (30, house.time_ms + TIMELOCK_MS)
    for _ in range(TIMELOCK_MS // 1_000 - 1):
        house.block()
        assert fee(house) == 0
    house.block()
    assert fee(house) == 100
    assert [each.number for each in house.last(AmendmentEnacted)] == [1]
    assert house.state.terms.network == house.network


def test_two_thirds_exactly_agree_on_nothing() -> None:
    house = parliament_world(governed_genesis({1: 20, 2: 20, 3: 20}))
    proposal = house.agree(house.changes(FEE), (1, 2))
    assert house.state.proposals[proposal.content(house.network)].stage is ProposalStage.OPEN
    house.wait()
    assert fee(house) == 0


def test_a_trade_pays_the_fee_from_the_very_block_on(house: World) -> None:
    house.block(house.perp_trade(ALICE, BOB))
    before = house.cash(ALICE)
    house.agree(house.changes(FEE))
    house.wait(4)
    house.block(house.perp_trade(ALICE, BOB))
    assert house.cash(ALICE) == before - 790


def test_what_is_not_agreed_in_time_is_closed_and_its_votes_are_dropped(house: World) -> None:
    proposal = house.agree(house.changes(FEE), (1, 2))
    content = proposal.content(house.network)
    house.wait(VOTE_MS // 1_000)
    assert [each.code for each in house.last(ProposalClosed)] == [ClearingCode.VOTING_OVER]
    assert not list(house.state.votes.ordered())
    assert content not in house.state.proposals
    assert house.refusals(house.vote(proposal, 3)) == [ClearingCode.NO_SUCH_PROPOSAL]


def test_votes_can_be_taken_back_until_the_last_moment(house: World) -> None:
    proposal = house.agree(house.changes(FEE))
    house.wait(2, house.vote(proposal, 3, approve=False, revision=2))
    assert house.state.proposals[proposal.content(house.network)].stage is ProposalStage.OPEN
    house.wait(20)
    assert fee(house) == 0
    # Agreed again, the whole timelock runs again.
    house.block(house.vote(proposal, 4))
    house.wait(4)
    assert fee(house) == 0
    house.block()
    assert fee(house) == 100


def test_a_state_read_back_has_the_terms_in_force(house: World) -> None:
    house.amend(FEE)
    house.amend(("market.trade_fee_ppm", 200), ("instruments.1.band_ppm", 50_000))
    copy = house.read_back()
    assert (copy.terms.genesis, copy.terms.network) == (house.state.terms.genesis, house.network)
    block = house.make_block([house.perp_trade(ALICE, BOB)])
    assert apply_block(house.state, block)[1] == apply_block(copy, block)[1]
    records = [record for _, record in house.state.amendments.ordered()]
    assert replay_amendments(house.genesis, records) == copy.terms.genesis


def test_a_snapshot_with_amendments_that_nobody_agreed_on_is_none(house: World) -> None:
    house.amend(FEE)
    record = house.state.amendments[1]
    worse = house.changes(("market.epoch_blocks", 0))
    unknown = msgspec.structs.replace(
        worse, changes=(msgspec.structs.replace(worse.changes[0], path="market.nothing"),)
    )
    forged = [msgspec.structs.replace(record, height=record.height + 1)]
    for amendment in (worse, unknown):
        head = next_head(bytes(32), record.height, record.time_ms, record.proposal, amendment)
        forged.append(msgspec.structs.replace(record, amendment=amendment, chain_head=head))
    for each in forged:
        fork = house.state.fork()
        fork.amendments.put(1, each)
        with pytest.raises(RemoteFault) as caught:
            import_state(house.genesis, SALT, export_state(fork))
        assert caught.value.code == ClearingCode.BAD_SNAPSHOT


def test_a_block_log_with_amendments_replays_to_the_same_roots(house: World) -> None:
    house.block(house.perp_trade(ALICE, BOB, 2))
    house.amend(FEE)
    house.block(house.perp_trade(ALICE, BOB))
    *_, last = replay(house.genesis, SALT, house.blocks)
    assert last == (house.state.now.height, house.state.module_roots())


def test_a_fork_that_is_not_decided_leaves_the_terms_alone(house: World) -> None:
    house.agree(house.changes(FEE))
    house.wait(4)
    block = house.make_block()
    fork, result = apply_block(house.state, block)
    assert "AmendmentEnacted" in kinds(result)
    assert (fork.terms.market.trade_fee_ppm, fee(house)) == (100, 0)
    fork.absorb()
    assert fee(house) == 100


def test_of_two_that_race_for_one_place_the_second_is_closed(house: World) -> None:
    first, second = (house.proposal(house.changes(("market.trade_fee_ppm", fee))) for fee in (100, 200))
    house.block(first, second)
    house.block(*house.votes(first), *house.votes(second))
    house.wait()
    assert fee(house) == 100
    house.block()
    assert [each.code for each in house.last(ProposalClosed)] == [ClearingCode.AMENDMENT_STALE]
    assert fee(house) == 100


def test_two_that_do_not_touch_each_other_both_take_effect_one_block_apart(house: World) -> None:
    first = house.proposal(house.changes(FEE))
    second = house.proposal(house.changes(("instruments.1.band_ppm", 50_000)))
    house.block(first, second)
    house.block(*house.votes(first), *house.votes(second))
    house.wait()
    assert house.state.terms.instruments[1].band_ppm == 100_000
    house.block()
    assert (house.state.terms.instruments[1].band_ppm, fee(house)) == (50_000, 100)
    assert [number for number, _ in house.state.amendments.ordered()] == [1, 2]


def test_the_votes_of_who_left_weigh_nothing_when_it_comes_to_it(house: World) -> None:
    proposal = house.agree(house.changes(FEE))
    house.change([3])
    result = house.wait(5)
    # 20 of 30 is not more than two thirds: back to the vote.
    assert "AmendmentEnacted" not in kinds(result)
    assert house.state.proposals[proposal.content(house.network)].stage is ProposalStage.OPEN
    house.block(house.vote(proposal, 4))
    house.wait()
    assert fee(house) == 100


def test_who_came_may_vote_and_counts(house: World) -> None:
    proposal = house.agree(house.changes(FEE), (1, 2))
    house.change([3], [validator(9)])
    house.settle()
    house.block(house.vote(proposal, 9))
    house.wait()
    assert fee(house) == 100


def test_a_vote_counts_once_for_one_proposal_of_one_network(house: World) -> None:
    first, second = (house.proposal(house.changes(("market.trade_fee_ppm", fee))) for fee in (100, 200))
    house.block(first, second)
    vote = house.vote(first, 1)
    assert [house.refusals(vote) for _ in range(2)] == [[], [ClearingCode.VOTE_USED]]
    moved = msgspec.structs.replace(vote, proposal=second.content(house.network))
    another = msgspec.structs.replace(vote, validator=(vote.validator + 1) % 4)
    turned = msgspec.structs.replace(vote, approve=False, revision=2)
    assert house.refusals(moved, another, turned) == [ClearingCode.BAD_APPROVAL] * 3
    elsewhere = parliament_world(msgspec.structs.replace(governed_genesis(), name="elsewhere"))
    elsewhere.block(elsewhere.proposal(elsewhere.changes(FEE)))
    assert elsewhere.refusals(vote) == [ClearingCode.NO_SUCH_PROPOSAL]


def test_a_proposal_is_made_once(house: World) -> None:
    proposal = house.proposal(house.changes(FEE))
    house.block(proposal)
    assert house.refusals(proposal) == [ClearingCode.PROPOSAL_KNOWN]
    house.block(*house.votes(proposal))
    house.wait()
    assert house.refusals(proposal) == [ClearingCode.PROPOSAL_KNOWN]
    house.wait(60)
    assert house.refusals(proposal) == [ClearingCode.REQUEST_EXPIRED]
    assert not list(house.state.proposals.ordered())


@pytest.mark.parametrize("by", [None, 2])
def test_only_the_house_and_validators_in_force_propose(house: World, by: int | None) -> None:
    good = house.proposal(house.changes(FEE), by)
    unsigned = ClearingCode.BAD_APPROVAL if by else ClearingCode.WRONG_SIGNER
    for change, code in (
        ({"reason": "another"}, unsigned),
        ({"proposer": 99}, ClearingCode.BAD_APPROVAL),
        ({"signature": b""}, unsigned),
    ):
        assert house.refusals(msgspec.structs.replace(good, **change)) == [code]
    assert house.refusals(good) == []


def test_without_governance_nothing_can_be_proposed() -> None:
    silent = parliament_world(governed_genesis(terms=msgspec.structs.replace(GOVERNED, vote_ms=0)))
    for request in (silent.proposal(silent.changes(FEE)), silent.halt(BTC_PERP, 20)):
        assert silent.refusals(request) == [ClearingCode.GOVERNANCE_OFF]


def test_a_bomb_of_proposals_is_bounded_by_proposer_and_by_block(house: World) -> None:
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
    assert house.refusals(*bad) == [ClearingCode.AMENDMENT_REFUSED] * 2 + [ClearingCode.TOO_MANY_PROPOSALS] * 2


def test_a_validator_that_fills_every_block_with_bad_proposals_silences_nobody() -> None:
    """What is refused leaves nothing behind, so it could go on for ever."""
    house, made = parliament_world(), []
    good = [house.proposal(house.changes(("market.trade_fee_ppm", 100 + by)), by) for by in (2, 3, 4)]
    good.append(house.proposal(house.changes(FEE)))
    for _ in range(5):
        bad = [house.proposal(house.changes(("market.trade_fee_ppm", 20_000 + at)), 1) for at in range(4)]
        made += of_kind(house.block(*bad, *good), ProposalMade)
    assert len(made) == len(good)
