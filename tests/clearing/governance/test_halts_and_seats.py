"""Halts end by themselves, validators come and go by vote or by rule, and suspense is assigned by a vote alone."""

import msgspec
import pytest

from clearing.base.validators import Validator
from clearing.governance.effects import trial_state
from clearing.schema.blocks.block import ProvenOffence
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.governance import (
    AmendmentEnacted,
    InstrumentHalted,
    InstrumentResumed,
    ProposalClosed,
    SuspenseAssigned,
    ValidatorRemoved,
)
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.receipts.validators import ValidatorsChanged
from clearing.schema.records.prices import AuctionOrder
from clearing.schema.requests.governance import (
    InstrumentHalt,
    InstrumentResumption,
    SuspenseAssignment,
)
from clearing.schema.terms.genesis import MarketParameters
from clearing.schema.terms.prices import PriceTerms
from clearing.state.ledger import SUSPENSE_ACCOUNT, balance
from tests.kit.clearing.chamber import GOVERNED, governed_genesis, parliament_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC_FUT, BTC_PERP, CAROL, DOLLAR, USD
from tests.kit.clearing.signer import key_of, validator
from tests.kit.clearing.world import World, codes, of_all, of_kind

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
    house.pay_in(77, 40)
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
