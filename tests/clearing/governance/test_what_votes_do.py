"""What more than two thirds of the power agreed on: in force after its timelock, halts that end, seats, suspense."""

import msgspec
import pytest

from clearing.apply_block import apply_block
from clearing.base.errors import RemoteFault
from clearing.base.validators import Validator
from clearing.genesis.effective_terms import next_head, replay_amendments
from clearing.governance.effects import trial_state
from clearing.governance.proposals import VALIDATED_PER_BLOCK
from clearing.schema.blocks.block import ProvenOffence
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.governance import (
    AmendmentEnacted,
    InstrumentHalted,
    InstrumentResumed,
    ProposalApproved,
    ProposalClosed,
    ProposalMade,
    SuspenseAssigned,
    ValidatorRemoved,
    VoteCounted,
)
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.receipts.validators import ValidatorsChanged
from clearing.schema.records.governance import ProposalStage
from clearing.schema.records.prices import AuctionOrder
from clearing.schema.requests.governance import InstrumentHalt, InstrumentResumption, SuspenseAssignment
from clearing.schema.terms.genesis import MarketParameters
from clearing.schema.terms.prices import PriceTerms
from clearing.schema.transfers import TransferCode
from clearing.state.export import export_state, import_state
from clearing.state.ledger import SUSPENSE_ACCOUNT, Journal, balance
from tests.kit.clearing.chamber import GOVERNED, TIMELOCK_MS, VOTE_MS, governed_genesis, parliament_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC_FUT, BTC_PERP, CAROL, DOLLAR, SALT, USD
from tests.kit.clearing.replay import replay
from tests.kit.clearing.signer import key_of, validator
from tests.kit.clearing.world import World, codes, kinds, of_all, of_kind

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


HALTED, HALT_REFUSED = ClearingCode.INSTRUMENT_HALTED, ClearingCode.HALT_REFUSED


def test_a_halted_instrument_is_only_reduced_and_goes_on_by_itself(house: World) -> None:
    house.block(house.perp_trade(ALICE, BOB, 4))
    until = house.state.now.height + 10
    proposal = house.proposal(InstrumentHalt(BTC_PERP, until))
    house.block(proposal)
    # In force in the block that agrees, for what comes after the last vote.
    result = house.block(*house.votes(proposal), house.perp_trade(ALICE, BOB))
    assert codes(result) == [HALTED]
    assert of_kind(result, InstrumentHalted) == [InstrumentHalted(BTC_PERP, until, by_house=False)]
    grows, turns = house.perp_trade(CAROL, BOB), house.perp_trade(BOB, ALICE, 5)
    less, other = house.perp_trade(BOB, ALICE, 3), house.perp_trade(ALICE, BOB, instrument=BTC_FUT)
    assert house.refusals(grows, turns, less, other) == [HALTED, HALTED]
    assert house.lots(ALICE, BTC_PERP) == 1
    house.wait(until - 1 - house.state.now.height)
    result = house.block(house.perp_trade(ALICE, BOB))
    assert of_kind(result, InstrumentResumed) == [InstrumentResumed(BTC_PERP, by_vote=False)]
    assert of_kind(result, TradeNovated)


def test_a_vote_ends_a_halt(house: World) -> None:
    house.agree(InstrumentHalt(BTC_PERP, house.state.now.height + 15))
    house.agree(InstrumentResumption(BTC_PERP))
    assert house.last(InstrumentResumed) == [InstrumentResumed(BTC_PERP, by_vote=True)]
    assert not house.refusals(house.perp_trade(ALICE, BOB))
    assert house.refusals(house.proposal(InstrumentResumption(BTC_PERP))) == [HALT_REFUSED]


def test_no_halt_is_longer_than_genesis_allows(house: World) -> None:
    limit = GOVERNED.halt_blocks_max
    # Heights as of the block that judges.
    for ahead in (-1, 1, 2 + limit):
        halt = InstrumentHalt(BTC_PERP, house.state.now.height + ahead)
        assert house.refusals(house.proposal(halt)) == [HALT_REFUSED]
    assert house.refusals(house.proposal(InstrumentHalt(99, 5))) == [ClearingCode.UNKNOWN_INSTRUMENT]


def test_the_house_alone_halts_once_and_rests(house: World) -> None:
    halt = house.halt(BTC_PERP, house.state.now.height + 10)
    forged = msgspec.structs.replace(halt, until_height=halt.until_height + 1)
    assert house.refusals(forged) == [ClearingCode.WRONG_SIGNER]
    assert house.refusals(halt) == []
    assert house.refusals(halt) == [HALT_REFUSED]
    assert house.refusals(house.perp_trade(ALICE, BOB)) == [HALTED]
    assert house.refusals(house.halt(BTC_PERP, house.state.now.height + 20, 1)) == [HALT_REFUSED]
    house.wait(halt.until_height + GOVERNED.halt_rest_blocks - 1 - house.state.now.height)
    assert house.refusals(house.halt(BTC_PERP, house.state.now.height + 10, 0)) == [HALT_REFUSED]
    assert house.refusals(house.halt(BTC_PERP, house.state.now.height + 10, 1)) == []


