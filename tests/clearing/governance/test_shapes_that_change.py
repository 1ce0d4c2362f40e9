"""Amendments that give arrays another shape: grids, credits, charges, guards. Everybody's books stay whole."""

import msgspec
import pytest

from clearing.epochs.snapshot import take_snapshot
from clearing.schema.receipts.governance import AmendmentEnacted
from clearing.schema.risk.charges import ConcentrationTier, LotCharge
from clearing.schema.risk.parameters import SPAN_SIXTEEN, JointCredit, Scenario, collapse
from clearing.schema.terms.collateral import DepegTerms, HaircutTerms, SkewTerms
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.schema.terms.prices import FundingTerms
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits, WithdrawalControlTerms
from clearing.state.holdings import margin_book
from clearing.state.indexes import CURRENCY_HOLDERS, holders
from proofs.statement.rulebook_checks import check_rulebook
from tests.kit.clearing.chamber import parliament_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC_CALL, BTC_PERP, CAROL, USD, WETH_1
from tests.kit.clearing.listing import agreed_everywhere
from tests.kit.clearing.world import World, codes, of_kind

WIDE = (*SPAN_SIXTEEN, Scenario(9, 100, 1, of_index=True), Scenario(-9, 100, -1, of_index=True))
FUNDED = FundingTerms(
    premium_cap_ppm=10_000, window_ms=60_000, depth_lots=100, interval_ms=4_000, period_ms=600_000, rate_cap_ppm=5_000
)
SHAPES: dict[str, list[tuple[str, object]]] = {
    "wider grid": [("risk.scenarios", WIDE)],
    "narrower grid": [("risk.scenarios", SPAN_SIXTEEN[10:])],
    "own grid": [("risk.groups.2.scenarios", WIDE[:14])],
    "joint credit": [("risk.joint", JointCredit(collapse([(11, 1), (12, 2), (13, 2), (5, 0)]), tail=2))],
    "charges": [
        ("risk.charges.1", LotCharge(1, 5_000, 1_000, 300, 10_000, 20_000)),
        ("risk.concentration", (ConcentrationTier(3, 1_000, 100_000),)),
        ("risk.groups.1.short_option_ppm", 30_000),
    ],
    "guard": [("assets.2.depeg", DepegTerms(feed=2, feed_tokens=200))],
    "moving haircut": [("assets.3.haircut", HaircutTerms(liquidity_ppm=20_000, step_ppm=5_000))],
    "skew": [("cash_groups.1.skew", SkewTerms(rate_ppm=10_000, depth_micros=10**9))],
    "funding": [("instruments.1.funding", FUNDED)],
    "gates": [("crisis.gates", WithdrawalControlTerms(assets=(AssetWithdrawalLimits(1, window_units_max=10**14),)))],
    "maintenance": [("risk.maintenance_numerator", 9), ("risk.maintenance_denominator", 10)],
    "everything": [
        ("risk.scenarios", WIDE),
        ("risk.charges.1", LotCharge(1, 5_000)),
        ("assets.2.depeg", DepegTerms(feed=2, feed_tokens=200)),
        ("instruments.3", None),
        ("instruments.9", Instrument(9, "ETH-9", InstrumentKind.PERPETUAL, 2, 2, USD, 10)),
    ],
}


def positioned() -> World:
    house = parliament_world(dollars=50_000)
    house.block(facts=[house.deposit_fact(ALICE, WETH_1, 2 * 10**18)])
    house.block(
        house.trade(ALICE, BOB, BTC_PERP, 300, 790_000),
        house.trade(CAROL, ALICE, 4, 200, 20_000),
    )
    return house


@pytest.mark.parametrize("name", SHAPES)
def test_books_stay_whole_under_another_shape(name: str) -> None:
    house = positioned()
    lots = {each: house.state.books[each].lots for each in (ALICE, BOB, CAROL)}
    assert of_kind(house.amend(*SHAPES[name]), AmendmentEnacted)
    assert {each: house.state.books[each].lots for each in (ALICE, BOB, CAROL)} == lots
    agreed_everywhere(house)
    assert codes(house.block(house.trade(BOB, CAROL, BTC_PERP, 10, 790_000))) == []
    house.block(facts=[house.deposit_fact(BOB, WETH_1, 10**18)])
    assert BOB in holders(house.state, CURRENCY_HOLDERS, 2**32 + WETH_1)
    house.wait(6)
    agreed_everywhere(house)
    house.block(facts=house.custody_facts(400))
    statement = take_snapshot(house.state).statement
    terms, network = house.state.terms.genesis, house.network
    assert "under the genesis' parameters" in check_rulebook(statement, terms, network=network)


def test_a_wider_grid_asks_for_no_less() -> None:
    house = positioned()
    before = {each: margin_book(house.state).margin(each).initial for each in (ALICE, BOB, CAROL)}
    house.amend(*SHAPES["wider grid"])
    after = {each: margin_book(house.state).margin(each).initial for each in (ALICE, BOB, CAROL)}
    assert all(after[each] >= before[each] for each in before)


def test_an_option_that_somebody_holds_keeps_its_place_when_another_goes() -> None:
    house = positioned()
    mark = house.state.marks[BTC_CALL].ticks
    house.block(house.trade(ALICE, BOB, BTC_CALL, 5, mark))
    late = msgspec.structs.replace(house.genesis.instruments[0], id=5, name="LATE")
    house.amend(("instruments.5", late))
    house.amend(("instruments.2", None))
    assert house.lots(ALICE, BTC_CALL) == 5
    agreed_everywhere(house)
