"""Clients of a defaulter: taken over by others, closed out, their margin never anybody else's."""

import pytest

from clearing.default import exit_and_readmission
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import ClientClosedOut, ClientRescued, DefaultDeclared, DefaultEnded, DeficitCured
from clearing.schema.records.default import MemberStatus
from tests.kit.clearing.defaults import CLIENT_SECRET, NOTHING, in_default, without_fund
from tests.kit.clearing.funds import DAVE, KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, BTC_PERP, CAROL, DOLLAR, HOUSE, USDC_1
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, of_all, of_kind


@pytest.fixture
def world() -> World:
    """Alice insolvent; her clients, one with a key, long a little and well off."""
    world = without_fund(client=50_000, keyed=50_000)
    world.block(*(world.perp_trade(each, BOB, 2_000) for each in (ALICE_CLIENT, KEYED_CLIENT)))
    return in_default(world)


def test_a_client_is_taken_over_by_another_member_as_it_is(world: World) -> None:
    cash = world.cash(KEYED_CLIENT)
    result = world.block(world.rescue(KEYED_CLIENT, 1, 3, CLIENT_SECRET), world.rescue(ALICE_CLIENT, 1, 4))
    rescued = [(each.account, each.to_member) for each in of_kind(result, ClientRescued)]
    assert rescued == [(KEYED_CLIENT, 3), (ALICE_CLIENT, 4)]
    assert (world.cash(KEYED_CLIENT), world.lots(KEYED_CLIENT, BTC_PERP)) == (cash, 2_000)
    assert [world.state.accounts[each].member for each in (KEYED_CLIENT, ALICE_CLIENT)] == [3, 4]
    assert not of_all(world.until_ended(), ClientClosedOut)
    assert world.lots(KEYED_CLIENT, BTC_PERP) == 2_000


@pytest.mark.parametrize(
    ("account", "number", "member", "key", "code"),
    [
        (KEYED_CLIENT, 1, 3, secret(0), ClearingCode.WRONG_SIGNER),
        (KEYED_CLIENT, 1, 3, secret(1), ClearingCode.WRONG_SIGNER),
        (ALICE_CLIENT, 1, 3, CLIENT_SECRET, ClearingCode.WRONG_SIGNER),
        (KEYED_CLIENT, 2, 3, CLIENT_SECRET, ClearingCode.NO_SUCH_DEFAULT),
        (KEYED_CLIENT, 1, 1, CLIENT_SECRET, ClearingCode.NOT_RESCUABLE),
        (KEYED_CLIENT, 1, 9, CLIENT_SECRET, ClearingCode.UNKNOWN_MEMBER),
        (ALICE, 1, 3, None, ClearingCode.NOT_RESCUABLE),
        (BOB, 1, 3, None, ClearingCode.NO_SUCH_DEFAULT),
    ],
)
def test_rescues_that_may_not_be_are_refused(
    world: World, account: int, number: int, member: int, key: bytes | None, code: int
) -> None:
    assert world.refusals(world.rescue(account, number, member, key)) == [code]


def test_a_client_that_nobody_took_is_closed_out_and_keeps_what_is_its_own(world: World) -> None:
    own = {each: world.cash(each) for each in (ALICE_CLIENT, KEYED_CLIENT)}
    closed = of_all(world.until_ended(), ClientClosedOut)
    assert [each.account for each in closed] == [ALICE_CLIENT, KEYED_CLIENT]
    assert [world.lots(each, BTC_PERP) for each in own] == [0, 0]
    assert {each: world.cash(each) for each in own} == own, "no cent of it bore the member's loss"
    assert world.cash(ALICE) == 0
    assert world.refusals(world.withdrawal(ALICE_CLIENT, USDC_1, DOLLAR)) == [ClearingCode.MEMBER_NOT_ACTIVE]
    assert not world.refusals(world.withdrawal(KEYED_CLIENT, USDC_1, DOLLAR, key=CLIENT_SECRET))


def test_a_client_can_be_taken_over_after_its_member_has_defaulted(world: World) -> None:
    world.until_ended()
    assert not world.refusals(world.rescue(ALICE_CLIENT, 1, 3))
    assert world.state.accounts[ALICE_CLIENT].member == 3
    assert not world.refusals(world.withdrawal(ALICE_CLIENT, USDC_1, DOLLAR, key=secret(3)))


def test_a_client_with_its_own_key_takes_free_money_out_while_its_member_is_in_default(world: World) -> None:
    assert not world.refusals(world.withdrawal(KEYED_CLIENT, USDC_1, DOLLAR, key=CLIENT_SECRET))
    all_of_it = world.withdrawal(KEYED_CLIENT, USDC_1, 50_000 * DOLLAR, key=CLIENT_SECRET)
    assert world.refusals(all_of_it) == [ClearingCode.BALANCE_TOO_SMALL]
    assert world.refusals(world.withdrawal(ALICE_CLIENT, USDC_1, DOLLAR)) == [ClearingCode.MEMBER_NOT_ACTIVE]


