"""Halts end by themselves, validators go by vote or by rule, and a vault that never returns holds nobody up."""

import msgspec
import pytest

from clearing.base.errors import Rejected
from clearing.context.block_context import BlockContext
from clearing.deposits.soft_credit import recall_vault_credit
from clearing.epochs.snapshot import take_snapshot
from clearing.governance.effects import trial_state, validate_terms
from clearing.governance.vault_detachment import genesis_without_detached
from clearing.schema.blocks.block import BlockInput, ProvenOffence
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.governance import (
    AmendmentEnacted,
    InstrumentHalted,
    InstrumentResumed,
    ProposalClosed,
    SuspenseAssigned,
    ValidatorRemoved,
    VaultDetached,
)
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.receipts.validators import ValidatorChangeFinished, ValidatorsChanged
from clearing.schema.records.prices import AuctionOrder
from clearing.schema.requests.governance import (
    InstrumentHalt,
    InstrumentResumption,
    SuspenseAssignment,
    ValidatorsAmendment,
)
from clearing.schema.terms.genesis import MarketParameters
from clearing.schema.terms.prices import PriceTerms
from clearing.state.export import export_state, import_state
from clearing.state.ledger import SUSPENSE_ACCOUNT, balance, soft_credit_of
from clearing.validators.validator_sets import set_numbers, stored_set
from tests.kit.clearing.chamber import GOVERNED, TIMELOCK_MS, governed_genesis, parliament_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC_FUT, BTC_PERP, CAROL, DOLLAR, SALT, USD, VAULTS
from tests.kit.clearing.gone_chain import GONE, stuck
from tests.kit.clearing.signer import key_of, validator
from tests.kit.clearing.vaults import lending
from tests.kit.clearing.whole_state import check_whole_ledger
from tests.kit.clearing.world import codes, of_kind

HALTED, HALT_REFUSED = ClearingCode.INSTRUMENT_HALTED, ClearingCode.HALT_REFUSED


def test_a_halted_instrument_is_only_reduced_and_goes_on_by_itself() -> None:
    house = parliament_world()
    house.block(house.trade(ALICE, BOB, BTC_PERP, 4, 790_000))
    until = house.state.now.height + 10
    proposal = house.proposal(InstrumentHalt(BTC_PERP, until))
    house.block(proposal)
    # In force in the block that agrees, for what comes after the last vote.
    result = house.block(*house.votes(proposal), house.trade(ALICE, BOB, BTC_PERP, 1, 790_000))
    assert codes(result) == [HALTED]
    assert of_kind(result, InstrumentHalted) == [InstrumentHalted(BTC_PERP, until, by_house=False)]
    grows, turns = house.trade(CAROL, BOB, BTC_PERP, 1, 790_000), house.trade(BOB, ALICE, BTC_PERP, 5, 790_000)
    less, other = house.trade(BOB, ALICE, BTC_PERP, 3, 790_000), house.trade(ALICE, BOB, BTC_FUT, 1, 790_000)
    assert codes(house.block(grows, turns, less, other)) == [HALTED, HALTED]
    assert house.lots(ALICE, BTC_PERP) == 1
    while house.state.now.height < until - 1:
        house.block()
    result = house.block(house.trade(ALICE, BOB, BTC_PERP, 1, 790_000))
    assert of_kind(result, InstrumentResumed) == [InstrumentResumed(BTC_PERP, by_vote=False)]
    assert of_kind(result, TradeNovated)


def test_a_vote_ends_a_halt() -> None:
    house = parliament_world()
    house.agree(InstrumentHalt(BTC_PERP, house.state.now.height + 15))
    house.agree(InstrumentResumption(BTC_PERP))
    assert house.last(InstrumentResumed) == [InstrumentResumed(BTC_PERP, by_vote=True)]
    assert codes(house.block(house.trade(ALICE, BOB, BTC_PERP, 1, 790_000))) == []
    assert codes(house.block(house.proposal(InstrumentResumption(BTC_PERP)))) == [HALT_REFUSED]


def test_no_halt_is_longer_than_genesis_allows() -> None:
    house = parliament_world()
    limit = GOVERNED.halt_blocks_max
    # Heights as of the block that judges.
    for ahead in (-1, 1, 2 + limit):
        halt = InstrumentHalt(BTC_PERP, house.state.now.height + ahead)
        assert codes(house.block(house.proposal(halt))) == [HALT_REFUSED]
    assert codes(house.block(house.proposal(InstrumentHalt(99, 5)))) == [ClearingCode.UNKNOWN_INSTRUMENT]


