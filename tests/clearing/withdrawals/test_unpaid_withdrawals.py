"""Withdrawals that no vault paid: given back on the agreed fact alone, once, and never beside the other fact."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.codec import decode, encode
from clearing.schema.blocks.block import BlockResult, VoteExtension
from clearing.schema.blocks.receipt import Refused
from clearing.schema.codes import ClearingCode
from clearing.schema.facts import EXECUTED, NOT_EXECUTED, Fact, WithdrawalNotExecuted, fact_key
from clearing.schema.receipts.collateral import DepositStray
from clearing.schema.receipts.withdrawals import (
    RefundReason,
    WithdrawalConfirmed,
    WithdrawalExpired,
    WithdrawalRefunded,
)
from clearing.schema.terms.genesis import MarketParameters
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits
from clearing.schema.transfers import TransferCode
from clearing.state.ledger import SUSPENSE_ACCOUNT, balance, cash_currency, inventory_units
from clearing.withdrawals.refunds import REFUNDS_PER_BLOCK, expired_withdrawals
from tests.kit.clearing.chamber import SEVEN, chamber_genesis, chamber_world, say, until_heard
from tests.kit.clearing.gated import MARKET, VALID_MS, gated, gated_genesis, not_executed, owed_and_held
from tests.kit.clearing.genesis import ALICE, BOB, BTC, DOLLAR, ETH, USD, USDC_1, USDC_2, VAULTS, WETH_1
from tests.kit.clearing.signer import validator
from tests.kit.clearing.vaults import DEPEG, PAR, SKEW, USDC_FEED, genesis_with
from tests.kit.clearing.world import World, executed, funded, kinds, of_kind

UNITS = 5_000 * DOLLAR
OUT, BACK = 95_000 * DOLLAR, 100_000 * DOLLAR
"""Alice's cash while one withdrawal is out, and when it came back."""
LATER_MS = VALID_MS + 2_000


def released(count: int = 1, account: int = ALICE) -> World:
    """Withdrawals 0 to `count` - 1 of 5,000 dollars, released, their time over."""
    world = gated(give_back_expired=True)
    world.block(*(world.withdrawal(account, USDC_1, UNITS) for _ in range(count)))
    world.block(after_ms=LATER_MS)
    return world


@pytest.fixture
def world() -> World:
    """Withdrawal 0 of Alice's is out, its time over."""
    return released()


def expired(world: World) -> list[int]:
    """Nonces of chain 1 that wait to be given back."""
    nonces = range(world.state.now.withdrawals_released)
    return [nonce for nonce, _ in expired_withdrawals(world.state, 1, nonces)]


def said(world: World, *facts: Sequence[Fact]) -> BlockResult:
    """A block in which each validator tells facts of its own."""
    return world.apply(world.make_block(extensions=[VoteExtension((), tuple(each)) for each in facts]))


def test_time_alone_gives_nothing_back(world: World) -> None:
    for _ in range(5):
        world.block(after_ms=LATER_MS)
    assert world.cash(ALICE) == OUT


def test_on_the_agreed_fact_the_money_comes_back_whole(world: World) -> None:
    result = world.block(facts=[not_executed(world, 0)])
    (lapsed,), (back,) = of_kind(result, WithdrawalExpired), of_kind(result, WithdrawalRefunded)
    assert (lapsed.nonce, lapsed.block_number, lapsed.block_time_s - lapsed.not_after_s) == (0, 900, 1)
    assert (back.account, back.credited, back.units, back.remainder) == (ALICE, ALICE, UNITS, 0)
    assert back.reason == RefundReason.NOT_PAID
    assert [(each.code, each.cause) for each in result.transfers] == [(TransferCode.UNPAID_GIVEN_BACK, 0)]
    assert world.cash(ALICE) == BACK
    owed_and_held(world, 100)


def test_two_thirds_of_the_power_are_not_enough(world: World) -> None:
    for attesting, cash in ((2, OUT), (3, BACK)):
        world.block(facts=[not_executed(world, 0)], attesting=attesting)
        assert world.cash(ALICE) == cash


def test_words_on_different_blocks_do_not_count_together(world: World) -> None:
    one, other = [not_executed(world, 0)], [not_executed(world, 0, block_number=901)]
    said(world, one, one, other, other)
    assert world.cash(ALICE) == OUT