def test_no_client_is_closed_out_before_the_end_of_the_porting_window(world: World) -> None:
    while world.state.now.height < world.default().porting_height - 1:
        world.block()
        assert world.lots(KEYED_CLIENT, BTC_PERP) == 2_000
    assert not world.refusals(world.rescue(KEYED_CLIENT, 1, 3, CLIENT_SECRET)), "in the last block, too"
    assert [world.lots(each, BTC_PERP) for each in (KEYED_CLIENT, ALICE_CLIENT)] == [2_000, 0]


@pytest.mark.parametrize(
    ("dollars", "ticks", "refused"),
    [
        pytest.param(4_900, 410_000, [], id="above_it: 1,100 dollars are left for 820"),
        pytest.param(4_500, 416_000, [ClearingCode.NOT_RESCUABLE], id="below_it: 760 dollars are left for 832"),
    ],
)
def test_a_client_below_initial_margin_is_not_taken_over(dollars: int, ticks: int, refused: list[int]) -> None:
    world = without_fund(keyed=dollars)
    world.block(world.perp_trade(KEYED_CLIENT, BOB, 1_000))
    in_default(world)
    world.prices(ticks)
    assert world.refusals(world.rescue(KEYED_CLIENT, 1, 3, CLIENT_SECRET)) == refused


def test_a_clients_loss_is_its_members_who_pays_it_out_of_free_cash_and_is_in_no_default() -> None:
    world = without_fund(client=20_000)
    world.block(world.perp_trade(ALICE_CLIENT, BOB, 8_000))
    alice = world.cash(ALICE)
    world.prices(500_000)
    world.wait(3)
    (cured,) = world.every(DeficitCured)
    assert (cured.deficits, cured.paid) == (((1, 3_200 * DOLLAR),), ((ALICE, 1, 3_200 * DOLLAR),))
    assert (world.cash(ALICE), world.cash(ALICE_CLIENT)) == (alice - 3_200 * DOLLAR, 0)
    assert world.status(1) is MemberStatus.ACTIVE


def test_a_member_that_cannot_pay_its_clients_loss_defaults_with_all_its_own() -> None:
    world = without_fund(NOTHING, client=150_000, keyed=5_000, bob=100_000)
    world.block(world.perp_trade(ALICE_CLIENT, BOB, 90_000))
    keyed = world.cash(KEYED_CLIENT)
    result = world.fall(500_000)
    (declared,), (ended,) = of_kind(result, DefaultDeclared), of_kind(result, DefaultEnded)
    assert declared.account == ALICE_CLIENT
    assert ended.loss == 90_000 * 290_000 * 10 - 150_000 * DOLLAR == 111_000 * DOLLAR
    assert dict(ended.by_layer)[1] == 100_000 * DOLLAR, "own margin first"
    assert world.cash(ALICE) == 0
    assert world.cash(KEYED_CLIENT) == keyed, "one client's money never pays for another"


def test_the_house_pays_for_its_own_accounts_at_once_and_is_in_no_default() -> None:
    world = without_fund()
    assert world.status(0) is MemberStatus.ACTIVE
    world.block(world.perp_trade(HOUSE, CAROL, 10_000), world.perp_trade(DAVE, CAROL, 10_000))
    world.prices(500_000)
    assert world.status(0) is MemberStatus.ACTIVE


@pytest.mark.parametrize("ask", [0, -400 * DOLLAR])
def test_no_member_bids_for_a_default_with_its_clients_money(ask: int) -> None:
    """What the bid gives would spare the member's own part of the fund."""
    world = without_fund(keyed=50_000)
    world.block(world.perp_trade(CAROL, BOB, 40_000))
    world.fall(500_000)
    assert world.default().member == 3
    assert world.refusals(world.default_bid(KEYED_CLIENT, 1, 100, ask)) == [ClearingCode.CLIENT_MONEY]
    assert not world.refusals(world.default_bid(ALICE, 1, 10, ask))
    world.until_ended()
    assert (world.cash(KEYED_CLIENT), world.lots(KEYED_CLIENT, BTC_PERP)) == (50_000 * DOLLAR, 0)


def test_nobodys_margin_is_worked_out_for_a_rescue_that_was_not_signed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A validator can put anything into its block; one account may have many sub-accounts."""

    def unasked(*_: object) -> bool:
        raise AssertionError("margin of an unsigned request")

    monkeypatch.setattr(exit_and_readmission, "covers_porting_margin", unasked)
    assert world.refusals(world.rescue(KEYED_CLIENT, 1, 3, secret(1))) == [ClearingCode.WRONG_SIGNER]
