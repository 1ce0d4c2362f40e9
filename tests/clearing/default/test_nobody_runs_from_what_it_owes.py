"""Who is assessed, or restricted, takes no money out of the way: neither itself nor by a client of its own making."""

import msgspec
import pytest

from clearing.context.unresolved_losses import outstanding_assessment
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import AssessmentTaken, LossAllocated, WaterfallLayer
from clearing.schema.records.default import DefaultPhase, MemberStatus
from clearing.schema.requests.accounts import CashTransfer
from tests.kit.clearing.defaults import TERMS, default_world
from tests.kit.clearing.fund import TERMS as FUND
from tests.kit.clearing.funds import DAVE, KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, DOLLAR, USD, USDC_1, WETH_1
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, codes, of_kind

GRACE = msgspec.structs.replace(FUND, grace_blocks=3)


def assessing() -> World:
    """Alice's loss goes beyond all parts of the fund: the others have some blocks to bring more."""
    world = default_world(msgspec.structs.replace(TERMS, assessment_blocks=6))
    world.bring(alice=30_000, bob=30_000)
    world.block(world.perp_trade(ALICE, BOB, 40_000))
    world.fund_paid_in()
    world.bring(bob=300_000)
    world.fall(500_000)
    world.prices(310_000)
    world.prices(250_000)
    while world.default().phase is DefaultPhase.OPEN:
        world.block()
    assert world.default().phase is DefaultPhase.ASSESSING
    return world


def test_who_is_assessed_leaves_as_much_in_its_account_until_it_is_taken() -> None:
    world = assessing()
    owed, cash = outstanding_assessment(world.state, 3), world.cash(CAROL)
    assert 0 < owed < cash
    assert codes(world.block(world.withdrawal(CAROL, USDC_1, cash - owed + 1, key=secret(3)))) == [
        ClearingCode.DEFICIT_RESERVE
    ]
    assert codes(world.block(world.withdrawal(CAROL, USDC_1, cash - owed, key=secret(3)))) == []
    taken = [each for result in world.until_ended() for each in of_kind(result, AssessmentTaken)]
    assert {each.member: each.micros for each in taken}[3] == owed
    assert world.cash(CAROL) == 0
    assert world.status(3) is MemberStatus.ACTIVE


def test_what_is_assessed_may_move_between_the_members_own_accounts_and_leaves_none_of_them() -> None:
    world = assessing()
    second = world.open_account(DAVE)
    owed, cash = outstanding_assessment(world.state, 4), world.cash(DAVE)
    assert codes(world.block(signed(world, DAVE, second, cash, 4))) == []
    request = world.withdrawal(second, USDC_1, cash - owed + 1)
    again = world.sign(request, secret(4))
    assert codes(world.block(again)) == [ClearingCode.DEFICIT_RESERVE]
    taken = [each for result in world.until_ended() for each in of_kind(result, AssessmentTaken)]
    assert {each.member: each.paid for each in taken}[4] == ((second, USD, owed),)


def test_who_is_assessed_loses_nothing_of_it_to_a_friend_by_a_trade() -> None:
    world = assessing()
    free = world.cash(CAROL) - outstanding_assessment(world.state, 3)
    mark = world.state.marks[BTC_PERP].ticks
    lots = 132_000
    worse = free // (lots * 10) - mark // 5  # what is left covers the initial margin of the lots, and no more
    assert mark // 10 > worse + 1 > 0
    again = [world.perp_trade(CAROL, BOB, lots, ticks=mark + worse + more) for more in (1, 0)]
    assert codes(world.block(again[0])) == [ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN]
    assert codes(world.block(again[1])) == []
    world.until_ended()
    assert world.status(3) is MemberStatus.ACTIVE


def signed(world: World, account: int, recipient: int, micros: int, member: int) -> CashTransfer:
    request = world.transfer(account, recipient, micros)
    return world.sign(request, secret(member))


@pytest.mark.parametrize(("recipient", "refused"), [(KEYED_CLIENT, [ClearingCode.MEMBER_NOT_ACTIVE]), (0, [])])
def test_a_restricted_member_pays_nothing_to_a_client_that_could_take_it_out(
    recipient: int, refused: list[ClearingCode]
) -> None:
    """It lacks cash for the fund's call, and what it has is bound by its positions until it reduces them."""
    world = default_world(fund=GRACE)
    second = world.open_account(ALICE)
    world.block(world.perp_trade(ALICE, BOB, 63_000))
    world.pass_epoch()
    while world.status(1) is MemberStatus.ACTIVE:
        world.block()
    assert world.status(1) is MemberStatus.RESTRICTED
    assert codes(world.block(world.perp_trade(BOB, ALICE, 50_000))) == []
    assert codes(world.block(signed(world, ALICE, recipient or second, 50 * DOLLAR, 1))) == refused


def test_what_comes_to_a_defaulter_late_pays_before_anybody_is_asked_for_more() -> None:
    world = assessing()
    asked = {member: outstanding_assessment(world.state, member) for member in (2, 3, 4)}
    whole, before = world.default().loss, world.everything()
    world.deposit(ALICE, WETH_1, 5 * 10**6)
    assert world.weth(ALICE) == 5 * 10**6
    assert codes(world.block(world.pay(ALICE, 1))) == [ClearingCode.MEMBER_NOT_ACTIVE]
    results = world.until_ended()
    (shared,) = [
        each for each in of_kind(results[-1], LossAllocated) if each.steps[0].layer is WaterfallLayer.OWN_MARGIN
    ]
    borne = shared.steps[0].loss_borne
    assert borne > 0
    taken = {each.member: each.micros for each in of_kind(results[-1], AssessmentTaken)}
    assert sum(taken.values()) == shared.loss - borne < sum(asked.values())
    assert (world.default().loss, world.everything()) == (whole, before)
    assert sum(micros for _, micros in world.default().borne_by_layer) == whole