@pytest.mark.parametrize(
    "change",
    [
        {"vault": VAULTS[2]},
        {"chain_id": 2, "vault": VAULTS[2]},
        {"chain_id": 2},
        {"nonce": 1},
        {"nonce": 2**63 - 1},
        {"not_after_s": 1},
        {"not_after_s": 2**40},
        {"block_time_s": 0},
    ],
    ids=str,
)
def test_a_fact_on_another_vault_nonce_or_time_is_not_even_remembered(world: World, change: dict[str, object]) -> None:
    world.block(facts=[not_executed(world, 0, **change)])
    assert world.cash(ALICE) == OUT
    assert not list(world.state.fact_attestations.ordered())


def test_a_block_of_the_very_last_second_is_too_early(world: World) -> None:
    last = world.state.withdrawals[0].not_after_s
    for time_s, cash in ((last, OUT), (last + 1, BACK)):
        world.block(facts=[not_executed(world, 0, block_time_s=time_s)])
        assert world.cash(ALICE) == cash


def test_what_was_paid_at_the_last_second_is_never_given_back(world: World) -> None:
    world.block(facts=[executed(1, 0)])
    world.block(facts=[not_executed(world, 0)])
    assert world.cash(ALICE) == OUT
    assert not list(world.state.fact_attestations.ordered())
    owed_and_held(world, 100, paid=[0])


def test_what_was_given_back_is_not_taken_for_paid_by_a_later_word(world: World) -> None:
    world.block(facts=[not_executed(world, 0)])
    assert not of_kind(world.block(facts=[executed(1, 0)]), WithdrawalConfirmed)
    assert not world.state.withdrawals[0].executed
    assert not list(world.state.fact_attestations.ordered())


def test_both_facts_claimed_at_once_only_the_one_with_a_quorum_counts_and_the_other_is_forgotten(world: World) -> None:
    paid, unpaid = [executed(1, 0)], [not_executed(world, 0)]
    said(world, paid, unpaid, unpaid)
    assert [key[0] for key, _ in world.state.fact_attestations.ordered()] == [EXECUTED, NOT_EXECUTED]
    said(world, paid, unpaid, unpaid, unpaid)
    assert world.cash(ALICE) == BACK
    assert not list(world.state.fact_attestations.ordered())


def test_both_facts_with_a_quorum_in_one_block_the_first_counts_and_the_reserves_tell_the_rest(world: World) -> None:
    """More than a third of the power lies: then nothing is paid twice in the ledger, and no epoch closes on the lie."""
    world.block(facts=[not_executed(world, 0), executed(1, 0)])
    assert world.cash(ALICE) == BACK
    with pytest.raises(AssertionError):
        owed_and_held(world, 100, paid=[0])


def test_a_replayed_fact_gives_nothing_twice() -> None:
    world = released(2)
    for _ in range(4):
        world.block(facts=[not_executed(world, 0)])
    assert world.cash(ALICE) == OUT, "the second is still out"
    world.block(facts=[not_executed(world, 1), not_executed(world, 0)])
    assert world.cash(ALICE) == BACK


def test_without_the_term_nothing_is_given_back() -> None:
    world = funded(genesis=gated_genesis())
    world.block(world.withdrawal(ALICE, USDC_1, UNITS))
    world.block(after_ms=LATER_MS)
    world.block(facts=[not_executed(world, 0)])
    assert (world.cash(ALICE), expired(world)) == (OUT, [])


def test_so_many_a_block_and_the_rest_in_the_next() -> None:
    world = gated(give_back_expired=True)
    count = REFUNDS_PER_BLOCK + 3
    world.block(*(world.withdrawal(ALICE, USDC_1, DOLLAR) for _ in range(count)))
    world.block(after_ms=LATER_MS)
    assert expired(world) == list(range(count))
    first = world.block(facts=[not_executed(world, nonce) for nonce in range(count)])
    refunded = [len(of_kind(result, WithdrawalRefunded)) for result in (first, world.block())]
    assert refunded == [REFUNDS_PER_BLOCK, 3]
    assert (world.cash(ALICE), expired(world)) == (BACK, [])


def test_it_waits_for_room_under_the_cap(world: World) -> None:
    terms, flow = world.state.terms, world.state.asset_flows[USDC_1]
    cap = inventory_units(world.state, terms.assets[USDC_1]) + UNITS - 1
    terms.assets[USDC_1] = msgspec.structs.replace(terms.assets[USDC_1], cap_units=cap)
    world.block(facts=[not_executed(world, 0)])
    assert (world.cash(ALICE), world.state.asset_flows[USDC_1]) == (OUT, flow)
    world.block(world.withdrawal(BOB, USDC_1, 1))
    assert world.cash(ALICE) == BACK


