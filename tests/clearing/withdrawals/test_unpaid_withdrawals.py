"""Withdrawals that no vault paid: given back on the agreed fact alone, once, and never beside the other fact."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.codec import decode, encode
from clearing.schema.blocks.block import BlockResult, VoteExtension
from clearing.schema.codes import ClearingCode
from clearing.schema.facts import EXECUTED, NOT_EXECUTED, WithdrawalNotExecuted, fact_key
from clearing.schema.receipts.withdrawals import (
    RefundReason,
    WithdrawalConfirmed,
    WithdrawalExpired,
    WithdrawalRefunded,
)
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits
from clearing.schema.transfers import TransferCode
from clearing.state.ledger import SUSPENSE_ACCOUNT, balance, cash_currency, inventory_units, token_currency
from clearing.withdrawals.refunds import REFUNDS_PER_BLOCK, expired_withdrawals
from tests.kit.clearing.gated import MARKET, VALID_MS, gated, gated_genesis, not_executed, owed_and_held
from tests.kit.clearing.genesis import ALICE, BOB, BTC, DOLLAR, ETH, SALT, USD, USDC_1, USDC_2, VAULTS, WETH_1
from tests.kit.clearing.replay import replay
from tests.kit.clearing.vaults import DEPEG, PAR, SKEW, USDC_FEED, genesis_with
from tests.kit.clearing.world import World, codes, executed, funded, kinds, of_kind, roots

UNITS = 5_000 * DOLLAR
LATER_MS = VALID_MS + 2_000


def released(count: int = 1, account: int = ALICE) -> World:
    """Withdrawals 0 to `count` - 1 of 5,000 dollars, released, their time over."""
    world = gated(give_back_expired=True)
    world.block(*(world.withdrawal(account, USDC_1, UNITS) for _ in range(count)))
    world.block(after_ms=LATER_MS)
    return world


def test_time_alone_gives_nothing_back() -> None:
    world = released()
    for _ in range(5):
        world.block(after_ms=LATER_MS)
    assert world.cash(ALICE) == 95_000 * DOLLAR


def test_on_the_agreed_fact_the_money_comes_back_whole() -> None:
    world = released()
    result = world.block(facts=[not_executed(world, 0)])
    (told,), (back,) = of_kind(result, WithdrawalExpired), of_kind(result, WithdrawalRefunded)
    assert (told.nonce, told.block_number, told.block_time_s - told.not_after_s) == (0, 900, 1)
    assert (back.account, back.credited, back.units, back.remainder) == (ALICE, ALICE, UNITS, 0)
    assert back.reason == RefundReason.NOT_PAID
    assert [(each.code, each.cause) for each in result.transfers] == [(TransferCode.UNPAID_GIVEN_BACK, 0)]
    assert world.cash(ALICE) == 100_000 * DOLLAR
    owed_and_held(world, 100)


def test_two_thirds_of_the_power_are_not_enough() -> None:
    world = released()
    world.block(facts=[not_executed(world, 0)], attesting=2)
    assert world.cash(ALICE) == 95_000 * DOLLAR
    world.block(facts=[not_executed(world, 0)], attesting=3)
    assert world.cash(ALICE) == 100_000 * DOLLAR


def test_words_on_different_blocks_do_not_count_together() -> None:
    world = released()
    one, other = not_executed(world, 0), not_executed(world, 0, block_number=901)
    said = [(one,), (one,), (other,), (other,)]

    block = world.make_block(extensions=[VoteExtension((), facts) for facts in said])
    world.apply(block)
    assert world.cash(ALICE) == 95_000 * DOLLAR


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
def test_a_fact_on_another_vault_nonce_or_time_is_not_even_remembered(change: dict[str, object]) -> None:
    world = released()
    world.block(facts=[not_executed(world, 0, **change)])
    assert world.cash(ALICE) == 95_000 * DOLLAR
    assert not list(world.state.fact_attestations.ordered())


def test_a_block_of_the_very_last_second_is_too_early() -> None:
    world = released()
    last = world.state.withdrawals[0].not_after_s
    world.block(facts=[not_executed(world, 0, block_time_s=last)])
    assert world.cash(ALICE) == 95_000 * DOLLAR
    world.block(facts=[not_executed(world, 0, block_time_s=last + 1)])
    assert world.cash(ALICE) == 100_000 * DOLLAR


def test_what_was_paid_at_the_last_second_is_never_given_back() -> None:
    world = released()
    world.block(facts=[executed(1, 0)])
    world.block(facts=[not_executed(world, 0)])
    assert world.cash(ALICE) == 95_000 * DOLLAR
    assert not list(world.state.fact_attestations.ordered())
    owed_and_held(world, 100, paid=[0])


def test_what_was_given_back_is_not_taken_for_paid_by_a_later_word() -> None:
    world = released()
    world.block(facts=[not_executed(world, 0)])
    result = world.block(facts=[executed(1, 0)])
    assert not of_kind(result, WithdrawalConfirmed)
    assert not world.state.withdrawals[0].executed
    assert not list(world.state.fact_attestations.ordered())


def test_both_facts_claimed_at_once_only_the_one_with_a_quorum_counts_and_the_other_is_forgotten() -> None:

    world = released()
    fact = not_executed(world, 0)
    liar, honest = VoteExtension((), (executed(1, 0),)), VoteExtension((), (fact,))
    world.apply(world.make_block(extensions=[liar, honest, honest]))
    kinds_held = [key[0] for key, _ in world.state.fact_attestations.ordered()]
    assert kinds_held == [EXECUTED, NOT_EXECUTED]
    world.apply(world.make_block(extensions=[liar, honest, honest, honest]))
    assert world.cash(ALICE) == 100_000 * DOLLAR
    assert not list(world.state.fact_attestations.ordered())


def test_both_facts_with_a_quorum_in_one_block_the_first_counts_and_the_reserves_tell_the_rest() -> None:
    """More than a third of the power lies: then nothing is paid twice in the ledger, and no epoch closes on the lie."""
    world = released()
    world.block(facts=[not_executed(world, 0), executed(1, 0)])
    assert world.cash(ALICE) == 100_000 * DOLLAR
    with pytest.raises(AssertionError):
        owed_and_held(world, 100, paid=[0])


def test_a_replayed_fact_gives_nothing_twice() -> None:
    world = released(2)
    world.block(facts=[not_executed(world, 0)])
    for _ in range(3):
        world.block(facts=[not_executed(world, 0)])
    assert world.cash(ALICE) == 95_000 * DOLLAR, "the second is still out"
    world.block(facts=[not_executed(world, 1), not_executed(world, 0)])
    assert world.cash(ALICE) == 100_000 * DOLLAR


def test_without_the_term_nothing_is_given_back() -> None:
    world = funded(genesis=gated_genesis())
    world.block(world.withdrawal(ALICE, USDC_1, UNITS))
    world.block(after_ms=LATER_MS)
    world.block(facts=[not_executed(world, 0)])
    assert world.cash(ALICE) == 95_000 * DOLLAR
    assert not list(expired_withdrawals(world.state, 1, range(world.state.now.withdrawals_released)))


def test_so_many_a_block_and_the_rest_in_the_next() -> None:
    world = gated(give_back_expired=True)
    count = REFUNDS_PER_BLOCK + 3
    world.block(*(world.withdrawal(ALICE, USDC_1, DOLLAR) for _ in range(count)))
    world.block(after_ms=LATER_MS)
    assert [
        nonce for nonce, _ in expired_withdrawals(world.state, 1, range(world.state.now.withdrawals_released))
    ] == list(range(count))
    first = world.block(facts=[not_executed(world, nonce) for nonce in range(count)])
    assert len(of_kind(first, WithdrawalRefunded)) == REFUNDS_PER_BLOCK
    assert len(of_kind(world.block(), WithdrawalRefunded)) == 3
    assert world.cash(ALICE) == 100_000 * DOLLAR
    assert not list(expired_withdrawals(world.state, 1, range(world.state.now.withdrawals_released)))


def test_it_waits_for_room_under_the_cap() -> None:
    world = released()
    asset = world.state.terms.assets[USDC_1]
    flow = world.state.asset_flows[USDC_1]
    lowered = msgspec.structs.replace(asset, cap_units=inventory_units(world.state, asset) + UNITS - 1)
    world.state.terms.assets[USDC_1] = lowered
    world.block(facts=[not_executed(world, 0)])
    assert world.cash(ALICE) == 95_000 * DOLLAR
    assert world.state.asset_flows[USDC_1] == flow
    world.block(world.withdrawal(BOB, USDC_1, 1))
    assert world.cash(ALICE) == 100_000 * DOLLAR


def test_no_deposit_takes_the_room_of_what_is_out_until_it_is_known_to_be_paid() -> None:
    world = released()
    asset = world.state.terms.assets[USDC_1]
    room = asset.cap_units - inventory_units(world.state, asset)
    world.deposit(BOB, USDC_1, room - UNITS + 1)
    assert kinds(world.results[-1]) == ["DepositStray"]
    world.block(facts=[executed(1, 0)])
    owed_and_held(world, 100, paid=[0])
    world.deposit(BOB, USDC_1, room)
    assert kinds(world.results[-1]) == ["DepositCredited"]


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


def collateral_world(**terms: object) -> World:
    base = genesis_with(market=MARKET, **terms)
    return funded(genesis=gated_genesis(base=base, give_back_expired=True), check=True)


def test_out_and_back_through_expiry_earns_nobody_a_skew_rebate() -> None:
    world = collateral_world(skew=SKEW)
    world.deposit(ALICE, USDC_2, 20_000 * DOLLAR)
    everybody = (0, 1, 2, 3, 4)
    start = sum(world.cash(each) for each in everybody)
    for nonce in range(4):
        asset = (USDC_1, USDC_2)[nonce % 2]
        world.block(world.withdrawal(ALICE, asset, 9_000 * DOLLAR))
        world.block(after_ms=LATER_MS)
        world.block(facts=[not_executed(world, nonce)])
        assert sum(world.cash(each) for each in everybody) <= start
        assert len(of_kind(world.results[-1], WithdrawalRefunded)) == 1


def at_price(world: World, ticks: int, **more: object) -> BlockResult:
    return world.block(prices=((BTC, 790_000), (ETH, 20_000), (USDC_FEED, ticks)), **more)


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
    assert world.cash(ALICE) == 95_000 * DOLLAR
    assert of_kind(at_price(world, PAR), WithdrawalRefunded)
    assert world.cash(ALICE) == 100_000 * DOLLAR


def test_a_token_that_left_its_group_comes_back_as_what_it_became() -> None:
    world = beyond_its_band()
    (back,) = of_kind(at_price(world, PAR * 95 // 100), WithdrawalRefunded)
    became = world.state.terms.collateral_after_leaving[USDC_1]
    units, rest = became.to_units(UNITS)
    assert (back.units, back.remainder) == (units, rest)
    claim, inventory, whole = 95_000, 395_000, 395_000
    converted = claim * inventory // whole * DOLLAR // became.base_units
    assert balance(world.state, ALICE, token_currency(USDC_1)) == converted + units


def test_the_fact_is_a_fact_of_its_own_on_the_wire() -> None:
    fact = WithdrawalNotExecuted(1, VAULTS[1], 7, 100, 900, b"\x0d" * 32, 101)
    assert decode(encode(fact), WithdrawalNotExecuted, 1024) == fact
    assert fact_key(fact) == (NOT_EXECUTED, 1, VAULTS[1], 7)


def test_a_log_with_what_was_not_paid_replays_to_the_same_roots() -> None:
    world = released(3)
    world.block(facts=[not_executed(world, 1), executed(1, 2)])
    world.block(facts=[not_executed(world, 0)], attesting=2)
    *_, (_, last) = replay(world.genesis, SALT, world.blocks)
    assert [root.hex() for root in last] == roots(world.state)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(1, 4)), max_size=16))
def test_whatever_is_claimed_each_withdrawal_ends_once_and_the_ledger_counts_the_rest(
    claims: list[tuple[int, bool, int]],
) -> None:
    world = released(4)
    back, paid = set(), set()
    for nonce, is_paid, attesting in claims:
        if nonce > 3:
            continue
        fact = executed(1, nonce) if is_paid else not_executed(world, nonce)
        result = world.block(facts=[fact], attesting=attesting)
        back |= {each.number for each in of_kind(result, WithdrawalRefunded)}
        paid |= {each.nonce for each in of_kind(result, WithdrawalConfirmed)}
        assert not back & paid
    assert world.cash(ALICE) == 80_000 * DOLLAR + UNITS * len(back)
    owed_and_held(world, 100, sorted(paid))


def test_what_waits_of_a_token_beyond_its_band_is_not_taken_back_until_it_is_judged() -> None:
    """Else whoever waits for a token that fell would hand its loss to all others of the group."""
    limits = AssetWithdrawalLimits(USDC_1, delay_above_units=1, delay_blocks=1, owner_units_max=0)
    base = genesis_with(market=MARKET, depeg=DEPEG)
    world = funded(genesis=gated_genesis(limits, base=base, waiting_grace_blocks=1))
    at_price(world, PAR)
    world.block(world.withdrawal(ALICE, USDC_1, UNITS))
    at_price(world, PAR * 95 // 100)
    refused = at_price_asking(world, PAR * 95 // 100, world.withdrawal_cancellation(ALICE, 0))
    assert codes(refused) == [ClearingCode.CASH_GROUP_SUSPENDED]
    assert not of_kind(refused, WithdrawalRefunded), "nor does it lapse meanwhile"
    cleared = at_price_asking(world, PAR, world.withdrawal_cancellation(ALICE, 0))
    assert codes(cleared) == []
    assert world.cash(ALICE) == 100_000 * DOLLAR


def at_price_asking(world: World, ticks: int, request: object) -> BlockResult:
    return world.block(request, prices=((BTC, 790_000), (ETH, 20_000), (USDC_FEED, ticks)))
