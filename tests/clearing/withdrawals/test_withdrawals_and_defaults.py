"""Withdrawals of a member that fails, or is short in one account: nobody runs from what others would have to pay."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import msgspec
import pytest

from clearing.context import member_status
from clearing.context.unresolved_losses import resolution_deadline, unresolved_micros
from clearing.schema.blocks.receipt import Refused
from clearing.schema.codes import ClearingCode as C
from clearing.schema.receipts.default import DefaultDeclared, DefaultEnded
from clearing.schema.receipts.withdrawals import RefundReason, WithdrawalRefunded, WithdrawalReleased
from clearing.schema.records.default import MemberStatus
from clearing.schema.requests.accounts import CashTransfer
from clearing.schema.requests.withdrawals import Withdrawal
from clearing.schema.terms.genesis import CrisisParameters, Genesis
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits
from clearing.withdrawals import uncovered_accounts
from tests.kit.clearing.defaults import NO_FUND, default_genesis, default_world
from tests.kit.clearing.fund import fund_world
from tests.kit.clearing.gated import gated_genesis, may_withdraw
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, BTC, BTC_PERP, CAROL, DOLLAR, ETH, USDC_1, WETH_1
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, of_all, of_kind

LOTS = 40_000
NEEDED = [C.COLLATERAL_NEEDED_FOR_MARGIN]
DELAY = AssetWithdrawalLimits(USDC_1, delay_above_units=1, delay_blocks=200)


def with_own_accounts() -> Genesis:
    """The genesis of defaults, in which Alice's client is another account of her own."""
    genesis = default_genesis(fund=NO_FUND)
    house, alice, *others = genesis.members
    own = tuple(msgspec.structs.replace(each, kind=0) if each.id == ALICE_CLIENT else each for each in alice.accounts)
    return msgspec.structs.replace(genesis, members=(house, msgspec.structs.replace(alice, accounts=own), *others))


def gated_default_world(*limits: AssetWithdrawalLimits, base: Genesis | None = None, **terms: object) -> World:
    """The network of defaults, behind gates."""
    return default_world(genesis=gated_genesis(*limits, base=base or default_genesis(fund=NO_FUND), **terms))


def test_what_waits_comes_back_in_time_to_spare_everybody_the_default() -> None:
    plain, gated = gated_default_world(), gated_default_world(DELAY)
    for world in (plain, gated):
        world.bring(alice=20_000)
        world.block(world.perp_trade(ALICE, BOB, LOTS))
        assert world.refused(world.withdrawal(ALICE, USDC_1, 20_000 * DOLLAR)) == []
        world.prices(790_000)
    assert of_kind(plain.fall(500_000), DefaultDeclared)
    assert unresolved_micros(plain.state) == 16_000 * DOLLAR
    results = [gated.prices(500_000), *(gated.block() for _ in range(3))]
    assert not of_all(results, DefaultDeclared)
    backs = [(each.units, each.reason) for each in of_all(results, WithdrawalRefunded)]
    assert backs == [(20_000 * DOLLAR, RefundReason.MARGIN)]
    assert not list(gated.state.delayed_withdrawals.ordered())


