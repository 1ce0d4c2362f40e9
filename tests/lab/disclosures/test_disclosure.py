"""Each figure of a day's disclosure is recomputed by hand from a story."""

import csv
import io
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from clearing.base.units import DAY_MS
from clearing.schema.blocks.block import BlockInput, BlockResult
from clearing.schema.receipts.default_fund import FundSized
from clearing.schema.terms.collateral import HaircutTerms
from clearing.schema.terms.genesis import Genesis
from lab.disclosures.field import Unit
from lab.disclosures.fields import FIELDS
from lab.disclosures.model_figures import one_sided_ppm
from lab.disclosures.observed_day import ObservedDay
from lab.disclosures.report import FIGURES, DisclosureReport, as_csv, disclosure_report
from tests.kit.clearing.defaults import TERMS, default_genesis
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, CAROL, DOLLAR, START_MS, USDC_1
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, of_all

DAY = START_MS // DAY_MS + 1
LOTS, OF_CLIENT = 40_000, 1_000
MICROS_PER_TICK = 10
"""Of a lot of BTC-PERP: a thousandth of a coin, a tick is a cent."""
FIRST, SECOND, LAST = 790_000, 760_000, 500_000


def moved(lots: int, ticks: int) -> int:
    return lots * ticks * MICROS_PER_TICK


def margin(lots: int, ticks: int) -> int:
    """20 % of the notional."""
    return moved(lots, ticks) // 5


class Watched(World):
    """A world whose blocks are observed."""

    def __init__(self, genesis: Genesis, day: int) -> None:
        super().__init__(genesis, check=False, fresh=True)
        self.observed = ObservedDay(day)

    def apply(self, block: BlockInput) -> BlockResult:
        result = super().apply(block)
        self.observed.decided(block.time_ms, result, self.state)
        return result


def prelude(day: int, genesis: Genesis | None = None) -> Watched:
    """The day before: Alice is long 40 BTC against Bob, her client has 9,000 dollars, the fund is paid in."""
    world = Watched(genesis or default_genesis(), day)
    world.prices(FIRST)
    world.endow(100_000)
    world.endow(100_000, DAVE)
    world.bring(alice=30_000, bob=30_000, client=9_000)
    world.block(world.perp_trade(ALICE, BOB, LOTS))
    world.fund_paid_in()
    return world


def opened(world: Watched) -> Watched:
    """In the first block of the day."""
    world.block(after_ms=DAY * DAY_MS - world.time_ms + 1_000)
    return world


@pytest.fixture(scope="module")
def world() -> Watched:
    """The day: a client's trade, a withdrawal, a fall with a call, an hour later a crash in which Alice defaults."""
    world = opened(prelude(DAY))
    world.block(world.perp_trade(ALICE_CLIENT, CAROL, OF_CLIENT))
    world.block(world.withdrawal(CAROL, USDC_1, 5_000 * DOLLAR))
    world.prices(SECOND)
    world.block(after_ms=3_600_000)
    world.prices(LAST)
    world.until_ended()
    return world


@pytest.fixture(scope="module")
def report(world: Watched) -> DisclosureReport:
    return disclosure_report(world.state, world.observed, complete=True)


def micros(report: DisclosureReport, number: str, item: str = "") -> int:
    return int(report.value(number, item))


def test_every_field_has_figures_or_a_reason(report: DisclosureReport) -> None:
    assert set(FIGURES) == {field.number for field in FIELDS if not field.reason}
    assert len({field.number for field in FIELDS}) == len(FIELDS)
    for field in report.fields:
        assert bool(field.figures) != bool(field.reason), field.number
        assert bool(field.definition) != bool(field.reason), field.number
        items = [figure.item for figure in field.figures]
        assert len(set(items)) == len(items)


FITTING = {
    Unit.CURRENCY: {"micros"},
    Unit.PERCENTAGE: {"ppm"},
    Unit.DAYS: {"days"},
    Unit.COUNT: {"count", "observations"},
}
"""In what the figures of a field of this unit begin; text says anything."""


def test_the_first_figure_of_a_field_is_in_the_unit_in_which_houses_state_it(report: DisclosureReport) -> None:
    in_words = {"5.3.1": "no haircut of this market follows a range"}
    for field in report.fields:
        if field.figures and field.unit in FITTING and field.number not in in_words:
            assert field.figures[0].unit in FITTING[Unit(field.unit)], field.number


def test_the_fields_are_those_of_the_table_of_facts() -> None:
    """Number, name, unit and period, as read in the published files that the page on the disclosure names."""
    with (Path(__file__).parent / "fields.csv").open() as file:
        facts = [tuple(row.values()) for row in csv.DictReader(file)]
    assert [(field.number, field.title, field.unit, field.period) for field in FIELDS] == facts


def test_a_range_that_covers_both_sides_covers_half_of_the_rest_on_one() -> None:
    assert [one_sided_ppm(ppm) for ppm in (990_000, 999_999, 500_000)] == [995_000, 999_999, 750_000]


