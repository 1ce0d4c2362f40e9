"""Live surfaces in the state: from reports to marks and margin, and the ladder when there are none."""

import msgspec
import pytest

from clearing.base.errors import LocalFault
from clearing.genesis.checks import check_terms
from clearing.genesis.json import genesis_from_json, genesis_to_json
from clearing.margin.statement.rulebook import read_rulebook, write_rulebook
from clearing.prices.stale_options import is_covered_at_floor
from clearing.pricing.marks import mark_ticks
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.surfaces import SurfaceApplied, SurfaceCause, SurfaceStatusChanged
from clearing.schema.records.prices import PriceStatus
from clearing.schema.risk.live_surface import ExpiryCarry
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.genesis import network_id
from clearing.state.effective_parameters import current_rulebook, effective_parameters
from clearing.state.holdings import Holdings, current_arrays, current_holdings, holdings_margin
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_FUT, CAROL, DOLLAR, ETH, USDC_1, make_genesis
from tests.kit.clearing.surfaced import (
    BTC_CALL,
    FAR,
    FAR_PUT,
    GROUP,
    NEAR,
    QUOTES,
    SurfacedWorld,
    surfaced_genesis,
)

change = msgspec.structs.replace


def world(**terms: int) -> SurfacedWorld:
    made = SurfacedWorld(surfaced_genesis(terms))
    made.quote()
    made.endow(100_000)
    made.quote()
    return made


def group_in_force(made: SurfacedWorld):
    return effective_parameters(made.state).groups[0]


def model_mark(made: SurfacedWorld, instrument: int) -> int:
    listed = made.state.terms.instruments[instrument]
    risk = effective_parameters(made.state)
    return mark_ticks(listed, made.ticks[BTC], risk.groups[0], risk.rate_ppm, made.state.now.arrays_time_ms)


def test_an_agreed_surface_is_the_group_in_force() -> None:
    made = world()
    group, valued_ms = group_in_force(made), made.state.now.arrays_time_ms
    assert group.curve == tuple(ExpiryCarry(each.expiry_ms, each.forward_ppb, each.rate_ppm) for each in QUOTES)
    assert [(each.level_ppm, each.skew_ppm, each.wing_ppm) for each in group.surface] == [
        (each.level_ppm, each.skew_ppm, each.wing_ppm) for each in QUOTES
    ]
    assert [each.tenor_ms for each in group.surface] == [each.expiry_ms - valued_ms for each in QUOTES]
    assert group.volatility_ppm == 1_000_000
    assert group.volatility_range_ppm == made.genesis.risk.groups[0].volatility_range_ppm
    assert effective_parameters(made.state).groups[1] == made.genesis.risk.groups[1]


def test_marks_rows_and_package_are_of_one_surface() -> None:
    made = world()
    for _ in range(2):
        book = current_rulebook(made.state)
        arrays, reference = current_arrays(made.state), book.arrays()
        assert arrays.rows == reference.rows
        for instrument in (BTC_CALL, FAR_PUT):
            mark = made.state.marks[instrument].ticks
            assert mark == model_mark(made, instrument) > 0
            assert arrays.rows[made.state.terms.array_index[instrument]][0] // 10 in (mark - 1, mark, mark + 1)
        assert read_rulebook(write_rulebook(book), 10_000) == book
        made.quote((change(NEAR, level_ppm=900_000), change(FAR, level_ppm=900_000)))


def test_a_moved_surface_moves_marks_and_margin_while_the_index_stands_still() -> None:
    made = world()
    made.quote(QUOTES, made.trade(ALICE, BOB, BTC_CALL, 100, made.state.marks[BTC_CALL].ticks))
    before, margin = made.state.marks[BTC_CALL].ticks, made.margin(BOB)
    made.quote((change(NEAR, level_ppm=1_400_000), change(FAR, level_ppm=1_400_000)))
    assert made.state.marks[BTC_CALL].ticks == model_mark(made, BTC_CALL) > before
    assert made.margin(BOB).equity < margin.equity
    assert made.last(SurfaceApplied)[0].expiries[0].level_ppm == 1_400_000
    made.quote((change(NEAR, level_ppm=1_400_000), change(FAR, level_ppm=1_400_000)))
    assert not made.last(SurfaceApplied), "nothing moved"
    made.check_replay()


def test_two_thirds_of_the_stake_are_no_quorum_and_a_liar_moves_nothing() -> None:
    made = world()
    lie = (change(NEAR, level_ppm=4_000_000, forward_ppb=1_090_000_000), change(FAR, level_ppm=4_000_000))
    made.quote(QUOTES, lying=lie)
    assert made.state.surfaces[GROUP].expiries == QUOTES
    moved = (change(NEAR, level_ppm=710_000), FAR)
    made.quote(moved, silent=2, after_ms=60_000)
    assert made.state.surfaces[GROUP].expiries == QUOTES
    assert made.last(SurfaceStatusChanged)[0].cause is SurfaceCause.NO_QUORUM


