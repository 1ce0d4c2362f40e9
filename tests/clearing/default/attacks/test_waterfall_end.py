"""The waterfall has an end: what no layer bears is cut from all claims at once, and tear-ups end only what they must.

Before the rules the house owed what was left, and who withdrew first was paid; and 1.60 dollars of a loss that margin
kept gains from bearing ended 185 BTC of the last story here, 145 of them traded after the declaration.
"""

import msgspec

from clearing.schema.receipts.default import DefaultEnded, LossAllocated, PositionsTornUp, WaterfallLayer
from clearing.schema.receipts.withdrawals import WithdrawalRefunded
from clearing.schema.terms.default import DefaultTerms
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits, WithdrawalControlTerms
from tests.kit.clearing.defaults import NO_FUND, default_genesis, default_world, without_fund
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, BTC_PERP, CAROL, DOLLAR, HOUSE, USDC_1
from tests.kit.clearing.world import World

TERMS = DefaultTerms(enabled=True, auction_blocks=2, porting_blocks=9)


def gone(gates: WithdrawalControlTerms | None = None, early: int = 0) -> World:
    """Alice owes 16,000 dollars to Bob's gains, and Bob loses them again to nobody who can be asked, before the end.

    Dave buys her portfolio. Then the price returns, and all but a little of Bob's equity is his counterparty's, who
    gained only after the declaration. `early`: dollars that Carol withdraws as soon as she may.
    """
    genesis = default_genesis(TERMS, NO_FUND)
    crisis = msgspec.structs.replace(genesis.crisis, gates=gates or WithdrawalControlTerms())
    world = default_world(TERMS, NO_FUND, genesis=msgspec.structs.replace(genesis, crisis=crisis))
    world.bring(client=30_000, dave=100_000)
    world.block(world.perp_trade(ALICE, BOB, 40_000), world.perp_trade(ALICE_CLIENT, DAVE, 100))
    world.fall(500_000)
    assert not world.refusals(world.default_bid(DAVE, 1, 100, 0))
    world.block()
    assert not world.refusals(*([world.withdrawal(CAROL, USDC_1, early * DOLLAR)] if early else []))
    for ticks in (690_000, 900_000, 1_030_000):
        world.prices(ticks)
    return world


def cut_by_claims(world: World) -> dict[int, int]:
    return {
        account: micros
        for receipt in world.every(LossAllocated)
        for layer, account, _, micros in receipt.paid
        if layer == WaterfallLayer.CLAIMS
    }


def test_what_no_layer_bears_is_cut_from_all_claims_in_one_block() -> None:
    world = gone()
    world.until_ended()
    (over,) = [each for each in world.every(DefaultEnded) if each.number == 1]
    layers = dict(over.by_layer)
    assert over.house == 0
    assert layers[WaterfallLayer.CLAIMS] > 0
    assert over.loss == sum(layers.values())
    (step,) = [step for each in world.last(LossAllocated) for step in each.steps if step.layer is WaterfallLayer.CLAIMS]
    whole = sum(share.cap for share in step.shares)
    for share in step.shares:
        assert abs(share.amount * whole - share.cap * step.loss_borne) < whole, "pro rata to the micro"
    assert {HOUSE, CAROL, DAVE, ALICE_CLIENT} <= {share.payer for share in step.shares}
    assert world.cash(ALICE) == 0


def test_leaving_first_saves_nobody_a_part_of_its_share() -> None:
    """Carol withdraws half of her claim while the deficit is unresolved, and bears as much as if she had stayed."""
    gates = WithdrawalControlTerms(deficit_reserve=True)
    stayed, left = gone(gates), gone(gates, early=50_000)
    for world in (stayed, left):
        world.until_ended()
    assert 0 <= cut_by_claims(stayed)[CAROL] - cut_by_claims(left)[CAROL] <= 1


def test_delayed_withdrawals_come_back_before_claims_are_cut() -> None:
    limits = AssetWithdrawalLimits(USDC_1, delay_above_units=1_000 * DOLLAR, delay_blocks=50)
    world = gone(WithdrawalControlTerms(assets=(limits,), waiting_max=8, waiting_per_owner_max=4), early=60_000)
    world.until_ended()
    assert [each.account for each in world.every(WithdrawalRefunded)] == [CAROL]
    assert cut_by_claims(world)[CAROL] * 100_000 > cut_by_claims(world)[HOUSE] * 99_000


def test_a_small_loss_ends_a_single_lot_and_nothing_that_was_traded_after_the_declaration() -> None:
    """Alice owes 1.60 dollars. Bob, who won it, uses nearly all of his equity as margin for 46 BTC more."""
    world = without_fund(DefaultTerms(enabled=True, auction_blocks=4), dave=500_000)
    assert not world.refusals(world.perp_trade(ALICE, BOB, 40_000))
    world.fall(540_000 - 4)
    deficit = -world.cash(ALICE)
    assert deficit == 1_600_000
    margin, price = world.margin(BOB), world.state.marks[BTC_PERP].ticks
    more = (margin.equity - margin.initial) * 40_000 // margin.initial
    assert not world.refusals(world.perp_trade(DAVE, BOB, more, ticks=price))
    assert world.margin(BOB).equity - world.margin(BOB).initial < deficit
    assert not world.refusals(world.default_bid(DAVE, 1, 100, 0))
    world.until_ended()
    (torn,) = world.every(PositionsTornUp)
    assert torn.positions == ((BOB, -1, 0), (DAVE, 1, 0))
    assert world.lots(BOB, BTC_PERP) == -(40_000 + more) + 1
    assert world.margin(BOB).initial_ok