def test_clients_ported_to_a_standby_member_count_as_ported() -> None:
    terms = msgspec.structs.replace(TERMS, standby_porting=True, porting_at_maintenance=True)
    world = opened(prelude(DAY, default_genesis(terms)))
    world.bring(client=50_000)
    world.block(world.perp_trade(ALICE_CLIENT, CAROL, OF_CLIENT), world.standby(ALICE_CLIENT, 3, secret(1)))
    world.prices(LAST)
    world.until_ended()
    report = disclosure_report(world.state, world.observed, complete=False)
    assert (report.value("13.1.3.2", "accounts"), report.value("13.1.3.2", "share")) == ("1", "1000000")
    assert (report.value("13.1.3.1", "accounts"), report.value("13.1.3.1", "share")) == ("0", "0")


def test_the_exposure_to_a_participant_is_with_its_affiliates() -> None:
    """Alice and Dave are long and fall below zero in one block: as affiliates they are one participant."""
    exposures = []
    for affiliated in (False, True):
        world = opened(prelude(DAY))
        assert world.refusals(world.perp_trade(DAVE, CAROL, LOTS)) == []
        if affiliated:
            assert world.refusals(world.affiliation(ALICE, DAVE, affiliate_key=secret(4))) == []
        world.go(btc=LAST)
        report = disclosure_report(world.state, world.observed, complete=False)
        exposures.append((micros(report, "4.4.6", "peak_day"), micros(report, "4.4.10", "peak_day")))
    (one, two), (with_affiliate, both) = exposures
    assert 0 < one < two
    assert (with_affiliate, both) == (two, two)


def test_the_day_is_from_its_first_block_to_its_last(world: Watched, report: DisclosureReport) -> None:
    heights = [result.height for result in world.results]
    assert (report.first_height, report.last_height) == (heights[-12], heights[-1])
    assert report.day == "2023-11-15"


def test_default_resources_are_the_houses_capital_and_the_contributions(
    world: Watched, report: DisclosureReport
) -> None:
    records = [record for _, record in world.state.contributions.ordered()]
    assert micros(report, "4.1.1") == TERMS.house_capital_micros
    assert micros(report, "4.1.4") == sum(record.required for record in records)
    assert micros(report, "4.1.5") == world.fund
    for number in ("4.3.14", "4.3.15"):
        assert micros(report, number, "post_haircut") == micros(report, "4.1.1") + micros(report, "4.1.5")
    others = sum(world.required(member) for member in (2, 3, 4))
    assert micros(report, "4.1.9") == others, "Alice is no longer active"
    assert micros(report, "4.1.8") == others, "all of a contribution may be assessed, and nothing was"


def test_stress_losses_are_the_largest_of_the_days_sizings(world: Watched, report: DisclosureReport) -> None:
    sized = of_all(world.results[-12:], FundSized)
    assert sized
    largest = max(s.shortfalls[0][1] for each in sized for s in each.scenarios if s.shortfalls)
    assert micros(report, "4.4.3", "peak_day") == largest
    assert micros(report, "4.4.7", "peak_day") == max(s.cover_two for each in sized for s in each.scenarios)
    assert (report.value("4.4.4"), report.value("4.4.8")) == ("1", "1")
    assert 0 < micros(report, "4.4.5") < largest


def test_the_actual_exposure_is_what_the_defaulters_accounts_are_below_zero(report: DisclosureReport) -> None:
    """Alice had 67,800 dollars and lost 290 on each of 40,000 hundredths; the client is above zero."""
    cash = 130_000 * DOLLAR - 62_200 * DOLLAR
    assert micros(report, "4.4.6", "peak_day") == moved(LOTS, FIRST - LAST) - cash
    assert micros(report, "4.4.10", "peak_day") == micros(report, "4.4.6", "peak_day")


def test_variation_margin_is_what_members_and_accounts_paid_net(report: DisclosureReport) -> None:
    falls = {
        before - after: moved(LOTS + OF_CLIENT, before - after) for before, after in pairwise((FIRST, SECOND, LAST))
    }
    assert micros(report, "6.6.1", "net_by_member") == sum(falls.values())
    assert micros(report, "6.6.1", "net_by_account_and_block") == sum(falls.values())
    assert micros(report, "6.7.1", "largest_block") == falls[SECOND - LAST]


def test_calls_are_initial_margin_less_equity(report: DisclosureReport) -> None:
    equity = 67_800 * DOLLAR - moved(LOTS, FIRST - SECOND)
    assert micros(report, "6.8.1") == margin(LOTS, SECOND) - equity


