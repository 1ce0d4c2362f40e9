"""What a member may lack in the fund's stress scenarios between two sizings: no more than the fund was sized for."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.apply_block import apply_transaction
from clearing.context import stress_exposure
from clearing.context.stress_exposure import allowance, stress_exposures
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default_fund import FundCalled, FundSized
from tests.kit.clearing.attackers import attack_genesis, attack_world, with_account, with_member
from tests.kit.clearing.defaults import CLIENT_SECRET, default_world
from tests.kit.clearing.funds import DAVE, KEYED_CLIENT
from tests.kit.clearing.genesis import (
    ALICE,
    ALICE_CLIENT,
    BOB,
    BTC_PERP,
    CAROL,
    DOLLAR,
    ETH_PERP,
    USDC_1,
)
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, of_kind

NOT_COVERED = [ClearingCode.STRESS_NOT_COVERED]
CRASH = 474_000
"""Ticks that a contract of BTC falls by in the crash of 60 %, at 790,000."""
MOST = 10_000 * 1_000_000 // (CRASH * 10)
"""Lots whose loss in the crash is 10,000 dollars."""


@pytest.fixture
def world() -> World:
    """The fund is sized and paid; Alice has 10,000 dollars and no positions."""
    world = attack_world(attack_genesis(growth=True))
    world.bring(alice=10_000)
    return world


def test_a_trade_may_lose_all_own_money_in_the_stress_and_no_cent_more(world: World) -> None:
    assert world.refusals(world.perp_trade(ALICE, BOB, MOST + 1)) == NOT_COVERED
    assert not world.refusals(world.perp_trade(ALICE, BOB, MOST))
    assert world.refusals(world.perp_trade(ALICE, BOB, 1)) == NOT_COVERED
    assert not world.refusals(world.perp_trade(BOB, ALICE, 2 * MOST)), "the rally is no worse than the crash"
    assert world.refusals(world.perp_trade(BOB, ALICE, 1)) == NOT_COVERED


def test_what_reduces_is_accepted_whatever_a_member_lacks(world: World) -> None:
    world.block(world.perp_trade(ALICE, BOB, MOST))
    world.prices(740_000)
    assert any(stress_exposures(world.context()).lacking(1))
    assert not world.refusals(world.perp_trade(BOB, ALICE, 100, ticks=740_000))


def test_money_that_covers_the_growth_does_not_leave_the_members_side(world: World) -> None:
    second = world.open_account(ALICE)
    assert not world.refusals(world.perp_trade(ALICE, BOB, MOST - 1))
    assert not world.refusals(world.transfer(ALICE, second, 5_000 * DOLLAR)), "its own accounts are one estate"
    one = DOLLAR
    leaving = (
        world.withdrawal(second, USDC_1, 100 * one),
        world.transfer(second, KEYED_CLIENT, 100 * one),
        world.swap(second, CAROL, (1, 100 * one), (1, 1)),
    )
    assert world.refusals(*leaving[:2]) == NOT_COVERED * 2
    assert not world.refusals(world.withdrawal(second, USDC_1, one))


def test_an_off_mark_trade_does_not_carry_it_out(world: World) -> None:
    assert not world.refusals(world.perp_trade(ALICE, BOB, MOST))
    assert world.refusals(world.perp_trade(BOB, ALICE, 1_000, ticks=780_000)) == []
    assert world.refusals(world.perp_trade(ALICE, BOB, 1_000, ticks=800_000)) == NOT_COVERED


def test_a_clients_growth_is_covered_by_the_client_or_by_its_member(world: World) -> None:
    world.bring(client=6_000)
    trade = world.perp_trade(ALICE_CLIENT, BOB, MOST + MOST * 6 // 10)
    assert not world.refusals(trade), "6,000 of the client's and 10,000 of the member's"
    assert world.refusals(world.perp_trade(ALICE_CLIENT, BOB, 10)) == NOT_COVERED
    assert world.refusals(world.withdrawal(ALICE, USDC_1, 100 * DOLLAR)) == NOT_COVERED
    assert not world.refusals(world.perp_trade(BOB, ALICE, MOST)), "what the member gains in the crash covers it, too"


def test_one_clients_money_covers_nobody_elses_growth(world: World) -> None:
    world.bring(client=50_000)
    assert world.refusals(world.perp_trade(ALICE, BOB, MOST + 1)) == NOT_COVERED
    assert world.refusals(world.perp_trade(KEYED_CLIENT, BOB, 1)) == [ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN]


def test_no_client_is_ported_to_a_member_that_would_lack_more_than_the_fund_was_sized_for(world: World) -> None:
    world.bring(client=6_000, keyed=6_000)
    world.block(world.perp_trade(ALICE_CLIENT, BOB, MOST), world.perp_trade(KEYED_CLIENT, BOB, MOST // 2))
    world.block(world.withdrawal(CAROL, USDC_1, world.cash(CAROL) - 3_000 * DOLLAR))
    assert world.refusals(world.porting(ALICE_CLIENT, 3)) == NOT_COVERED
    assert not world.refusals(world.porting(KEYED_CLIENT, 3, client=CLIENT_SECRET))
    world.bring(carol=2_000)
    assert not world.refusals(world.porting(ALICE_CLIENT, 3))


def test_a_ported_account_counts_with_its_new_member_within_the_block(world: World) -> None:
    """What is kept up in a block is what the next block counts from the start."""
    world.bring(client=9_000, keyed=6_000)
    world.block(world.perp_trade(ALICE_CLIENT, BOB, MOST), world.perp_trade(KEYED_CLIENT, BOB, MOST // 2))
    porting = world.porting(ALICE_CLIENT, 3)
    to_itself = world.sign(world.perp_trade(ALICE_CLIENT, BOB, 10), buyer_signature=secret(3))
    context = world.context()
    before = [stress_exposures(context).sums(member) for member in (1, 2, 3)]
    for request in (porting, to_itself):
        assert apply_transaction(context, 0, request) is None
    kept = [stress_exposures(context).sums(member) for member in (1, 2, 3)]
    assert not world.refusals(porting, to_itself)
    fresh = stress_exposures(world.context())
    assert kept == [fresh.sums(member) for member in (1, 2, 3)] != before


def test_the_next_sizing_permits_more_once_it_is_paid(world: World) -> None:
    world.block(world.perp_trade(ALICE, BOB, MOST))
    world.pass_epoch()
    (sized,) = of_kind(world.results[-1], FundSized)
    assert sized.scenarios[0].shortfalls[0][0] in (1, 2)
    record = world.state.fund_allowances[1]
    assert record.sized[0] > 0
    assert allowance(world.state, 1)[0] == 0, "called, not paid"
    assert world.refusals(world.perp_trade(ALICE, BOB, 1)) == NOT_COVERED
    missing = world.required(1) - world.state.contributions[1].micros
    assert not world.refusals(world.pay(ALICE, missing))
    assert allowance(world.state, 1) == record.sized
    assert not world.refusals(world.perp_trade(ALICE, BOB, 1))
    world.read_back()


def test_prices_that_let_a_member_lack_more_call_it_in_its_turn(world: World) -> None:
    world.block(world.perp_trade(ALICE, BOB, MOST))
    before = world.state.contributions[1]
    world.prices(700_000)
    for _ in range(4):
        if world.state.contributions[1].called:
            break
        world.block(prices=())
    (called,) = [each for each in world.every(FundCalled) if each.member == 1][-1:]
    added = world.state.contributions[1].required - before.required
    assert added == called.micros == world.state.fund_allowances[1].called > 0
    lacking = stress_exposures(world.context()).lacking(1)
    assert added >= max(lacking) > 0
    world.bring(alice=20_000)
    assert not world.refusals(world.pay(ALICE, called.micros))
    assert allowance(world.state, 1) == (added,) * 2


def test_who_lacks_more_but_has_it_is_not_called(world: World) -> None:
    world.bring(alice=10_000)
    world.block(world.perp_trade(ALICE, BOB, MOST))
    world.prices(700_000)
    world.wait(5)
    assert not world.state.contributions[1].called


def test_the_house_and_networks_without_the_rule_are_free_to_grow() -> None:
    world = attack_world(attack_genesis())
    world.bring(alice=10_000)
    assert not world.refusals(world.perp_trade(ALICE, BOB, 6_000))
    world.pass_epoch()
    assert not list(world.state.fund_allowances.ordered())
    world = attack_world(attack_genesis(growth=True))
    assert not world.refusals(world.perp_trade(0, BOB, 20_000))


def test_a_members_accounts_are_read_once_a_block_however_often_it_trades(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later trades of a block read what the earlier ones changed."""
    read: list[int] = []
    found = stress_exposure.account_stress
    monkeypatch.setattr(stress_exposure, "account_stress", lambda *of: read.append(of[1]) or found(*of))
    world.bring(client=10_000, keyed=10_000)
    read.clear()
    trades = [world.perp_trade(ALICE_CLIENT, CAROL, 10) for _ in range(5)]
    assert not world.refusals(*trades)
    assert read.count(KEYED_CLIENT) + read.count(ALICE) <= 2, "in the turn of Alice, if at all"
    assert read.count(CAROL) <= 5 * 4 + 2