def test_a_report_counts_until_it_is_too_old() -> None:
    made = world(age_ms_max=5_000)
    made.unquoted(after_ms=5_000)
    assert made.state.surfaces[GROUP].status is PriceStatus.USABLE
    assert len(list(made.state.surface_reports.ordered())) == 4
    made.unquoted(after_ms=1)
    assert made.state.surfaces[GROUP].status is not PriceStatus.USABLE
    assert not list(made.state.surface_reports.ordered())


def test_reports_of_too_few_sources_or_another_group_count_for_nothing() -> None:
    made = SurfacedWorld(surfaced_genesis({"sources_min": 2}))
    made.quote(sources=1)
    assert not list(made.state.surface_reports.ordered())
    made.quote(sources=2)
    assert made.state.surfaces[GROUP].expiries == QUOTES


def test_the_ladder_falls_by_blocks_and_rises_with_an_agreement() -> None:
    made = world(age_ms_max=1, grace_blocks=2, keep_blocks=4)
    found, earlier = [], len(made.every(SurfaceStatusChanged))
    for _ in range(5):
        made.unquoted()
        surface = made.state.surfaces[GROUP]
        found.append((surface.status, surface.in_force))
    no_new_risk, no_liquidation = PriceStatus.NO_NEW_RISK, PriceStatus.NO_LIQUIDATION
    assert found == [
        (no_new_risk, True), (no_new_risk, True), (no_liquidation, True), (no_liquidation, True), (no_new_risk, False),
    ]  # fmt: skip
    assert group_in_force(made) == made.genesis.risk.groups[0]
    assert made.state.marks[BTC_CALL].ticks == model_mark(made, BTC_CALL)
    made.quote()
    assert made.state.surfaces[GROUP].status is PriceStatus.USABLE
    assert group_in_force(made).curve
    assert [each.status for each in made.every(SurfaceStatusChanged)[earlier:]] == [
        no_new_risk, no_liquidation, no_new_risk, PriceStatus.USABLE,
    ]  # fmt: skip
    made.check_replay()


def test_an_absurd_surface_is_not_used_and_the_last_one_stays() -> None:
    made = world(level_max_ppm=2_000_000, basis_max_ppm=50_000)
    for absurd in (change(NEAR, level_ppm=2_000_001), change(NEAR, forward_ppb=1_060_000_000)):
        made.quote((absurd, FAR))
        assert made.state.surfaces[GROUP].expiries == QUOTES
        assert made.state.surfaces[GROUP].status is not PriceStatus.USABLE
        assert made.last(SurfaceStatusChanged)[0].cause is SurfaceCause.OUT_OF_BOUNDS
        made.quote()
        assert made.state.surfaces[GROUP].status is PriceStatus.USABLE


def test_options_of_a_stale_surface_can_only_be_reduced_and_then_not_traded() -> None:
    made = world(age_ms_max=1, grace_blocks=3)
    price = made.state.marks[BTC_CALL].ticks
    made.quote(QUOTES, made.trade(ALICE, BOB, BTC_CALL, 10, price))
    made.unquoted()
    stale, closed = int(ClearingCode.SURFACE_STALE), int(ClearingCode.SURFACE_CLOSED)
    made.unquoted(made.trade(ALICE, BOB, BTC_CALL, 1, price), made.trade(BOB, ALICE, BTC_CALL, 1, price))
    assert _codes(made) == [stale]
    assert made.lots(ALICE, BTC_CALL) == 9
    made.unquoted(made.trade(ALICE, BOB, 1, 1, 790_000))
    assert not _codes(made), "instruments without a volatility are traded on"
    made.unquoted(made.trade(BOB, ALICE, BTC_CALL, 1, price))
    assert _codes(made) == [closed]


def with_futures(made: SurfacedWorld, lots: int) -> Holdings:
    """Alice's holdings with so many futures more."""
    holdings = current_holdings(made.state, ALICE)
    holdings.lots[made.state.terms.array_index[BTC_FUT]] += lots
    return holdings


def test_a_stale_quote_creates_no_credit_and_calls_nobody() -> None:
    """An option out of the money, paid for: with a fresh surface it backs a trade, with a stale one it does not."""
    made = SurfacedWorld(surfaced_genesis({"age_ms_max": 1, "grace_blocks": 9}))
    made.quote()
    made.endow(1_000_000)
    made.quote()
    made.quote(QUOTES, made.trade(ALICE, BOB, BTC_CALL, 1_500, made.state.marks[BTC_CALL].ticks))
    made.quote(QUOTES, made.withdrawal(ALICE, USDC_1, made.cash(ALICE) - 2_000 * DOLLAR))
    assert not _codes(made)
    future = made.state.marks[BTC_FUT].ticks
    made.unquoted()
    assert made.state.surfaces[GROUP].status is PriceStatus.NO_NEW_RISK
    lots = next(each for each in range(1, 10_000) if not is_covered_at_floor(made.context(), with_futures(made, each)))
    assert holdings_margin(current_arrays(made.state), with_futures(made, lots)).initial_ok, "at the mark it is"
    made.unquoted(made.trade(ALICE, BOB, BTC_FUT, lots, future))
    assert _codes(made) == [int(ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN)]
    made.unquoted(made.withdrawal(ALICE, USDC_1, DOLLAR), made.withdrawal(CAROL, USDC_1, DOLLAR))
    assert _codes(made) == [int(ClearingCode.SURFACE_STALE)], "of Alice; Carol has no option"
    assert made.margin(ALICE).maintenance_ok
    assert made.lots(ALICE, BTC_CALL) == 1_500
    made.quote(QUOTES, made.trade(ALICE, BOB, BTC_FUT, lots, future))
    assert not _codes(made)
    assert made.lots(ALICE, BTC_FUT) == lots


