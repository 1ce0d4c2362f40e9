"""What members owe in a default: counted as it is at any moment, and nobody takes money out of its way."""

import msgspec
import pytest

from clearing.context import unresolved_losses
from clearing.context.block_context import BlockContext
from clearing.context.unresolved_losses import UnresolvedLosses, net_owed, outstanding_assessment, unresolved_micros
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import AssessmentTaken, LossAllocated, WaterfallLayer
from clearing.schema.records.default import DefaultPhase, MemberStatus
from clearing.schema.transfers import TransferCode
from clearing.state.state import State
from tests.kit.clearing.defaults import CLIENT_SECRET, TERMS, default_world, in_default, with_fund, without_fund
from tests.kit.clearing.fund import TERMS as FUND
from tests.kit.clearing.funds import DAVE, KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, BTC_PERP, CAROL, DOLLAR, HOUSE, USD, USDC_1, WETH_1
from tests.kit.clearing.world import World, of_all, of_kind


@pytest.fixture
def world() -> World:
    """Alice's loss goes beyond all parts of the fund: the others have some blocks to bring more."""
    world = with_fund(msgspec.structs.replace(TERMS, assessment_blocks=6))
    world.bring(bob=300_000)
    world.fall(500_000)
    world.prices(310_000)
    world.prices(250_000)
    while world.default().phase is DefaultPhase.OPEN:
        world.block()
    assert world.default().phase is DefaultPhase.ASSESSING
    return world


def test_who_is_assessed_leaves_as_much_in_its_account_until_it_is_taken(world: World) -> None:
    owed, cash = outstanding_assessment(world.state, 3), world.cash(CAROL)
    assert 0 < owed < cash
    assert world.refusals(world.withdrawal(CAROL, USDC_1, cash - owed + 1)) == [ClearingCode.DEFICIT_RESERVE]
    assert not world.refusals(world.withdrawal(CAROL, USDC_1, cash - owed))
    taken = of_all(world.until_ended(), AssessmentTaken)
    assert {each.member: each.micros for each in taken}[3] == owed
    assert (world.cash(CAROL), world.status(3)) == (0, MemberStatus.ACTIVE)


def test_who_owes_what_it_was_assessed_is_called_in_the_same_block_and_defaults_without_a_position() -> None:
    """Dave trades nothing: no price ever touches his account again."""
    world = with_fund(msgspec.structs.replace(TERMS, assessment_blocks=6))
    world.bring(bob=300_000)
    world.block(world.withdrawal(DAVE, USDC_1, world.cash(DAVE) - 100 * DOLLAR))
    world.fall(500_000)
    world.prices(310_000)
    world.prices(250_000)
    taken = {}
    while 4 not in taken:
        taken = {each.member: each for each in of_kind(world.block(), AssessmentTaken)}
    assert world.cash(DAVE) == 100 * DOLLAR - taken[4].micros < 0
    assert world.state.accounts[DAVE].called_height == world.state.now.height
    world.wait(40)
    assert world.status(4) is MemberStatus.DEFAULTED
    assert world.cash(DAVE) == 0


def test_what_is_assessed_may_move_between_the_members_own_accounts_and_leaves_none_of_them(world: World) -> None:
    second = world.open_account(DAVE)
    owed, cash = outstanding_assessment(world.state, 4), world.cash(DAVE)
    assert not world.refusals(world.transfer(DAVE, second, cash))
    assert world.refusals(world.withdrawal(second, USDC_1, cash - owed + 1)) == [ClearingCode.DEFICIT_RESERVE]
    taken = of_all(world.until_ended(), AssessmentTaken)
    assert {each.member: each.paid for each in taken}[4] == ((second, USD, owed),)


def test_who_is_assessed_loses_nothing_of_it_to_a_friend_by_a_trade(world: World) -> None:
    free = world.cash(CAROL) - outstanding_assessment(world.state, 3)
    mark, lots = world.state.marks[BTC_PERP].ticks, 132_000
    worse = free // (lots * 10) - mark // 5  # what is left covers the initial margin of the lots, and no more
    assert mark // 10 > worse + 1 > 0
    too_much, enough = (world.perp_trade(CAROL, BOB, lots, ticks=mark + worse + more) for more in (1, 0))
    assert world.refusals(too_much) == [ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN]
    assert not world.refusals(enough)
    world.until_ended()
    assert world.status(3) is MemberStatus.ACTIVE