def test_affiliated_accounts_are_netted_and_affiliated_members_are_one() -> None:
    """Long and short of one owner lack nothing; two members of one group are one of the two that fail."""
    sizes = []
    for net in (False, True):
        genesis = with_account(attack_genesis(pool=True, net=net), KEYED_CLIENT, affiliated=True)
        world = default_world(genesis=genesis)
        world.bring(keyed=100_000)
        world.block(world.perp_trade(ALICE, KEYED_CLIENT, 40_000))
        sizes.append(of_kind(world.pass_epoch(), FundSized)[0].sizes[-1])
    assert sizes[0] > 0
    assert sizes[1] == 0
    sizes = []
    for net in (False, True):
        world = default_world(genesis=with_member(attack_genesis(pool=True, net=net), 1, affiliates=(3,)))
        world.bring(bob=100_000)
        world.block(*(world.perp_trade(each, BOB, 20_000) for each in (ALICE, CAROL, DAVE)))
        (sized,) = of_kind(world.pass_epoch(), FundSized)
        sizes.append(dict(sized.scenarios[0].shortfalls))
    assert sizes[1] == {1: 2 * sizes[0][1], 4: sizes[0][4]}


step = st.tuples(
    st.sampled_from((ALICE, BOB, CAROL, ALICE_CLIENT)),
    st.sampled_from((BOB, DAVE, KEYED_CLIENT, ALICE_CLIENT)),
    st.sampled_from((BTC_PERP, ETH_PERP)),
    st.integers(1, 6_000),
)


@given(st.lists(st.one_of(step, st.integers(97, 103)), max_size=12))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_trade_lets_a_member_lack_more_than_before_and_than_was_sized_for(steps: list[Any]) -> None:
    world = attack_world(attack_genesis(growth=True, pool=True))
    world.bring(alice=30_000, client=10_000, keyed=5_000)
    for each in steps:
        if isinstance(each, int):
            world.prices(world.ticks[1] * each // 100)
            continue
        buyer, seller, instrument, lots = each
        if buyer == seller:
            continue
        before = {member: stress_exposures(world.context()).lacking(member) for member in (1, 2, 3, 4)}
        ticks = world.state.marks[instrument].ticks
        if world.refusals(world.perp_trade(buyer, seller, lots, instrument, ticks)):
            continue
        for member, lacked in before.items():
            now = stress_exposures(world.context()).lacking(member)
            allowed = allowance(world.state, member)
            assert all(new <= max(pair) for new, *pair in zip(now, lacked, allowed, strict=True))