def test_no_deposit_takes_the_room_of_what_is_out_until_it_is_known_to_be_paid(world: World) -> None:
    asset = world.state.terms.assets[USDC_1]
    room = asset.cap_units - inventory_units(world.state, asset)
    assert of_kind(world.deposit(BOB, USDC_1, room - UNITS + 1), DepositStray)
    world.block(facts=[executed(1, 0)])
    owed_and_held(world, 100, paid=[0])
    assert kinds(world.deposit(BOB, USDC_1, room)) == ["DepositCredited"]


def test_a_token_comes_back_as_the_token_that_it_was() -> None:
    world = gated(give_back_expired=True)
    world.deposit(ALICE, WETH_1, 10 * DOLLAR)
    world.block(world.withdrawal(ALICE, WETH_1, 4 * DOLLAR))
    world.block(after_ms=LATER_MS)
    world.block(facts=[not_executed(world, 0)])
    assert world.weth(ALICE) == 10 * DOLLAR
    owed_and_held(world, 100)


def test_a_closed_accounts_money_goes_where_governance_finds_it() -> None:
    world = released(account=BOB)
    world.state.accounts.remove(BOB)
    (back,) = of_kind(world.block(facts=[not_executed(world, 0)]), WithdrawalRefunded)
    assert (back.account, back.credited) == (BOB, SUSPENSE_ACCOUNT)
    assert balance(world.state, SUSPENSE_ACCOUNT, cash_currency(USD)) == UNITS


def collateral_world(*limits: AssetWithdrawalLimits, waiting_grace_blocks: int = 20, **terms: object) -> World:
    base = genesis_with(market=MARKET, **terms)
    gates = {"give_back_expired": True, "waiting_grace_blocks": waiting_grace_blocks}
    return funded(genesis=gated_genesis(*limits, base=base, **gates))


def test_out_and_back_through_expiry_earns_nobody_a_skew_rebate() -> None:
    world = collateral_world(skew=SKEW)
    world.deposit(ALICE, USDC_2, 20_000 * DOLLAR)
    start = world.everything()
    for nonce in range(4):
        world.block(world.withdrawal(ALICE, (USDC_1, USDC_2)[nonce % 2], 9_000 * DOLLAR))
        world.block(after_ms=LATER_MS)
        assert len(of_kind(world.block(facts=[not_executed(world, nonce)]), WithdrawalRefunded)) == 1
        assert world.everything() <= start


def at_price(world: World, ticks: int, *requests: object, **more: object) -> BlockResult:
    return world.block(*requests, prices=((BTC, 790_000), (ETH, 20_000), (USDC_FEED, ticks)), **more)