@pytest.mark.parametrize(("recipient", "refused"), [(KEYED_CLIENT, [ClearingCode.MEMBER_NOT_ACTIVE]), (0, [])])
def test_a_restricted_member_pays_nothing_to_a_client_that_could_take_it_out(
    recipient: int, refused: list[ClearingCode]
) -> None:
    """It lacks cash for the fund's call, and what it has is bound by its positions until it reduces them."""
    world = default_world(fund=msgspec.structs.replace(FUND, grace_blocks=3))
    second = world.open_account(ALICE)
    world.block(world.perp_trade(ALICE, BOB, 63_000))
    world.pass_epoch()
    while world.status(1) is MemberStatus.ACTIVE:
        world.block()
    assert world.status(1) is MemberStatus.RESTRICTED
    assert not world.refusals(world.perp_trade(BOB, ALICE, 50_000))
    assert world.refusals(world.transfer(ALICE, recipient or second, 50 * DOLLAR)) == refused


def test_what_comes_to_a_defaulter_late_pays_before_anybody_is_asked_for_more(world: World) -> None:
    asked = sum(outstanding_assessment(world.state, member) for member in (2, 3, 4))
    whole, before = world.default().loss, world.everything()
    world.deposit(ALICE, WETH_1, 5 * 10**6)
    assert world.weth(ALICE) == 5 * 10**6
    assert world.refusals(world.pay(ALICE, 1)) == [ClearingCode.MEMBER_NOT_ACTIVE]
    last = world.until_ended()[-1]
    (allocated,) = [each for each in of_kind(last, LossAllocated) if each.steps[0].layer is WaterfallLayer.OWN_MARGIN]
    borne = allocated.steps[0].loss_borne
    assert borne > 0
    assert sum(each.micros for each in of_kind(last, AssessmentTaken)) == allocated.loss - borne < asked
    assert (world.default().loss, world.everything()) == (whole, before)
    assert sum(micros for _, micros in world.default().borne_by_layer) == whole


def owing() -> BlockContext:
    """A block while Alice owes 16,000 dollars, and clients of hers have money."""
    world = in_default(without_fund(client=1_000, keyed=1_000))
    assert unresolved_micros(world.state) == 16_000 * DOLLAR
    return world.context()


def asked_for(context: BlockContext) -> int:
    return context.unresolved_losses.micros(context.state, context.journal.transfers)


def test_however_often_withdrawals_ask_an_account_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    context, looked_at = owing(), []

    def looking(state: State, account: int) -> int:
        looked_at.append(account)
        return net_owed(state, account)

    monkeypatch.setattr(unresolved_losses, "net_owed", looking)
    for _ in range(5):
        assert asked_for(context) == 16_000 * DOLLAR
    assert looked_at == [ALICE, ALICE_CLIENT, KEYED_CLIENT]
    context.journal.transfer(BOB, CAROL, USD, DOLLAR, TransferCode.CASH_TRANSFER, 0)
    context.journal.transfer(KEYED_CLIENT, HOUSE, USD, DOLLAR, TransferCode.CASH_TRANSFER, 0)
    assert asked_for(context) == 16_000 * DOLLAR
    assert looked_at == [ALICE, ALICE_CLIENT, KEYED_CLIENT, KEYED_CLIENT]


def test_whatever_moves_what_is_told_is_what_is_there() -> None:
    context = owing()
    for payer, payee, dollars, missing in (
        (KEYED_CLIENT, HOUSE, 1_500, 16_500),
        (HOUSE, ALICE, 7_000, 9_500),
        (HOUSE, KEYED_CLIENT, 300, 9_200),
        (HOUSE, ALICE, 20_000, 0),
        (ALICE, BOB, 12_000, 1_200),
    ):
        context.journal.transfer(payer, payee, USD, dollars * DOLLAR, TransferCode.CASH_TRANSFER, 0)
        assert asked_for(context) == unresolved_micros(context.state) == missing * DOLLAR


def test_other_prices_of_collateral_and_clients_that_are_taken_over_are_noticed() -> None:
    world = without_fund(keyed=5_000)
    world.block(world.perp_trade(KEYED_CLIENT, BOB, 500))
    in_default(world)
    known = UnresolvedLosses()
    assert known.micros(world.state, ()) == unresolved_micros(world.state)
    world.deposit(ALICE, WETH_1, 10**6)
    world.block(world.rescue(KEYED_CLIENT, 1, 3, CLIENT_SECRET))
    world.prices(500_000, 40_000)
    transfers = tuple(transfer for result in world.results[-3:] for transfer in result.transfers)
    assert known.micros(world.state, transfers) == unresolved_micros(world.state) > 0