def test_margin_is_tested_in_windows_of_the_horizon(report: DisclosureReport) -> None:
    """Two accounts in the first hour, four in the second; Alice and her client lose more than their margin."""
    beyond = [moved(lots, SECOND - LAST) - margin(lots, SECOND) for lots in (LOTS, OF_CLIENT)]
    assert report.value("6.5.2") == "6"
    assert report.value("6.5.1.1") == "2"
    assert report.value("6.5.3") == str(4 * 1_000_000 // 6)
    assert micros(report, "6.5.4") == max(beyond)
    assert micros(report, "6.5.5") == sum(beyond) // 2


def test_margin_required_and_held_are_those_of_the_accounts(world: Watched, report: DisclosureReport) -> None:
    """At the close only Bob and Carol have positions: the house took over the others."""
    assert micros(report, "6.1.1", "house_net") == margin(LOTS + OF_CLIENT, LAST)
    assert micros(report, "6.1.1", "client_gross") == 0
    assert micros(report, "6.1.1", "total") == margin(LOTS + OF_CLIENT, LAST)
    house = sum(world.cash(each) for each in (ALICE, BOB, CAROL, DAVE))
    client = 9_000 * DOLLAR - moved(OF_CLIENT, FIRST - LAST)
    assert micros(report, "6.2.14", "house/USD/pre_haircut") == house
    assert micros(report, "6.2.14", "client/USD/post_haircut") == client
    assert micros(report, "6.2.15", "total_im_post_haircut") == house + client, "there are no tokens"
    assert report.value("6.3.1", "BTC-PERP/long") == "200000"


def test_defaults_state_loss_margin_and_layers(report: DisclosureReport) -> None:
    assert micros(report, "13.1.1", "default_1/loss") == micros(report, "4.4.6", "peak_day")
    assert micros(report, "13.1.1", "default_1/initial_margin") == margin(LOTS + OF_CLIENT, SECOND)
    assert micros(report, "13.1.2", "default_1/own_contribution") == micros(report, "13.1.1", "default_1/loss")
    assert (report.value("13.1.3.1", "accounts"), report.value("13.1.3.1", "share")) == ("1", "1000000")
    assert (report.value("13.1.3.2", "accounts"), report.value("13.1.3.2", "share")) == ("0", "0")


def test_payments_are_the_withdrawals_and_liquid_is_what_the_vaults_have(report: DisclosureReport) -> None:
    deposited = 100_000 * (6 - 1) + 30_000 * 2 + 9_000
    assert micros(report, "7.3.4", "withdrawn/USDC-1/day") == 5_000 * DOLLAR
    assert micros(report, "7.3.4", "withdrawn/USDC-1/largest_block") == 5_000 * DOLLAR
    assert micros(report, "7.1.9", "USDC-1") == (deposited - 5_000) * DOLLAR


def test_the_largest_obligation_is_what_one_member_paid_net_over_the_day(report: DisclosureReport) -> None:
    """Alice and her client are one member; they alone paid."""
    assert micros(report, "7.3.4", "variation_margin") == micros(report, "6.6.1", "net_by_member")


def test_client_positions_are_all_in_accounts_of_their_own() -> None:
    world = prelude(DAY - 1)
    world.block(world.perp_trade(ALICE_CLIENT, CAROL, OF_CLIENT))
    report = disclosure_report(world.state, world.observed, complete=False)
    assert micros(report, "14.1.1", "notional") == moved(OF_CLIENT, FIRST)
    assert report.value("14.1.1", "share") == "1000000"
    assert micros(report, "6.1.1", "client_gross") == margin(OF_CLIENT, FIRST)
    assert not report.complete


def test_a_token_that_fell_by_more_than_its_haircut_is_counted() -> None:
    """The haircut of wrapped ether is 10 %."""
    for eth, fell in ((18_000, "0"), (17_999, "1")):
        world = opened(prelude(DAY))
        world.prices(FIRST, eth)
        world.prices(FIRST, 20_000)
        assert disclosure_report(world.state, world.observed, complete=False).value("5.3.4", "WETH-1") == fell


def test_the_table_has_a_row_for_every_figure_and_every_reason(report: DisclosureReport) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(report))))
    assert len(rows) == sum(max(len(field.figures), 1) for field in report.fields)
    for row in rows:
        assert bool(row["reason"]) != bool(row["value"])
        if row["value"]:
            assert report.value(row["field"], row["item"]) == row["value"]


def test_a_haircut_that_follows_a_range_has_the_ranges_confidence_and_horizon() -> None:
    """One token's haircut follows the range of its risk group; the ranges cover 99 % of moves by size."""
    genesis = default_genesis()
    assets = tuple(
        each if each.is_cash else msgspec.structs.replace(each, haircut=HaircutTerms(range_share_ppm=500_000))
        for each in genesis.assets
    )
    ranges = msgspec.structs.replace(genesis.ranges, interval_ms=60_000, confidence_ppm=990_000)
    for following in (False, True):
        changed = msgspec.structs.replace(genesis, assets=assets, ranges=ranges) if following else genesis
        world = opened(prelude(DAY, changed))
        report = disclosure_report(world.state, world.observed, complete=False)
        expected = "995000" if following else "set by governance, without one"
        assert report.value("5.3.1", "WETH-1") == expected
        held = [figure.item for field in report.fields if field.number == "5.3.2" for figure in field.figures]
        assert ("WETH-1" in held) is following
        if following:
            assert report.value("5.3.2", "WETH-1") == str(ranges.horizon_ms)
