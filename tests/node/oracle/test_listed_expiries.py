"""Surfaces at the expiries that the network lists: free of arbitrage, on the fitted surface, with its carry."""

import random
from dataclasses import replace

import msgspec
import pytest

from clearing.base.units import DAY_MS, PPM, YEAR_MS
from clearing.pricing.surface import smile_at
from clearing.schema.blocks.block import ExpiryQuote, SurfaceReport, VoteExtension, check_extension
from clearing.schema.risk.volatility_surface import TENOR_MIN_MS
from node.oracle.surfaces.listed import at_listed, listed_expiries
from node.oracle.surfaces.quantised import EARLIER_MS, is_free_of_arbitrage, pillars_of, quantised
from node.oracle.surfaces.smiles import fit_smiles
from tests.kit.clearing.world import funded
from tests.kit.oracle.option_venue import NOW_MS
from tests.kit.oracle.surface_arbitrage import arbitrages
from tests.kit.oracle.surface_markets import Market, jagged_market, random_market

PPB = 10**9


def report_of(market: Market) -> SurfaceReport:
    carried = [(NOW_MS + tenor, PPB + tenor // 1_000, 10_000) for tenor in market.tenors_ms]
    return SurfaceReport(1, NOW_MS, 1, quantised(fit_smiles(market.quotes), carried, NOW_MS))


def resampled(report: SurfaceReport, listed: list[int], now_ms: int = NOW_MS) -> tuple[ExpiryQuote, ...]:
    found = at_listed(report, listed, now_ms)
    assert found is not None
    check_extension(VoteExtension(surfaces=(found,)))
    assert [quote.expiry_ms for quote in found.expiries] == listed[: len(found.expiries)]
    return found.expiries


@pytest.mark.parametrize("of_seed", [random_market, jagged_market])
def test_a_surface_at_any_listed_expiries_is_free_of_arbitrage(of_seed: object) -> None:
    for seed in range(30):
        report = report_of(of_seed(seed))  # type: ignore[operator]
        draw = random.Random(seed)
        listed = sorted({NOW_MS + draw.randrange(2 * TENOR_MIN_MS, 2 * YEAR_MS) for _ in range(draw.randint(1, 16))})
        quotes = resampled(report, listed)
        assert is_free_of_arbitrage(quotes, NOW_MS - EARLIER_MS), seed
        assert is_free_of_arbitrage(quotes, NOW_MS), seed
        assert not list(arbitrages(pillars_of(quotes, NOW_MS))), seed
        pillars = pillars_of(report.expiries, NOW_MS)
        for quote in quotes:
            smile = smile_at(pillars, PPM, quote.expiry_ms - NOW_MS)
            level = (smile.at_money / smile.years) ** 0.5
            assert quote.level_ppm / PPM == pytest.approx(level, rel=1e-3), seed
            if of_seed is random_market:
                wing = smile.opening / smile.at_money**0.5
                assert quote.wing_ppm / PPM == pytest.approx(wing, abs=2e-3), seed
                assert quote.skew_ppm / PPM == pytest.approx(smile.tilt / smile.opening, abs=2e-3), seed


def test_an_expiry_that_was_reported_keeps_its_quote() -> None:
    report = report_of(random_market(3))
    listed = [quote.expiry_ms for quote in report.expiries]
    assert resampled(report, listed) == report.expiries


def quote(days: int, forward_ppb: int, rate_ppm: int) -> ExpiryQuote:
    return ExpiryQuote(NOW_MS + days * DAY_MS, forward_ppb, rate_ppm, 600_000, -100_000, 500_000)


def test_forward_and_rate_are_linear_and_the_carry_goes_on() -> None:
    report = SurfaceReport(1, NOW_MS, 1, (quote(10, PPB + 1_000, 10_000), quote(30, PPB + 5_000, 50_000)))
    listed = [NOW_MS + days * DAY_MS for days in (5, 10, 20, 30, 60)]
    found = resampled(report, listed)
    assert [each.forward_ppb - PPB for each in found] == [500, 1_000, 3_000, 5_000, 10_000]
    assert [each.rate_ppm for each in found] == [10_000, 10_000, 30_000, 50_000, 50_000]
    assert {(each.skew_ppm, each.level_ppm) for each in found} == {(-100_000, 600_000)}


def test_expiries_in_their_last_hour_have_the_smile_before_it() -> None:
    report = report_of(random_market(5))
    first = report.expiries[0]
    listed = [NOW_MS + 1, NOW_MS + 600_000, NOW_MS + TENOR_MIN_MS + EARLIER_MS, NOW_MS + TENOR_MIN_MS + 2 * EARLIER_MS]
    for each in resampled(report, listed):
        assert (each.level_ppm, each.skew_ppm) == (pytest.approx(first.level_ppm, rel=1e-3), first.skew_ppm)


def test_no_more_expiries_than_a_report_has_and_none_that_is_over() -> None:
    report = report_of(random_market(5))
    many = [NOW_MS - 1, *(NOW_MS + days * DAY_MS for days in range(1, 30))]
    found = at_listed(report, many, NOW_MS)
    assert found is not None
    assert [each.expiry_ms for each in found.expiries] == many[1:17]
    assert at_listed(report, [], NOW_MS) is None
    assert at_listed(report, [NOW_MS], NOW_MS) is None
    assert at_listed(report, [NOW_MS + 11 * YEAR_MS], NOW_MS) is None
    assert at_listed(report, many, report.expiries[-1].expiry_ms) is None


def test_the_networks_listed_expiries_are_those_of_each_groups_options() -> None:
    state = funded().state
    found = listed_expiries(state)
    options = [each for each in state.terms.instruments.values() if each.is_option]
    assert options
    assert found.keys() == {each.group for each in options if each.expiry_ms > state.now.time_ms}
    for group, expiries in found.items():
        assert list(expiries) == sorted({each.expiry_ms for each in options if each.group == group})


def test_a_rounded_surface_that_does_not_pass_moves_towards_the_shape_before() -> None:
    """Skew that turns within a day: the far end of the way from one shape to the other does not pass."""
    smiles = fit_smiles(random_market(3).quotes)[:1] * 2
    turned = [
        msgspec.structs.replace(quote(30, PPB, 0), level_ppm=600_000),
        msgspec.structs.replace(quote(31, PPB, 0), skew_ppm=600_000),
    ]
    given = [
        replace(smile, level=each.level_ppm / PPM, skew=each.skew_ppm / PPM, wing=each.wing_ppm / PPM)
        for smile, each in zip(smiles, turned, strict=True)
    ]
    near, far = quantised(given, [(each.expiry_ms, PPB, 0) for each in turned], NOW_MS)
    assert (near.skew_ppm, near.wing_ppm) == (-100_000, 500_000)
    assert -100_000 < far.skew_ppm < 600_000
    assert far.wing_ppm == 500_000
    assert is_free_of_arbitrage((near, far), NOW_MS)