def test_while_the_feed_is_closed_the_surface_stays_as_it_is() -> None:
    made = world(age_ms_max=1)
    before = made.state.surfaces[GROUP]
    made.block(prices=((ETH, 20_000),), after_ms=20_000)
    assert made.state.surfaces[GROUP] == before
    mark = made.state.marks[BTC_CALL].ticks
    made.quote((change(NEAR, level_ppm=900_000), FAR), btc=780_000)
    assert made.state.surfaces[GROUP].expiries[0].level_ppm == 900_000
    assert made.state.marks[BTC_CALL].ticks == model_mark(made, BTC_CALL) != mark


def test_before_the_first_agreement_the_voted_surface_is_in_force_and_no_option_can_be_bought() -> None:
    made = SurfacedWorld()
    made.unquoted()
    made.endow(100_000)
    made.unquoted(made.trade(ALICE, BOB, BTC_CALL, 1, made.state.marks[BTC_CALL].ticks))
    assert _codes(made) == [int(ClearingCode.SURFACE_STALE)]
    assert group_in_force(made) == made.genesis.risk.groups[0]


def test_an_expiry_leaves_the_surface_when_it_is_over() -> None:
    made = world()
    made.quote((change(FAR, level_ppm=660_000),), after_ms=NEAR.expiry_ms - made.time_ms)
    assert [each.expiry_ms for each in made.state.surfaces[GROUP].expiries] == [FAR.expiry_ms]
    assert made.state.marks[BTC_CALL].settled
    assert made.state.marks[FAR_PUT].ticks == model_mark(made, FAR_PUT)


def test_a_surface_is_corrected_where_medians_allow_arbitrage() -> None:
    made = world()
    made.quote((change(NEAR, level_ppm=900_000), change(FAR, level_ppm=500_000)))
    (applied,) = made.last(SurfaceApplied)
    assert applied.corrected
    assert applied.expiries[1].level_ppm > 500_000
    read_rulebook(write_rulebook(current_rulebook(made.state)), 10_000)


def test_terms_that_are_off_leave_the_network_id_as_it_was() -> None:
    plain = make_genesis()
    assert network_id(change(plain, surfaces=surfaced_genesis().surfaces)) != network_id(plain)
    assert b"surfaces" not in genesis_to_json(plain)
    assert b"curve" not in genesis_to_json(plain)
    live = surfaced_genesis()
    assert genesis_from_json(genesis_to_json(live)) == live
    assert network_id(genesis_from_json(genesis_to_json(live))) == network_id(live)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("group", 3), ("age_ms_max", 0), ("level_min_ppm", 9_999), ("level_max_ppm", 49_999), ("skew_max_ppm", 990_001),
        ("wing_max_ppm", 2_000_001), ("basis_max_ppm", 500_001), ("rate_max_ppm", 1_000_001), ("level_change_ppm", 0),
        ("shape_change_ppm", 0), ("carry_change_ppm", 0), ("keep_blocks", 5),
    ],
)  # fmt: skip
def test_terms_out_of_range_are_refused(field: str, value: int) -> None:
    live = surfaced_genesis({"grace_blocks": 5})
    check_terms(live)
    terms = change(live.surfaces[0], **{field: value})
    with pytest.raises(LocalFault, match="surfaces"):
        check_terms(change(live, surfaces=(terms,)))


def test_a_live_surface_excludes_a_volatility_that_follows_the_index() -> None:
    ranges = RangeParameters(interval_ms=60_000, horizon_ms=60_000, volatility_weight_ppm=500_000)
    check_terms(make_genesis(ranges=ranges))
    with pytest.raises(LocalFault, match="volatility_weight_ppm"):
        check_terms(surfaced_genesis(ranges=ranges))


def test_genesis_states_no_forwards_of_its_own() -> None:
    live = surfaced_genesis()
    first, second = live.risk.groups
    curve = (ExpiryCarry(NEAR.expiry_ms, 10**9, 0),)
    with pytest.raises(LocalFault, match="curve"):
        check_terms(change(live, risk=change(live.risk, groups=(change(first, curve=curve), second))))


def _codes(made: SurfacedWorld) -> list[int]:
    return [each.code for each in made.results[-1].receipts if hasattr(each, "code")]