def beyond_its_band() -> World:
    """A withdrawal of 5,000 dollars that nobody paid, agreed on in the second block of a depeg."""
    world = collateral_world(depeg=DEPEG)
    at_price(world, PAR)
    world.block(world.withdrawal(ALICE, USDC_1, UNITS))
    at_price(world, PAR, after_ms=LATER_MS)
    at_price(world, PAR * 95 // 100)
    result = at_price(world, PAR * 95 // 100, facts=[not_executed(world, 0)])
    assert of_kind(result, WithdrawalExpired)
    assert not of_kind(result, WithdrawalRefunded)
    return world


def test_a_token_beyond_its_band_is_given_back_as_cash_once_it_is_cleared() -> None:
    world = beyond_its_band()
    assert world.cash(ALICE) == OUT
    assert of_kind(at_price(world, PAR), WithdrawalRefunded)
    assert world.cash(ALICE) == BACK


def test_a_token_that_left_its_group_comes_back_as_what_it_became() -> None:
    world = beyond_its_band()
    (back,) = of_kind(at_price(world, PAR * 95 // 100), WithdrawalRefunded)
    became = world.state.terms.collateral_after_leaving[USDC_1]
    assert (back.units, back.remainder) == became.to_units(UNITS)
    claim, inventory, whole = 95_000, 395_000, 395_000
    converted = claim * inventory // whole * DOLLAR // became.base_units
    assert world.units(ALICE, USDC_1) == converted + back.units


def test_the_fact_is_a_fact_of_its_own_on_the_wire() -> None:
    fact = WithdrawalNotExecuted(1, VAULTS[1], 7, 100, 900, b"\x0d" * 32, 101)
    assert decode(encode(fact), WithdrawalNotExecuted, 1024) == fact
    assert fact_key(fact) == (NOT_EXECUTED, 1, VAULTS[1], 7)


def test_a_log_with_what_was_not_paid_replays_to_the_same_roots() -> None:
    world = released(3)
    world.block(facts=[not_executed(world, 1), executed(1, 2)])
    world.block(facts=[not_executed(world, 0)], attesting=2)
    world.check_replay()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(1, 4)), max_size=16))
def test_whatever_is_claimed_each_withdrawal_ends_once_and_the_ledger_counts_the_rest(
    claims: list[tuple[int, bool, int]],
) -> None:
    world = released(4)
    back, paid = set(), set()
    for nonce, is_paid, attesting in claims:
        fact = executed(1, nonce) if is_paid else not_executed(world, nonce)
        result = world.block(facts=[fact], attesting=attesting)
        back |= {each.number for each in of_kind(result, WithdrawalRefunded)}
        paid |= {each.nonce for each in of_kind(result, WithdrawalConfirmed)}
        assert not back & paid
    assert world.cash(ALICE) == 80_000 * DOLLAR + UNITS * len(back)
    owed_and_held(world, 100, sorted(paid))


def test_what_waits_of_a_token_beyond_its_band_is_not_taken_back_until_it_is_judged() -> None:
    """Else a member that waits for a token that fell would hand its loss to all others of the group."""
    limits = AssetWithdrawalLimits(USDC_1, delay_above_units=1, delay_blocks=1, owner_units_max=0)
    world = collateral_world(limits, waiting_grace_blocks=1, depeg=DEPEG)
    at_price(world, PAR)
    world.block(world.withdrawal(ALICE, USDC_1, UNITS))
    at_price(world, PAR * 95 // 100)
    for ticks, refused in ((PAR * 95 // 100, [ClearingCode.CASH_GROUP_SUSPENDED]), (PAR, [])):
        result = at_price(world, ticks, world.withdrawal_cancellation(ALICE, 0))
        assert [each.code for each in of_kind(result, Refused)] == refused
        assert bool(of_kind(result, WithdrawalRefunded)) is not bool(refused), "nor does it lapse meanwhile"
    assert world.cash(ALICE) == BACK


@pytest.fixture
def chamber() -> World:
    """Seven validators; Alice has 5 dollars of which 3 were withdrawn and never paid."""
    market = MarketParameters(move_cap_ppm=900_000, epoch_blocks=5, withdrawal_valid_ms=2_000)
    chamber = chamber_world(genesis=gated_genesis(base=chamber_genesis(SEVEN, market), give_back_expired=True))
    say(chamber, dict.fromkeys(SEVEN, (chamber.deposit_fact(ALICE, USDC_1, 5 * DOLLAR),)))
    chamber.hear({}, chamber.withdrawal(ALICE, USDC_1, 3 * DOLLAR))
    chamber.hear({}, after_ms=10_000)
    say(chamber, dict.fromkeys((1, 2, 3, 4), (not_executed(chamber, 0),)))
    assert chamber.cash(ALICE) == 2 * DOLLAR, "four of seven"
    return chamber


def test_a_quorum_that_only_lacked_who_left_gives_back_without_another_word(chamber: World) -> None:
    chamber.hear({}, chamber.signed(chamber.unsigned([6, 7])))
    assert chamber.cash(ALICE) == 2 * DOLLAR, "four of seven"
    until_heard(chamber)
    assert chamber.cash(ALICE) == 5 * DOLLAR, "four of five"
    assert not list(chamber.state.fact_attestations.ordered())


def test_who_left_does_not_count(chamber: World) -> None:
    fact = not_executed(chamber, 0)
    chamber.hear({}, chamber.signed(chamber.unsigned([1, 2], [validator(9), validator(10)])))
    until_heard(chamber)
    say(chamber, dict.fromkeys((5, 6), (fact,)))
    assert chamber.cash(ALICE) == 2 * DOLLAR, "four of seven, for two of those who said it left"
    say(chamber, {9: (fact,)})
    assert chamber.cash(ALICE) == 5 * DOLLAR


def test_a_word_that_changes_its_mind_is_one_word(chamber: World) -> None:
    for number in (901, 900, 901, 900, 901):
        say(chamber, dict.fromkeys((1, 2, 3, 4), (not_executed(chamber, 0, block_number=number),)))
    (claim,) = [claim for _, claim in chamber.state.fact_attestations.ordered()]
    assert len(claim.attestations) == 4
    assert chamber.cash(ALICE) == 2 * DOLLAR
