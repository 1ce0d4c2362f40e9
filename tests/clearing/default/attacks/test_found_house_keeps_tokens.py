"""After its own default the house gains nothing on tokens whose fall others have paid.

Its default leaves it with tokens against as much negative cash. Whenever they fell, another default made members pay
the difference; whenever they rose, the house kept it: 540 dollars on ten ether that fell by 30 % and rose again.
"""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.context.unresolved_losses import defaults_under_way
from clearing.default.house_recovery import EARLIER_DEFAULTS_MAX
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import CollateralTaken, DefaultDeclared, DefaultEnded, WaterfallLayer
from clearing.schema.receipts.house import InventorySold, RecoveryEnded, RecoveryPaid
from clearing.schema.records.default import MemberStatus
from clearing.schema.terms.house import HouseTerms
from clearing.schema.terms.prices import PriceTerms
from tests.kit.clearing.defaults import TERMS, default_genesis, default_world
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, ETH, HOUSE, USDC_1, WETH_1
from tests.kit.clearing.housed import OWN_DEFAULT, UNIT, WBTC_1, after_own_default, house_value, returned, with_house
from tests.kit.clearing.world import World

BLOCKS = OWN_DEFAULT.recovery_blocks


def ether(world: World, *ticks: int) -> None:
    """The price of ether goes to each of these in steps of a third at most, and every default has ended."""
    for each in ticks:
        while world.ticks[ETH] != each:
            now = world.ticks[ETH]
            world.prices(400_000, min(max(each, now * 2 // 3), now * 4 // 3))
        while defaults_under_way(world.state):
            world.block()


def borne(world: World) -> dict[int, int]:
    """Micros that others bore, by default."""
    return {each.number: sum(micros for _, micros in each.by_layer) for each in world.every(DefaultEnded)}


def went_back(world: World) -> dict[int, int]:
    """Micros that went back in cash, by default."""
    found: dict[int, int] = {}
    for receipt in world.every(RecoveryPaid):
        found[receipt.number] = found.get(receipt.number, 0) + receipt.micros
    return found


def in_kind(world: World) -> int:
    """Units of ether that payers got."""
    return sum(units for each in world.every(RecoveryEnded) for *_, asset, units in each.in_kind if asset == WETH_1)


def test_the_house_is_not_worth_more_after_others_paid_for_the_fall_of_its_tokens() -> None:
    world = after_own_default()
    before = house_value(world)
    world.prices(400_000, 14_000)
    world.wait(5)
    world.prices(400_000, 19_000)
    world.prices(400_000, 20_000)
    world.wait(25)
    assert house_value(world) <= before


@pytest.mark.parametrize("blocks", [0, BLOCKS])
def test_the_switch_makes_the_difference(blocks: int) -> None:
    """Off, the rule of before: the house is worth 540 dollars more, which others had paid."""
    world = after_own_default(HouseTerms(own_default=True, recovery_blocks=blocks))
    before = house_value(world)
    ether(world, 14_000, 20_000)
    world.wait(BLOCKS + 5)
    assert borne(world)[2] == 540 * DOLLAR
    gained = house_value(world) - before
    assert gained == 540 * DOLLAR if not blocks else gained <= 0


def test_a_rise_goes_first_to_the_payers_of_the_last_default_then_to_those_of_the_first() -> None:
    """540 dollars were paid for the second default. The sale yields 740 beyond the debt: 540 of them, and 200."""
    world = after_own_default()
    ether(world, 14_000, 20_000)
    world.block()
    assert not world.refusals(world.inventory_bid(CAROL, 10 * UNIT, 200, asset=WETH_1))
    assert went_back(world) == {2: 540 * DOLLAR, 1: 200 * DOLLAR}
    second, first = world.every(RecoveryPaid)
    assert (second.number, first.number) == (2, 1)
    assert {layer for layer, *_ in second.paid} == {WaterfallLayer.GAINS}
    assert [layer for layer, *_ in first.paid] == [WaterfallLayer.GAINS]
    assert house_value(world) == 0


def test_what_nobody_bought_goes_to_the_payers_in_kind_and_the_house_keeps_what_covers_its_debt() -> None:
    world = after_own_default()
    ether(world, 14_000, 20_000)
    world.wait(BLOCKS + 5)
    assert world.cash(HOUSE) == -1_260 * DOLLAR
    assert (world.weth(HOUSE), in_kind(world)) == (7 * UNIT, 3 * UNIT)
    assert world.weth(BOB) == 3 * UNIT
    assert not list(world.state.recoveries.ordered())
    assert [each.number for each in world.every(DefaultDeclared)] == [1, 2]


def test_a_price_that_falls_and_rises_again_and_again_gains_the_house_nothing() -> None:
    world = after_own_default()
    before = house_value(world)
    for low in (14_000, 17_000, 9_000, 5_000):
        ether(world, low, 20_000)
        world.check_replay()
    count = len(world.every(DefaultEnded))
    assert count >= 4
    world.wait(BLOCKS + 5)
    assert len(world.every(DefaultEnded)) == count
    assert house_value(world) <= before
    paid = borne(world)
    assert all(micros <= paid[number] for number, micros in went_back(world).items())
    assert in_kind(world) * 200 <= sum(paid.values())


def test_sales_between_falls_repay_no_more_than_was_paid_and_leave_the_house_nothing() -> None:
    world = after_own_default(HouseTerms(own_default=True, recovery_blocks=100))
    before = house_value(world)
    for low, high, units in ((14_000, 19_000, 3), (12_000, 30_000, 2), (10_000, 40_000, 5)):
        ether(world, low, high)
        world.block()
        assert not world.refusals(world.inventory_bid(CAROL, units * UNIT, high // 100, asset=WETH_1))
    world.wait(105)
    assert world.weth(HOUSE) == 0
    assert house_value(world) == 0 <= before
    paid, back = borne(world), went_back(world)
    assert all(micros <= paid[number] for number, micros in back.items())
    assert back[max(back)] == paid[max(back)], "the last payers first"
    sold = sum(-each.received for each in world.every(InventorySold))
    owed = 1_800 * DOLLAR
    assert sold + sum(micros for number, micros in paid.items() if number > 1) == owed + sum(back.values())


@settings(max_examples=12)
@given(
    st.lists(
        st.tuples(st.integers(min_value=4_000, max_value=60_000), st.integers(min_value=0, max_value=4)),
        min_size=1,
        max_size=6,
    )
)
def test_on_no_path_of_the_price_and_with_no_sales_is_the_house_worth_more_in_the_end(
    path: list[tuple[int, int]],
) -> None:
    """(price of ether in cents, ether bought then). Nor comes more back of a default than others paid for it.

    A unit counts for whole micros, rounded down: what covers the debt may be worth two micros more a unit.
    """
    world = after_own_default(HouseTerms(own_default=True, recovery_blocks=60))
    before = house_value(world)
    for ticks, bought in path:
        ether(world, ticks)
        world.block()
        if bought and world.weth(HOUSE):
            assert not world.refusals(world.inventory_bid(CAROL, bought * UNIT, ticks // 100 + 1, asset=WETH_1))
    world.wait(65)
    assert not list(world.state.recoveries.ordered())
    assert world.cash(HOUSE) + world.weth(HOUSE) * world.ticks[ETH] // 100 <= before + 2 * world.weth(HOUSE)
    paid, rounding = borne(world), sum(each.rounding for each in world.every(RecoveryPaid))
    assert all(micros <= paid[number] + rounding for number, micros in went_back(world).items())


def test_of_several_tokens_the_gain_of_one_covers_the_loss_of_another_first() -> None:
    """Ether rises by 800 dollars, BTC falls by as much: what haircuts did not use is left, and nobody pays again."""
    world = after_own_default(wbtc=1)
    world.prices(320_000, 28_000)
    world.block()
    assert not world.refusals(world.inventory_bid(CAROL, 10 * UNIT, 280, asset=WETH_1))
    assert not world.every(RecoveryPaid)
    assert not world.refusals(world.inventory_bid(CAROL, UNIT, 3_200, asset=WBTC_1))
    assert went_back(world) == {1: (2_800 + 3_200 - 1_800 - 3_600) * DOLLAR}
    assert house_value(world) == 0
    assert len(world.every(DefaultDeclared)) == 1


def test_of_several_tokens_the_house_keeps_what_covers_its_debt_and_payers_get_the_rest() -> None:
    world = after_own_default(wbtc=1)
    world.prices(400_000, 40_000)
    world.wait(BLOCKS + 5)
    assert world.cash(HOUSE) == -5_400 * DOLLAR
    assert world.weth(HOUSE) == 10 * UNIT
    assert world.units(HOUSE, WBTC_1) == UNIT // 2
    assert world.units(BOB, WBTC_1) == UNIT // 2
    assert len(world.every(DefaultDeclared)) == 1


def test_a_token_that_became_stale_is_not_sold_and_goes_to_the_payers_who_paid_for_it() -> None:
    """Its feed dies and is settled, so it counts for nothing: others pay 1,800 dollars for it, and have it back."""
    world = after_own_default(prices=PriceTerms(settle_blocks=3))
    before = house_value(world)
    for _ in range(8):
        world.block(unpriced=(ETH,), after_ms=6_000)
    while defaults_under_way(world.state):
        world.block(unpriced=(ETH,))
    assert borne(world)[2] == 1_800 * DOLLAR
    assert world.cash(HOUSE) == 0
    bid = world.inventory_bid(CAROL, UNIT, 200, asset=WETH_1)
    assert world.refused(bid, unpriced=(ETH,)) == [ClearingCode.NO_INVENTORY_SALE]
    for _ in range(BLOCKS + 5):
        world.block(unpriced=(ETH,))
    assert (world.weth(HOUSE), in_kind(world)) == (0, 10 * UNIT)
    world.wait(5)
    assert house_value(world) == 0 <= before


def test_a_stale_token_whose_feed_returns_is_sold_for_the_payers() -> None:
    world = after_own_default(prices=PriceTerms(settle_blocks=3))
    for _ in range(8):
        world.block(unpriced=(ETH,), after_ms=6_000)
    while defaults_under_way(world.state):
        world.block(unpriced=(ETH,))
    world.wait(5)
    assert not world.refusals(world.inventory_bid(CAROL, 10 * UNIT, 200, asset=WETH_1))
    assert went_back(world) == {2: 1_800 * DOLLAR, 1: 200 * DOLLAR}
    assert house_value(world) == 0


def test_the_house_takes_none_of_its_tokens_out_while_payers_have_claims() -> None:
    world = after_own_default()
    world.pay_in(HOUSE, 100_000)
    assert world.refusals(world.withdrawal(HOUSE, WETH_1, 1)) == [ClearingCode.RECOVERY_OWED]
    world.deposit(HOUSE, WETH_1, UNIT)
    assert not world.refusals(world.withdrawal(HOUSE, WETH_1, UNIT)), "what it brings afterwards is its own"
    world.wait(BLOCKS + 2)
    assert not world.refusals(world.withdrawal(HOUSE, WETH_1, 1))


def taken_tokens() -> World:
    """The house took ten ether of Alice's for 1,800 dollars, and 40 BTC of hers."""
    world = default_world(genesis=with_house(default_genesis(), OWN_DEFAULT))
    world.bring(alice=30_000, bob=900_000)
    world.block(world.perp_trade(ALICE, BOB, 40_000))
    world.fund_paid_in()
    world.deposit(ALICE, WETH_1, 10 * UNIT)
    world.block(world.withdrawal(HOUSE, USDC_1, 5_000 * DOLLAR))
    world.fall(500_000)
    world.prices(300_000)
    world.until_ended()
    assert [each.counted_micros for each in world.every(CollateralTaken)] == [1_800 * DOLLAR]
    return world


def ruined(world: World) -> World:
    """These lots ruin the house, while ether falls to 140 dollars."""
    for btc in (200_000, 125_000, 80_000, 60_000):
        world.prices(btc, 14_000)
    assert world.status(0) is MemberStatus.DEFAULTING
    return world


def test_while_the_house_is_in_default_nothing_is_sold_or_paid_of_its_recoveries() -> None:
    world = taken_tokens()
    world.block()
    assert not world.refusals(world.inventory_bid(CAROL, UNIT, 200, asset=WETH_1))
    ruined(world)
    bid = world.inventory_bid(CAROL, UNIT, 200, asset=WETH_1)
    assert world.refusals(bid) == [ClearingCode.NO_INVENTORY_SALE]
    assert not world.every(RecoveryPaid)


def taken_and_pooled() -> World:
    """Others have paid for the ruin of the house; ether is at 190 dollars."""
    world = ruined(taken_tokens())
    while defaults_under_way(world.state):
        world.block()
    assert {each.member for each in world.every(DefaultEnded) if each.loss} == {0, 1}
    world.prices(60_000, 19_000)
    return world


def test_a_defaulters_tokens_that_the_house_took_are_for_those_who_paid_for_the_house() -> None:
    """They counted for 1,260 dollars when others paid for the house. At 190 dollars it had kept the rise of 540."""
    world = taken_and_pooled()
    world.block()
    assert not world.refusals(world.inventory_bid(CAROL, 10 * UNIT, 190, asset=WETH_1))
    assert went_back(world) == {2: 640 * DOLLAR}
    assert HOUSE not in returned(world)
    assert house_value(world) == 0


def test_a_defaulter_gets_nothing_back_of_what_it_was_credited_for_its_tokens() -> None:
    """Of 4 ether that yield 760 dollars it was credited 720."""
    world = taken_and_pooled()
    ((_, pooled),) = world.state.recoveries.ordered()
    (token,) = pooled.tokens
    assert (token.account, token.counted_micros, token.credited_micros) == (ALICE, 0, 1_800 * DOLLAR)
    world.block()
    assert not world.refusals(world.inventory_bid(CAROL, 4 * UNIT, 190, asset=WETH_1))
    ((_, left),) = world.state.recoveries.ordered()
    own = [claim for claim in left.claims if claim.layer == WaterfallLayer.OWN_MARGIN and not claim.default]
    assert [claim.owed for claim in own] == [((ALICE, 40 * DOLLAR),)]
    assert left.tokens[0].credited_micros == 1_080 * DOLLAR


@pytest.mark.parametrize("assessments", [0, 8])
def test_a_default_that_is_open_at_the_end_of_the_houses_own_keeps_its_recovery(assessments: int) -> None:
    """Alice's default waits for assessments when the house's ends. Her tokens stay for her payers, at what they count
    for then: the rise that others paid for is theirs, and not the house's."""
    terms = msgspec.structs.replace(TERMS, assessment_blocks=assessments)
    world = default_world(genesis=with_house(default_genesis(terms), OWN_DEFAULT))
    world.bring(bob=600_000)
    world.fund_paid_in()
    world.deposit(ALICE, WETH_1, 10 * UNIT)
    world.block(world.perp_trade(HOUSE, BOB, 21_000))
    world.block(world.perp_trade(ALICE, BOB, 30_000))
    everything = world.everything()
    world.prices(555_000)
    world.prices(400_000)
    world.prices(310_000)
    while not any(each.member == 0 for each in world.every(DefaultEnded)):
        world.block()
    ether(world, 14_000, 20_000)
    while defaults_under_way(world.state):
        world.block()
    world.block()
    before = house_value(world)
    world.wait(BLOCKS + 10)
    assert house_value(world) <= before
    assert {each.number for each in world.every(RecoveryEnded)}
    assert not list(world.state.recoveries.ordered())
    assert world.everything() == everything
    world.check_replay()


def test_claims_of_many_defaults_are_joined_and_none_is_lost() -> None:
    """A price that falls block by block puts the house in default in each. The record does not grow with that."""
    world = after_own_default()
    for ticks in range(19_500, 7_000, -500):
        world.prices(400_000, ticks)
        world.block()
    paid = borne(world)
    assert len(paid) > EARLIER_DEFAULTS_MAX + 2
    ((_, pooled),) = world.state.recoveries.ordered()
    assert len({claim.default for claim in pooled.claims}) == EARLIER_DEFAULTS_MAX + 1 + 1
    assert sum(micros for claim in pooled.claims for _, micros in claim.owed) == sum(paid.values())
    assert [claim.default or max(paid) for claim in pooled.claims] == sorted(
        claim.default or max(paid) for claim in pooled.claims
    )
    world.check_replay()


def test_the_pot_reads_back_from_a_snapshot_and_replays() -> None:
    world = after_own_default()
    ether(world, 14_000, 18_000)
    world.read_back()
    world.block()
    assert not world.refusals(world.inventory_bid(DAVE, UNIT, 180, asset=WETH_1))
    world.wait(BLOCKS + 5)
    assert world.cash(HOUSE_ACCOUNT) < 0
    world.check_replay()