def test_a_vote_changes_validators_after_the_timelock(house: World) -> None:
    house.agree(house.seats_changed([4], [validator(9)]))
    house.wait()
    assert len(house.last(ValidatorsChanged)) == 1
    assert [each.number for each in house.last(AmendmentEnacted)] == [0]
    house.settle()
    assert set(house.speakers()) == {1, 2, 3, 9}


def test_a_change_of_validators_waits_for_the_one_under_way_and_is_stale_after_it(house: World) -> None:
    house.agree(house.seats_changed([4]))
    house.change([3])
    house.wait(8)
    assert not house.last(ProposalClosed)
    house.block(facts=house.rotations())
    house.wait(5)
    assert [each.code for each in house.every(ProposalClosed)] in ([ClearingCode.WRONG_VALIDATOR_SET], [])
    assert set(house.speakers()) == {1, 2, 4}


@pytest.mark.parametrize(("left", "entered"), [((), (validator(8, 30),)), ((3, 4), ())])
def test_a_vote_moves_no_more_power_than_any_change(
    house: World, left: tuple[int, ...], entered: tuple[Validator, ...]
) -> None:
    proposal = house.proposal(house.seats_changed(left, entered))
    assert house.refusals(proposal) == [ClearingCode.TOO_MUCH_POWER_MOVES]


def test_who_is_proven_to_misbehave_often_enough_loses_its_seat_by_rule_once() -> None:
    house = parliament_world(governed_genesis(terms=msgspec.structs.replace(GOVERNED, removal_offences=2)))
    first, second = (ProvenOffence(key_of(4), 1, height, 0, 10) for height in (1, 2))
    assert not of_kind(house.hear({}, misbehaviour=[first]), ValidatorRemoved)
    result = house.hear({}, misbehaviour=[second])
    assert [(each.envelope_key, each.count) for each in of_kind(result, ValidatorRemoved)] == [(key_of(4), 2)]
    house.settle()
    assert set(house.speakers()) == {1, 2, 3}
    # Taken in again by a vote, it starts anew: what cost it a seat does not cost it the next.
    house.agree(house.seats_changed([], [validator(4)]))
    house.wait()
    house.settle()
    assert set(house.speakers()) == {1, 2, 3, 4}
    assert not of_all(house.results[-3:], ValidatorRemoved)


def test_without_the_rule_misbehaviour_stays_on_record(house: World) -> None:
    for height in range(1, 6):
        house.hear({}, misbehaviour=[ProvenOffence(key_of(4), 1, height, 0, 10)])
    assert set(house.speakers()) == {1, 2, 3, 4}


def test_orders_of_auctions_that_are_no_more_are_forgotten() -> None:
    market = MarketParameters(prices=PriceTerms(auction_blocks=3), epoch_blocks=5)
    house = parliament_world(governed_genesis(market=market))
    fork = house.state.fork()
    fork.auction_orders.put((BTC_PERP, ALICE), AuctionOrder(1, 790_000, 1))
    house.state = fork.absorb()
    after = msgspec.structs.replace(market, prices=PriceTerms())
    trial = trial_state(house.state, msgspec.structs.replace(house.genesis, market=after), house.time_ms)
    assert not list(trial.auction_orders.ordered())
    assert list(house.state.auction_orders.ordered())


def test_money_in_suspense_goes_where_a_vote_says_and_nothing_else_does(house: World) -> None:
    fork = house.state.fork()
    Journal(fork).transfer(BOB, SUSPENSE_ACCOUNT, USD, 40 * DOLLAR, TransferCode.UNPAID_GIVEN_BACK, 0)
    house.state = fork.absorb()
    assert balance(house.state, SUSPENSE_ACCOUNT, USD) == 40 * DOLLAR
    for wrong, code in (
        (SuspenseAssignment(ALICE, USD, 41 * DOLLAR), ClearingCode.BALANCE_TOO_SMALL),
        (SuspenseAssignment(ALICE, USD, 0), ClearingCode.BALANCE_TOO_SMALL),
        (SuspenseAssignment(77, USD, 1), ClearingCode.UNKNOWN_ACCOUNT),
        (SuspenseAssignment(SUSPENSE_ACCOUNT, USD, 1), ClearingCode.UNKNOWN_ACCOUNT),
    ):
        assert house.refusals(house.proposal(wrong)) == [code]
    before = house.cash(ALICE)
    house.agree(SuspenseAssignment(ALICE, USD, 40 * DOLLAR))
    assert of_kind(house.wait(), SuspenseAssigned)
    assert house.cash(ALICE) == before + 40 * DOLLAR
    assert balance(house.state, SUSPENSE_ACCOUNT, USD) == 0