def test_survivors_leave_their_part_of_a_real_default_behind_and_the_defaulter_takes_nothing() -> None:
    world = gated_default_world(deficit_reserve=True)
    world.block(world.perp_trade(ALICE, BOB, LOTS))
    (declared,) = of_kind(world.fall(500_000), DefaultDeclared)
    assert world.status(1) is MemberStatus.DEFAULTING
    deficit, until = unresolved_micros(world.state), resolution_deadline(world.state)
    assert (deficit, until) == (16_000 * DOLLAR, declared.deadline_height)
    asked = world.withdrawal(CAROL, USDC_1, 100_000 * DOLLAR), world.withdrawal(ALICE, USDC_1, 1)
    assert world.refused(*asked) == [C.DEFICIT_RESERVE, C.MEMBER_NOT_ACTIVE]
    part = -(-deficit * 100_000 // 500_000)
    may_withdraw(world, CAROL, 100_000 * DOLLAR - part, [C.DEFICIT_RESERVE])
    world.until_ended()
    assert world.state.now.height <= until
    assert world.refused(world.withdrawal(CAROL, USDC_1, world.cash(CAROL))) == []


def test_what_waits_of_another_own_account_is_in_the_estate_before_anybody_pays() -> None:
    world = gated_default_world(DELAY, base=with_own_accounts())
    world.bring(client=20_000)
    world.block(world.perp_trade(ALICE, BOB, LOTS))
    assert world.refused(world.withdrawal(ALICE_CLIENT, USDC_1, 20_000 * DOLLAR)) == []
    world.prices(790_000)
    results = [world.fall(500_000), *(world.block() for _ in range(3))]
    backs = [(each.account, each.reason) for each in of_all(results, WithdrawalRefunded)]
    assert backs == [(ALICE_CLIENT, RefundReason.DEFAULT)]
    assert not of_all(results, WithdrawalReleased)
    assert [each.own for each in of_all(results, DefaultDeclared)] == [(ALICE, ALICE_CLIENT)]
    assert unresolved_micros(world.state) == 0


def test_a_debt_that_the_defaulter_has_collateral_for_holds_nobody_back() -> None:
    """Its own ether pays it when the default is closed: nobody else may have to bear any of it."""
    bare, rich = gated_default_world(deficit_reserve=True), gated_default_world(deficit_reserve=True)
    rich.deposit(ALICE, WETH_1, 50_000_000)
    for world, unresolved in ((bare, 18_900 * DOLLAR), (rich, 18_900 * DOLLAR - 50 * 180 * DOLLAR)):
        world.block(world.perp_trade(ALICE, BOB, 41_000))
        world.fall(500_000)
        assert world.status(1) is MemberStatus.DEFAULTING
        assert unresolved_micros(world.state) == unresolved
    rich.bring(alice=9_900)
    assert rich.cash(ALICE) < 0
    assert unresolved_micros(rich.state) == 0
    assert rich.refused(rich.withdrawal(CAROL, USDC_1, 100_000 * DOLLAR)) == []


def with_second() -> tuple[World, int]:
    """Alice is long 40,000 lots out of 100,000 dollars, and has 30,000 in another account of her own."""
    world = default_world(fund=NO_FUND)
    world.bring(alice=30_000)
    second = world.open_account(ALICE)
    assert world.refused(moved(world, ALICE, second, 30_000), world.perp_trade(ALICE, BOB, LOTS)) == []
    return world, second


def with_client(dollars: int, lots: int) -> World:
    """Alice has 100,000 dollars, her client so many, and so many lots."""
    world = default_world(fund=NO_FUND)
    world.bring(client=dollars)
    world.block(world.perp_trade(ALICE_CLIENT, BOB, lots))
    return world


def moved(world: World, account: int, recipient: int, dollars: int) -> CashTransfer:
    return world.sign(world.transfer(account, recipient, dollars * DOLLAR), secret(1))


def out(world: World, account: int, dollars: int) -> Withdrawal:
    return world.withdrawal(account, USDC_1, dollars * DOLLAR, key=secret(1))


def at(btc: int) -> dict[str, tuple[tuple[int, int], ...]]:
    return {"prices": ((BTC, btc), (ETH, 20_000))}


@pytest.mark.parametrize(
    ("ticks", "missing"),
    [
        (610_000, 20_800),  # 28,000 of an initial margin of 48,800
        (650_000, 0),  # 44,000 of 52,000 cover maintenance
        (700_000, 0),  # 64,000 cover an initial margin of 56,000
    ],
)
def test_what_an_account_is_short_of_stays_in_the_others(ticks: int, missing: int) -> None:
    world, second = with_second()
    asked = out(world, second, 30_000 - missing + 1), out(world, second, 30_000 - missing)
    result = world.block(*asked, **at(ticks))
    refused = [(each.code, dict(each.values).get("account")) for each in of_kind(result, Refused)]
    assert refused == [(NEEDED[0], str(ALICE))] * (missing > 0) or not missing
    assert world.cash(second) == missing * DOLLAR


def test_nobody_runs_in_the_block_whose_price_ruins_it() -> None:
    world, second = with_second()
    assert world.refused(out(world, second, 30_000), **at(530_000)) == NEEDED
    (ended,) = of_kind(world.until_ended()[-1], DefaultEnded)
    assert ended.loss == 0, "what the other account owed was paid out of this one"
    assert world.cash(ALICE) + world.cash(second) == 26_000 * DOLLAR


def test_money_may_be_brought_to_the_account_that_is_short() -> None:
    world, second = with_second()
    assert world.refused(moved(world, second, ALICE, 21_000), **at(610_000)) == []
    assert world.refused(out(world, second, 9_000)) == [], "and then nothing is missing"


def test_what_an_account_is_short_of_is_not_lost_to_a_friend_out_of_another() -> None:
    world, second = with_second()
    lots, free = 5_100, (30_000 - 20_800) * DOLLAR
    worse = free // (lots * 10) - 610_000 // 5  # what is left covers the initial margin of the lots, and no more
    for more, refused in ((1, NEEDED), (0, [])):
        trade = world.perp_trade(second, BOB, lots, ticks=610_000 + worse + more)
        assert world.refused(trade, **at(610_000)) == refused
    assert world.lots(second, BTC_PERP) == lots


def test_what_clients_owe_stays_in_their_members_account_but_may_be_brought_to_them() -> None:
    world = with_client(20_000, lots=8_000)
    asked = out(world, ALICE, 96_801), out(world, ALICE, 90_000), moved(world, ALICE, ALICE_CLIENT, 9_000)
    assert world.refused(*asked, **at(500_000)) == NEEDED, "3,200 dollars are owed"
    assert world.cash(ALICE_CLIENT) >= 0


def test_clients_below_margin_hold_their_member_back_by_nothing_but_debts() -> None:
    world = with_client(20_000, lots=8_000)
    assert world.refused(out(world, ALICE, 100_000), **at(560_000)) == [], "1,600 dollars are left of 20,000"


def test_a_client_takes_out_what_is_free_whatever_its_member_is_short_of() -> None:
    world = default_world(fund=NO_FUND)
    world.bring(client=10_000)
    world.block(world.perp_trade(ALICE, BOB, LOTS))
    assert world.refused(out(world, ALICE_CLIENT, 10_000), **at(610_000)) == []


def test_where_there_are_no_defaults_every_account_stands_alone() -> None:
    world = fund_world(msgspec.structs.replace(with_own_accounts(), crisis=CrisisParameters()))
    world.deposit(ALICE_CLIENT, USDC_1, 30_000 * DOLLAR)
    world.block(world.perp_trade(ALICE, BOB, LOTS))
    assert world.refused(world.withdrawal(ALICE_CLIENT, USDC_1, 30_000 * DOLLAR), **at(610_000)) == []


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """The calls of a function of the check from now on."""

    def counted(name: str, module: ModuleType = uncovered_accounts) -> list[Any]:
        made: list[Any] = []
        found = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *of: made.append(of) or found(*of))
        return made

    return counted


def test_however_often_it_asks_accounts_are_looked_for_once_a_block(calls: Callable[..., list[Any]]) -> None:
    world, second = with_second()
    passes = calls("accounts_by_member", member_status)
    assert world.refused(*(out(world, second, 1) for _ in range(5)), **at(700_000)) == []
    assert len(passes) == 1


def test_a_clients_margin_is_worked_out_once_a_block(calls: Callable[..., list[Any]]) -> None:
    world = with_client(20_000, lots=8_000)
    margins = calls("holdings_margin")
    assert world.refused(*(out(world, ALICE, 1) for _ in range(5)), **at(500_000)) == []
    assert len(margins) == 1, "Alice may have thousands of them, and ask as often"