def test_the_house_alone_halts_once_and_rests() -> None:
    house = parliament_world()
    halt = house.halt(BTC_PERP, house.state.now.height + 10)
    forged = msgspec.structs.replace(halt, until_height=halt.until_height + 1)
    assert codes(house.block(forged)) == [ClearingCode.WRONG_SIGNER]
    assert codes(house.block(halt)) == []
    assert codes(house.block(halt)) == [HALT_REFUSED]
    assert codes(house.block(house.trade(ALICE, BOB, BTC_PERP, 1, 790_000))) == [HALTED]
    again = house.halt(BTC_PERP, house.state.now.height + 20, 1)
    assert codes(house.block(again)) == [HALT_REFUSED]
    while house.state.now.height < halt.until_height + GOVERNED.halt_rest_blocks - 1:
        house.block()
    assert codes(house.block(house.halt(BTC_PERP, house.state.now.height + 10, 0))) == [HALT_REFUSED]
    assert codes(house.block(house.halt(BTC_PERP, house.state.now.height + 10, 1))) == []


def test_a_vote_changes_validators_after_the_timelock() -> None:
    house = parliament_world()
    before = stored_set(house.state, set_numbers(house.state).next).hash
    house.agree(ValidatorsAmendment(before, (key_of(4),), (validator(9),)))
    result = house.wait()
    assert len(of_kind(result, ValidatorsChanged)) == 1
    assert of_kind(result, AmendmentEnacted)[0].number == 0
    house.settle()
    assert set(house.speakers()) == {1, 2, 3, 9}


def test_a_change_of_validators_waits_for_the_one_under_way_and_is_stale_after_it() -> None:
    house = parliament_world()
    before = stored_set(house.state, set_numbers(house.state).next).hash
    house.agree(ValidatorsAmendment(before, (key_of(4),), ()))
    house.change([3])
    house.wait(8)
    assert not house.last(ProposalClosed)
    house.block(facts=house.rotations())
    house.wait(5)
    closed = [each for result in house.results for each in of_kind(result, ProposalClosed)]
    assert [each.code for each in closed] in ([ClearingCode.WRONG_VALIDATOR_SET], [])
    assert set(house.speakers()) == {1, 2, 4}


@pytest.mark.parametrize("entered", [(validator(8, 30),), ()])
def test_a_vote_moves_no_more_power_than_any_change(entered: tuple[object, ...]) -> None:
    house = parliament_world()
    before = stored_set(house.state, set_numbers(house.state).next).hash
    left = () if entered else tuple(sorted((key_of(3), key_of(4))))
    told = codes(house.block(house.proposal(ValidatorsAmendment(before, left, entered))))  # type: ignore[arg-type]
    assert told == [ClearingCode.TOO_MUCH_POWER_MOVES]


def test_who_is_proven_to_misbehave_often_enough_loses_its_seat_by_rule_once() -> None:
    house = parliament_world(governed_genesis(terms=msgspec.structs.replace(GOVERNED, removal_offences=2)))
    first, second = (ProvenOffence(key_of(4), 1, height, 0, 10) for height in (1, 2))
    assert not of_kind(house.hear({}, misbehaviour=[first]), ValidatorRemoved)
    result = house.hear({}, misbehaviour=[second])
    assert [(each.envelope_key, each.count) for each in of_kind(result, ValidatorRemoved)] == [(key_of(4), 2)]
    house.settle()
    assert set(house.speakers()) == {1, 2, 3}
    # Taken in again by a vote, it starts anew: what cost it a seat does not cost it the next.
    before = stored_set(house.state, set_numbers(house.state).next).hash
    house.agree(ValidatorsAmendment(before, (), (validator(4),)))
    house.wait()
    house.settle()
    assert set(house.speakers()) == {1, 2, 3, 4}
    assert not any(of_kind(each, ValidatorRemoved) for each in house.results[-3:])


def test_without_the_rule_misbehaviour_stays_on_record() -> None:
    house = parliament_world()
    for height in range(1, 6):
        house.hear({}, misbehaviour=[ProvenOffence(key_of(4), 1, height, 0, 10)])
    assert set(house.speakers()) == {1, 2, 3, 4}


def test_a_vault_is_detached_only_after_it_was_waited_for() -> None:
    house = stuck(guarded=True)
    assert codes(house.block(house.proposal(GONE))) == [ClearingCode.DETACHMENT_REFUSED]
    house.wait(10)
    assert codes(house.block(house.proposal(msgspec.structs.replace(GONE, chain_id=1, vault=VAULTS[1])))) == [
        ClearingCode.DETACHMENT_REFUSED
    ]
    assert codes(house.block(house.proposal(GONE))) == []


def test_cash_that_cannot_leave_its_group_keeps_its_vault() -> None:
    house = stuck(guarded=False)
    house.wait(10)
    assert codes(house.block(house.proposal(GONE))) == [ClearingCode.DETACHMENT_REFUSED]


