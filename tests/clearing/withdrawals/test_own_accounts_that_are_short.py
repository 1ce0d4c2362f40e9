"""Who cannot cover one of its accounts takes nothing out of another that would have to pay for it."""

import msgspec
import pytest

from clearing.context import member_status
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.schema.blocks.receipt import Refused
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import DefaultEnded
from clearing.schema.requests.accounts import CashTransfer
from clearing.schema.requests.withdrawals import Withdrawal
from clearing.schema.terms.genesis import CrisisParameters
from clearing.state.holdings import Holdings
from clearing.state.state import State
from clearing.withdrawals import cross_account_check
from tests.kit.clearing.defaults import NO_FUND, TERMS, default_genesis, default_world
from tests.kit.clearing.fund import fund_world
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, BTC, BTC_PERP, DOLLAR, ETH, USDC_1
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, codes, of_kind

NEEDED = [ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN]


def with_second() -> tuple[World, int]:
    """Alice is long 40,000 lots out of 100,000 dollars, and has 30,000 in another account of her own."""
    world = default_world(fund=NO_FUND)
    world.bring(alice=30_000)
    second = world.open_account(ALICE)
    assert codes(world.block(moved(world, ALICE, second, 30_000))) == []
    assert codes(world.block(world.perp_trade(ALICE, BOB, 40_000))) == []
    return world, second


def moved(world: World, account: int, recipient: int, dollars: int) -> CashTransfer:
    request = world.transfer(account, recipient, dollars * DOLLAR)
    return world.sign(request, secret(1))


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
    assert codes(world.block(out(world, second, 30_000), **at(530_000))) == NEEDED
    (ended,) = of_kind(world.until_ended()[-1], DefaultEnded)
    assert ended.loss == 0, "what the other account owed was paid out of this one"
    assert world.cash(ALICE) + world.cash(second) == 26_000 * DOLLAR


def test_money_may_be_brought_to_the_account_that_is_short() -> None:
    world, second = with_second()
    assert codes(world.block(moved(world, second, ALICE, 21_000), **at(610_000))) == []
    assert codes(world.block(out(world, second, 9_000))) == [], "and then nothing is missing"


def test_what_an_account_is_short_of_is_not_lost_to_a_friend_out_of_another() -> None:
    world, second = with_second()
    lots, free = 5_100, (30_000 - 20_800) * DOLLAR
    worse = free // (lots * 10) - 610_000 // 5  # what is left covers the initial margin of the lots, and no more
    dear = [world.perp_trade(second, BOB, lots, ticks=610_000 + worse + more) for more in (1, 0)]
    assert codes(world.block(dear[0], **at(610_000))) == NEEDED
    assert codes(world.block(dear[1])) == []
    assert world.lots(second, BTC_PERP) == lots


def test_what_clients_owe_stays_in_their_members_account_but_may_be_brought_to_them() -> None:
    world = default_world(fund=NO_FUND)
    world.bring(client=20_000)
    world.block(world.perp_trade(ALICE_CLIENT, BOB, 8_000))
    result = world.block(
        out(world, ALICE, 96_801), out(world, ALICE, 90_000), moved(world, ALICE, ALICE_CLIENT, 9_000), **at(500_000)
    )
    assert codes(result) == NEEDED, "3,200 dollars are owed"
    assert world.cash(ALICE_CLIENT) >= 0


def test_clients_below_margin_hold_their_member_back_by_nothing_but_debts() -> None:
    world = default_world(fund=NO_FUND)
    world.bring(client=20_000)
    world.block(world.perp_trade(ALICE_CLIENT, BOB, 8_000))
    assert codes(world.block(out(world, ALICE, 100_000), **at(560_000))) == [], "1,600 dollars are left of 20,000"


def test_a_client_takes_out_what_is_free_whatever_its_member_is_short_of() -> None:
    world = default_world(fund=NO_FUND)
    world.bring(client=10_000)
    world.block(world.perp_trade(ALICE, BOB, 40_000))
    assert codes(world.block(out(world, ALICE_CLIENT, 10_000), **at(610_000))) == []


def test_where_there_are_no_defaults_every_account_stands_alone() -> None:
    genesis = default_genesis(fund=NO_FUND)
    alice = genesis.members[1]
    own = tuple(msgspec.structs.replace(each, kind=0) if each.id == ALICE_CLIENT else each for each in alice.accounts)
    members = (genesis.members[0], msgspec.structs.replace(alice, accounts=own), *genesis.members[2:])
    world = fund_world(msgspec.structs.replace(genesis, crisis=CrisisParameters(), members=members))
    world.deposit(ALICE_CLIENT, USDC_1, 30_000 * DOLLAR)
    world.block(world.trade(ALICE, BOB, 1, 40_000, 790_000))
    assert codes(world.block(world.withdrawal(ALICE_CLIENT, USDC_1, 30_000 * DOLLAR), **at(610_000))) == []


def test_however_often_it_asks_accounts_are_looked_for_once_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    world, second = with_second()
    passes: list[int] = []
    found = member_status.accounts_by_member

    def counted(state: State) -> dict[int, tuple[tuple[int, ...], tuple[int, ...]]]:
        passes.append(1)
        return found(state)

    monkeypatch.setattr(cross_account_check, "accounts_by_member", counted)
    assert codes(world.block(*(out(world, second, 1) for _ in range(5)), **at(700_000))) == []
    assert len(passes) == 1
    assert TERMS.enabled


def test_a_clients_margin_is_worked_out_once_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    world = default_world(fund=NO_FUND)
    world.bring(client=20_000)
    world.block(world.perp_trade(ALICE_CLIENT, BOB, 8_000))
    looked_at: list[int] = []
    judge = cross_account_check.holdings_margin

    def counted(arrays: RiskArrays, holdings: Holdings) -> AccountMargin:
        looked_at.append(1)
        return judge(arrays, holdings)

    monkeypatch.setattr(cross_account_check, "holdings_margin", counted)
    assert codes(world.block(*(out(world, ALICE, 1) for _ in range(5)), **at(500_000))) == []
    assert len(looked_at) == 1, "Alice may have thousands of them, and ask as often"
