"""Trades that others would pay for are refused: losses beyond equity, and positions that no margin or proof bounds."""

import msgspec
import pytest

from clearing.epochs.snapshot import take_snapshot
from clearing.margin.statement.stress import DEFICIT_MAX, stressed_equity
from clearing.schema.codes import ClearingCode as C
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.risk.parameters import Scenario, StressScenario
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.state.effective_parameters import current_rulebook
from clearing.trades.novation import NOTIONAL_MAX
from tests.kit.clearing.genesis import (
    ALICE,
    ALICE_CLIENT,
    BOB,
    BTC,
    BTC_CALL,
    BTC_PERP,
    CAROL,
    DOLLAR,
    ETH,
    EXPIRY_MS,
    HOUSE,
    USD,
    make_genesis,
)
from tests.kit.clearing.world import World, funded, of_kind

NEEDED = [C.COLLATERAL_NEEDED_FOR_MARGIN]


def at(btc: int) -> tuple[tuple[int, int], ...]:
    return ((BTC, btc), (ETH, 20_000))


def test_a_called_account_cannot_lose_to_its_friend_what_it_has_not() -> None:
    world = funded(dollars=20_000)
    world.block(world.transfer(ALICE, ALICE_CLIENT, 10_000 * DOLLAR))
    world.block(world.perp_trade(ALICE_CLIENT, ALICE, 6_200))
    index = 790_000 * 115 // 100
    house, together = world.cash(HOUSE), world.cash(ALICE) + world.cash(ALICE_CLIENT)
    left = world.cash(ALICE) - 6_200 * (index - 790_000) * 10
    worse = (left + 999 * DOLLAR) // (6_200 * 10)  # leaves it owing just under the cash limit
    assert 0 < worse < index // 10
    assert world.refused(world.perp_trade(ALICE, ALICE_CLIENT, 6_200, ticks=index + worse), prices=at(index)) == NEEDED
    assert world.cash(HOUSE) >= house
    assert world.cash(ALICE) + world.cash(ALICE_CLIENT) <= together


def test_a_called_account_may_close_at_a_price_it_can_pay() -> None:
    world = funded(dollars=20_000)
    world.block(world.perp_trade(ALICE_CLIENT, BOB, 1))
    world.block(world.perp_trade(BOB, ALICE, 12_600))
    result = world.block(world.perp_trade(ALICE, BOB, 12_600, ticks=810_000), prices=at(800_000))
    assert of_kind(result, TradeNovated)
    assert world.lots(ALICE, BTC_PERP) == 0
    assert world.cash(ALICE) > 0


@pytest.mark.parametrize(("ticks", "refused"), [(621_000, NEEDED), (631_200, NEEDED), (631_400, []), (690_000, [])])
def test_a_called_account_gives_a_friend_no_more_in_price_than_the_share_that_it_reduces(
    ticks: int, refused: list[C]
) -> None:
    """Else it passed on all that it has, and left the house half of a position that nothing covers."""
    world = funded(dollars=20_000)
    world.block(world.perp_trade(ALICE, BOB, 12_600))
    half = world.perp_trade(BOB, ALICE, 6_300, ticks=ticks)  # equity: 7,400 dollars of an initial margin of 17,388
    assert world.refused(half, prices=at(690_000)) == refused


def with_call(strike: int) -> World:
    instruments = tuple(
        msgspec.structs.replace(each, strike_ticks=strike) if each.id == BTC_CALL else each
        for each in make_genesis().instruments
    )
    return funded(genesis=make_genesis(instruments=instruments), dollars=100)


@pytest.mark.parametrize(
    ("lots", "refused"), [(2**39 - 1, [C.POSITION_LIMIT]), (2**58 // 80_000_000 + 1, [C.POSITION_LIMIT]), (1_000, [])]
)
def test_a_position_that_needs_no_margin_is_bounded_by_its_notional(lots: int, refused: list[C]) -> None:
    world = with_call(8_000_000)
    assert world.refused(world.trade(CAROL, ALICE, BTC_CALL, lots, 0)) == refused


def test_no_price_path_of_options_far_from_the_money_stops_the_network() -> None:
    world = with_call(2_000_000)
    most = 2**58 // 20_000_000
    assert of_kind(world.block(world.trade(CAROL, ALICE, BTC_CALL, most, 0)), TradeNovated)
    price = 790_000
    while price < 8_000_000:
        price = price * 129 // 100
        world.prices(price)
    for _ in range(2):
        world.block(prices=at(price), after_ms=3_600_000)
    assert world.state.marks[BTC_CALL].settled


STRIKE = 1_200_000
FAR = range(5, 45)
"""Calls that are worth nothing in every scenario of margin, and much in the worst that stress may state."""


def far_world(stressed: bool) -> World:
    genesis = make_genesis({"member_accounts_max": 2})
    far = tuple(
        Instrument(i, f"FAR-{i}", InstrumentKind.CALL, BTC, 1, USD, 10, EXPIRY_MS, STRIKE + i, band_ppm=1_000_000)
        for i in FAR
    )
    rally = StressScenario("rally", (Scenario(3, 1, 1, of_index=True), Scenario(3, 1, 1, of_index=True)))
    risk = msgspec.structs.replace(genesis.risk, stress=(rally,) if stressed else ())
    changed = msgspec.structs.replace(genesis, instruments=genesis.instruments + far, risk=risk)
    return funded(check=False, genesis=changed)


def most_of(instrument: int) -> int:
    """Lots of a far call that a position may be worth at its strike."""
    return NOTIONAL_MAX // ((STRIKE + instrument) * 10)


def test_what_members_would_lack_has_its_place_in_the_proof_however_much_they_sell() -> None:
    """Every pair trades as much as one position may be worth, and less, of every far call."""
    world, refused = far_world(stressed=True), set[int]()
    for instrument in FAR:
        for pair in ((ALICE, BOB), (CAROL, ALICE_CLIENT), (CAROL, BOB)):
            for lots in (most_of(instrument), most_of(instrument) // 64):
                refused |= set(world.refused(world.trade(*pair, instrument, lots, 0), prices=at(790_000)))
    assert refused == {C.POSITION_LIMIT}
    world.block(prices=at(790_000), facts=world.custody_facts(400))
    while world.state.now.snapshot_height != world.state.now.height:
        world.block()
    snapshot, stress = take_snapshot(world.state), current_rulebook(world.state).stress()
    worths = [
        stressed_equity(stress, each.values[:1], each.values[1:2], each.values[2:])[0] for each in snapshot.accounts
    ]
    assert min(worths) < -(2**55), "something was sold"
    assert all(-(2**62) < worth < 2**62 for worth in worths)
    assert all(0 < deficit < DEFICIT_MAX // 2 for deficit in snapshot.statement.cover[0].deficits)


def test_where_no_fund_is_tested_the_positions_of_an_account_are_bounded_together() -> None:
    world = far_world(stressed=False)
    for instrument, refused in ((FAR[0], []), (FAR[0], [C.POSITION_LIMIT]), (FAR[1], [C.POSITION_LIMIT])):
        assert world.refused(world.trade(ALICE, BOB, instrument, most_of(instrument), 0)) == refused


def test_positions_that_shrink_are_never_too_large() -> None:
    world, half = far_world(stressed=True), most_of(FAR[0]) // 2
    assert world.refused(world.trade(ALICE, BOB, FAR[0], half, 0)) == []
    assert world.refused(world.trade(ALICE, BOB, FAR[1], half, 0)) == [C.POSITION_LIMIT]
    assert world.refused(world.trade(BOB, ALICE, FAR[0], 1, 0)) == []