def test_a_detached_vault_lets_validators_change_and_takes_and_pays_nothing_more() -> None:
    house = stuck(guarded=True)
    house.wait(10)
    house.agree(GONE, (1, 2, 3))
    result = house.wait(TIMELOCK_MS // 1_000)
    assert [(each.chain_id, each.set_number) for each in of_kind(result, VaultDetached)] == [(2, 0)]
    assert of_kind(result, AmendmentEnacted)[0].number == 1
    house.wait(4)
    assert 0 not in house.state.set_changes
    assert any(of_kind(each, ValidatorChangeFinished) for each in house.results)
    check_whole_ledger(house.state)
    # Claims on the group gave up their share of what is stuck, and that counts for nothing.
    assert house.cash(BOB) < 4_000 * DOLLAR
    # What still comes in there is not taken in, and nothing leaves.
    before = house.cash(ALICE)
    house.block(facts=[house.deposit_fact(ALICE, 2, 500 * DOLLAR)])
    assert house.cash(ALICE) == before
    assert codes(house.block(house.withdrawal(ALICE, 2, 1))) == [ClearingCode.CHAIN_SILENT]
    # The next change waits for the living only.
    house.change([8])
    assert house.state.set_changes[0].awaited_vaults == ((1, VAULTS[1]),)
    assert [chain.chain_id for chain in genesis_without_detached(house.state).chains] == [1]
    copy = import_state(house.genesis, SALT, export_state(house.state))
    assert (copy.terms.genesis, copy.module_roots()) == (house.state.terms.genesis, house.state.module_roots())


@pytest.mark.parametrize("known", [True, False])
def test_epochs_close_again_after_a_vault_was_detached_whatever_was_last_seen_of_it(known: bool) -> None:
    house = stuck(guarded=True)
    if known:
        behind = house.custody_facts(400)
        house.block(facts=[house.deposit_fact(BOB, 2, 5 * DOLLAR)])
        house.block(facts=behind)
    house.wait(10)
    house.agree(GONE, (1, 2, 3))
    house.wait(6)
    living = [fact for fact in house.custody_facts(800) if fact.chain_id == 1]
    house.block(facts=living)
    house.wait(6)
    statement = take_snapshot(house.state).statement
    lost = next(term for term in statement.custody if term.chain_id == 2)
    assert lost.held > 0
    assert int.from_bytes(lost.later, "big") == 0


def test_nothing_is_listed_on_a_detached_vault_nor_made_to_count_again() -> None:
    """What is listed there would never be proven: no epoch could close any more."""
    house = stuck(guarded=True)
    house.wait(10)
    house.agree(GONE, (1, 2, 3))
    house.wait(6)
    dead = house.state.terms.assets[2]
    fresh = msgspec.structs.replace(dead, id=9, name="LATE-2", token=b"\x77" * 20)
    for place in (("assets.9", fresh), ("assets.2.cap_units", 1), ("assets.2.depeg.haircut_ppm", 20_000)):
        found = validate_terms(house.state, house.changes(place))
        assert isinstance(found, Rejected)
        assert dict(found.values)["why"] == "its vault is detached"
    living = msgspec.structs.replace(fresh, chain_id=1, vault=VAULTS[1])
    assert not isinstance(validate_terms(house.state, house.changes(("assets.9", living))), Rejected)


def test_loans_against_deposits_of_a_detached_vault_are_called_back() -> None:
    world = lending()
    seen, _ = world.sighted(ALICE, 1, 10_000 * DOLLAR)
    world.block(facts=(seen,))
    assert soft_credit_of(world.state, ALICE, USD) == 8_000 * DOLLAR
    fork = world.state.fork()
    context = BlockContext(fork, BlockInput(world.state.now.height + 1, world.time_ms, (), 40, ()))
    recall_vault_credit(context, seen.chain_id, seen.vault)
    context.journal.check_conserved()
    assert soft_credit_of(fork, ALICE, USD) == soft_credit_of(fork, 0, USD) == 0
    check_whole_ledger(fork)
    receipts = len(context.receipts)
    recall_vault_credit(context, seen.chain_id, seen.vault)
    assert len(context.receipts) == receipts, "once"


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


def test_money_in_suspense_goes_where_a_vote_says_and_nothing_else_does() -> None:
    house = parliament_world()
    house.block(facts=[house.deposit_fact(77, 1, 40 * DOLLAR)])
    assert balance(house.state, SUSPENSE_ACCOUNT, USD) == 40 * DOLLAR
    for wrong, code in (
        (SuspenseAssignment(ALICE, USD, 41 * DOLLAR), ClearingCode.BALANCE_TOO_SMALL),
        (SuspenseAssignment(ALICE, USD, 0), ClearingCode.BALANCE_TOO_SMALL),
        (SuspenseAssignment(77, USD, 1), ClearingCode.UNKNOWN_ACCOUNT),
        (SuspenseAssignment(SUSPENSE_ACCOUNT, USD, 1), ClearingCode.UNKNOWN_ACCOUNT),
    ):
        assert codes(house.block(house.proposal(wrong))) == [code]
    before = house.cash(ALICE)
    house.agree(SuspenseAssignment(ALICE, USD, 40 * DOLLAR))
    assert of_kind(house.wait(), SuspenseAssigned)
    assert house.cash(ALICE) == before + 40 * DOLLAR
    assert balance(house.state, SUSPENSE_ACCOUNT, USD) == 0
