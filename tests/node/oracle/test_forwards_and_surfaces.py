"""Forwards, rates and surfaces out of venues' answers, against the market that they were written from and QuantLib."""

from dataclasses import replace
from math import log, sqrt
from typing import Any

import pytest
import QuantLib as Ql
from numpy.linalg import LinAlgError

from clearing.base.errors import LocalFault
from clearing.base.units import PPM, YEAR_MS
from clearing.pricing.black76 import greeks
from clearing.pricing.surface import option_volatility
from clearing.schema.risk.volatility_surface import VolPillar
from node.config_oracle import FeedConfig, SurfaceConfig
from node.oracle.option_quotes import FutureQuote, OptionQuote
from node.oracle.source import OracleCode
from node.oracle.surfaces import live
from node.oracle.surfaces.chain_cell import ChainCell
from node.oracle.surfaces.forwards import Forward, forward_of
from node.oracle.surfaces.live import LiveSurfaces
from node.oracle.surfaces.quantised import is_free_of_arbitrage, pillars_of
from node.oracle.surfaces.surface_source import SurfaceStanding
from tests.kit.oracle.option_venue import EXPIRIES, NOW_MS, Expiry, OptionMarket, cell, surface_config
from tests.kit.oracle.surface_arbitrage import arbitrages
from tests.kit.refusals import refused

FEED = FeedConfig(name="BTC", feed=1)


def one_expiry(market: OptionMarket, venue: str = "deribit", name: str = "") -> tuple[Any, Any]:
    chain = market.chain(venue, NOW_MS, name)
    expiry_ms = chain.options[0].expiry_ms
    return [each for each in chain.options if each.expiry_ms == expiry_ms], expiry_ms


def stating_nothing(options: list[OptionQuote]) -> list[OptionQuote]:
    return [replace(each, forward=None) for each in options]


ONLY = Expiry(30, 1.01, 0.6, -0.2, 0.8)


def test_parity_of_prices_in_the_coin_gives_the_forward() -> None:
    options, _ = one_expiry(OptionMarket(expiries=[ONLY]))
    found = forward_of(stating_nothing(options), [], 50_000.0, is_inverse=True)
    assert found is not None
    assert (found.way, found.discount) == ("parity", None)
    assert found.price == pytest.approx(50_500.0, rel=1e-6)


def test_parity_of_prices_in_money_gives_forward_and_discount() -> None:
    market = OptionMarket(expiries=[Expiry(300, 1.03, 0.6, -0.2, 0.8)], is_inverse=False, discount_rate=0.07)
    options, expiry_ms = one_expiry(market, name="BTC_USDC")
    found = forward_of(stating_nothing(options), [], 50_000.0, is_inverse=False)
    assert found is not None
    years = (expiry_ms - NOW_MS) / YEAR_MS
    assert found.discount == pytest.approx(1 / (1 + 0.07 * years), rel=1e-6)
    assert found.price == pytest.approx(51_500.0, rel=1e-6)


def test_one_wrong_quote_moves_neither_forward_nor_discount() -> None:
    market = OptionMarket(expiries=[Expiry(300, 1.03, 0.6, -0.2, 0.8)], is_inverse=False, discount_rate=0.07)
    options, _ = one_expiry(market, name="BTC_USDC")
    good = forward_of(options, [], 50_000.0, is_inverse=False)
    middle = len(options) // 2
    options[middle] = replace(options[middle], bid=9_000.0, ask=9_001.0)
    found = forward_of(options, [], 50_000.0, is_inverse=False)
    assert found is not None
    assert good is not None
    assert found.price == pytest.approx(good.price, rel=1e-3)
    assert found.discount == pytest.approx(good.discount, rel=1e-3)


@pytest.mark.parametrize(
    ("future", "stated", "price", "way"),
    [
        ((50_490.0, 50_510.0), None, 50_500.0, "future"),
        ((50_490.0, 50_510.0), 50_502.0, 50_500.0, "parity"),
        ((90_000.0, 90_010.0), 50_502.0, 50_502.0, "stated"),
        ((50_490.0, 50_510.0), 90_000.0, 50_500.0, "future"),
        ((50_510.0, 50_490.0), None, 50_500.0, "parity"),
        ((0.0, 50_510.0), None, 50_500.0, "parity"),
        ((45_000.0, 56_000.0), None, 50_500.0, "parity"),
        ((-5.0, -4.0), None, 50_500.0, "parity"),
    ],
)
def test_of_three_forwards_the_median_counts_and_of_two_the_better(
    future: tuple[float, float], stated: float | None, price: float, way: str
) -> None:
    options, expiry_ms = one_expiry(OptionMarket(expiries=[replace(ONLY, has_future=False)]))
    options = [replace(each, forward=stated) for each in options]
    # Parity reads a hair beside the future, which the venue rounds.
    found = forward_of(options, [FutureQuote(expiry_ms, *future)], 50_000.0, is_inverse=True)
    assert found is not None
    assert found.price == pytest.approx(price, abs=1.0)
    assert found.way in (way, "parity" if way == "future" and stated else way)


def test_without_futures_prices_and_statements_there_is_no_forward() -> None:
    options, _ = one_expiry(OptionMarket(expiries=[ONLY]))
    bare = [replace(each, forward=None, bid=None, ask=None) for each in options]
    assert forward_of(bare, [], 50_000.0, is_inverse=True) is None
    assert forward_of(options, [], 50_000.0, is_inverse=True) is not None


def surfaces(*cells: ChainCell, **settings: Any) -> LiveSurfaces:
    return LiveSurfaces([surface_config(**settings)], cells, [FEED], lambda _: 50_000.0)


def filled(market: OptionMarket, venue: str = "deribit", name: str = "a", market_name: str = "") -> ChainCell:
    settings = {"market": market_name} if market_name else {}
    found = cell(name, venue, **settings)
    found.take(market.chain(venue, NOW_MS, market_name), NOW_MS)
    return found


def standing(*cells: ChainCell, **settings: Any) -> SurfaceStanding:
    (found,) = surfaces(*cells, **settings).read(NOW_MS)
    return found


@pytest.mark.parametrize("venue", ["deribit", "okx"])
def test_the_report_is_the_market_that_the_venue_quotes(venue: str) -> None:
    found = standing(filled(OptionMarket(), venue))
    report = found.report
    assert report is not None
    assert (report.group, report.sources, report.time_ms) == (1, 1, NOW_MS)
    assert [each.expiry_ms for each in report.expiries] == [each.expiry_ms(NOW_MS) for each in EXPIRIES]
    for quote, true in zip(report.expiries, EXPIRIES, strict=True):
        assert quote.forward_ppb == pytest.approx(true.ratio * 10**9, rel=2e-5)
        assert quote.level_ppm == pytest.approx(true.level * PPM, abs=2_000)
        assert quote.skew_ppm == pytest.approx(true.skew * PPM, abs=20_000)
        assert quote.wing_ppm == pytest.approx(true.wing * PPM, abs=20_000)
        years = (quote.expiry_ms - NOW_MS) / YEAR_MS
        assert quote.rate_ppm == pytest.approx((true.ratio - 1) / years * PPM, rel=2e-2)
    assert is_free_of_arbitrage(report.expiries, NOW_MS)
    assert found.error_ppm < 1_500
    assert found.ways["future"] + found.ways["parity"] + found.ways["stated"] == 5


def test_the_rate_is_the_carry_the_discount_of_parity_or_a_fixed_one() -> None:
    linear = OptionMarket(is_inverse=False, discount_rate=0.08)
    rates = {}
    for rate in ("carry", "parity", "fixed"):
        source = filled(linear, market_name="BTC_USDC")
        report = standing(source, rate=rate, rate_ppm=12_345).report
        assert report is not None
        rates[rate] = [each.rate_ppm for each in report.expiries]
    assert rates["fixed"] == [12_345] * 5
    assert rates["parity"][3:] == [pytest.approx(80_000, abs=3_000)] * 2
    assert rates["carry"][4] == pytest.approx(0.045 / (300 / 365) * PPM, rel=2e-2)
    bounded = standing(filled(OptionMarket()), rate_ppm_max=10_000).report
    assert bounded is not None
    assert max(each.rate_ppm for each in bounded.expiries) == 10_000


def test_a_source_that_lies_does_not_move_the_surface_of_two_that_do_not() -> None:
    honest = [filled(OptionMarket(factor=1.0), "deribit", "a"), filled(OptionMarket(factor=1.01), "okx", "b")]
    found = standing(*honest, filled(OptionMarket(factor=1.6), "deribit", "liar"))
    assert [each.flaw is None for each in found.verdicts] == [True, True, False]
    assert found.report is not None
    assert found.report.sources == 2
    for quote, true in zip(found.report.expiries, EXPIRIES, strict=True):
        assert 0.995 * true.level <= quote.level_ppm / PPM <= 1.015 * true.level


def test_a_source_with_more_quotes_counts_no_more_than_another() -> None:
    many = [replace(each, strikes=41) for each in EXPIRIES]
    found = standing(
        filled(OptionMarket(expiries=many, factor=1.0), name="a"), filled(OptionMarket(factor=1.04), name="b")
    )
    assert found.report is not None
    for quote, true in zip(found.report.expiries, EXPIRIES, strict=True):
        assert quote.level_ppm / PPM / true.level == pytest.approx(1.02, abs=0.015)


def test_fewer_sources_than_the_quorum_keep_the_last_report_until_it_is_old() -> None:
    source = filled(OptionMarket())
    both = surfaces(source, cell("b"), quorum=1)
    (first,) = both.read(NOW_MS)
    assert first.report is not None
    assert first.flaw is None
    (later,) = both.read(NOW_MS + 25_000)
    assert later.report == first.report
    assert later.flaw is not None
    assert later.flaw.code is OracleCode.SOURCES_TOO_FEW
    assert later.fresh(NOW_MS + 20_000) == first.report
    assert later.fresh(NOW_MS + 20_001) is None
    assert "no surface is reported" in later.detail(NOW_MS + 25_000)
    none = standing(source, cell("b"), quorum=2)
    assert none.report is None
    assert none.detail(NOW_MS).startswith("R0989 no surface is reported; 1 of 2 sources usable, 2 needed")


def test_a_surface_is_fitted_at_its_interval() -> None:
    source = filled(OptionMarket())
    several = surfaces(source, interval_ms=5_000)
    (first,) = several.read(NOW_MS)
    source.take(OptionMarket(factor=1.05).chain(now_ms=NOW_MS), NOW_MS)
    assert several.read(NOW_MS + 4_999) == (first,)
    (second,) = several.read(NOW_MS + 5_000)
    assert second.report != first.report
    assert several.read(NOW_MS - 60_000) != (second,), "a clock set back does not stop it"


def test_a_fit_that_fails_keeps_the_last_report(monkeypatch: pytest.MonkeyPatch) -> None:
    several = surfaces(filled(OptionMarket()))
    (first,) = several.read(NOW_MS)

    def fails(*_: Any) -> Any:
        raise LinAlgError("singular")

    monkeypatch.setattr(live, "fitted_report", fails)
    (later,) = several.read(NOW_MS + 5_000)
    assert later.report == first.report
    assert later.flaw is not None
    assert (later.flaw.code, later.flaw.why) == (OracleCode.SURFACE_UNFITTED, "LinAlgError: singular")


def config(**settings: Any) -> SurfaceConfig:
    return surface_config(**settings)


@pytest.mark.parametrize(
    ("configs", "cells", "feeds"),
    [
        ([config(), config(group=2)], [cell()], [FEED]),
        ([config(), config(name="B")], [cell(), cell(surface="B")], [FEED]),
        ([config()], [cell(), cell()], [FEED]),
        ([config()], [cell(), cell("b", surface="nothing")], [FEED]),
        ([config()], [], [FEED]),
        ([config(quorum=2)], [cell()], [FEED]),
        ([config(feed="ETH")], [cell()], [FEED]),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(
    configs: list[SurfaceConfig], cells: list[ChainCell], feeds: list[FeedConfig]
) -> None:
    with refused(OracleCode.PRICE_SOURCE_UNUSABLE, LocalFault):
        LiveSurfaces(configs, cells, feeds, lambda _: None)


def quantlib_smile(pillar: VolPillar, forward: float) -> Ql.SviSmileSection:
    """The same smile in the raw parameters of SVI (Gatheral and Jacquier 2014, section 4)."""
    years = pillar.tenor_ms / YEAR_MS
    theta = (pillar.level_ppm / PPM) ** 2 * years
    rho, phi = pillar.skew_ppm / PPM, pillar.wing_ppm / PPM / sqrt(theta)
    a, b = theta / 2 * (1 - rho**2), theta * phi / 2
    return Ql.SviSmileSection(years, forward, [a, b, sqrt(1 - rho**2) / phi, rho, -rho / phi])


class Group:
    """The fields of a risk group that determine volatility."""

    def __init__(self, pillars: tuple[VolPillar, ...]) -> None:
        self.volatility_ppm, self.surface = PPM, pillars


def test_surface_values_and_greeks_agree_with_quantlib() -> None:
    found = standing(filled(OptionMarket())).report
    assert found is not None
    pillars = pillars_of(found.expiries, NOW_MS)
    assert not list(arbitrages(pillars))
    for quote, pillar in zip(found.expiries, pillars, strict=True):
        forward = 50_000.0 * quote.forward_ppb / 1e9
        years = pillar.tenor_ms / YEAR_MS
        smile = quantlib_smile(pillar, forward)
        discount = 1 / (1 + quote.rate_ppm / PPM * years)
        for moneyness in (-0.5, -0.2, -0.05, 0.0, 0.05, 0.2, 0.5):
            strike = forward * (1 + moneyness * sqrt(years))
            own = option_volatility(Group(pillars), forward, strike, pillar.tenor_ms) / PPM
            theirs = smile.volatility(strike)
            assert own == pytest.approx(theirs, abs=1e-6)
            for is_call in (True, False):
                payoff = Ql.PlainVanillaPayoff(Ql.Option.Call if is_call else Ql.Option.Put, strike)
                black = Ql.BlackCalculator(payoff, forward, theirs * sqrt(years), discount)
                sensitivities = greeks(forward, strike, own, years, discount, is_call)
                assert sensitivities.delta == pytest.approx(black.deltaForward(), rel=1e-4, abs=1e-6)
                assert sensitivities.gamma == pytest.approx(black.gammaForward(), rel=1e-4, abs=1e-12)
                assert sensitivities.vega == pytest.approx(black.vega(years), rel=1e-4, abs=1e-3)


def test_forwards_agree_with_quantlib() -> None:
    """Options priced by QuantLib from a spot, a rate and a yield: parity finds QuantLib's own forward again."""
    today = Ql.Date(25, 11, 2026)
    Ql.Settings.instance().evaluationDate = today
    day_count = Ql.Actual365Fixed()
    for days, rate, paid in ((7, 0.05, 0.0), (90, 0.08, 0.02), (365, -0.01, 0.03)):
        curves = [Ql.YieldTermStructureHandle(Ql.FlatForward(today, each, day_count)) for each in (rate, paid)]
        expiry = today + days
        discount, yielded = (curve.discount(expiry) for curve in curves)
        forward = 50_000.0 * yielded / discount
        volatility = Ql.BlackVolTermStructureHandle(Ql.BlackConstantVol(today, Ql.NullCalendar(), 0.7, day_count))
        process = Ql.BlackScholesMertonProcess(
            Ql.QuoteHandle(Ql.SimpleQuote(50_000.0)), curves[1], curves[0], volatility
        )
        engine = Ql.AnalyticEuropeanEngine(process)
        options = []
        for strike in range(40_000, 62_000, 2_000):
            for is_call in (True, False):
                payoff = Ql.PlainVanillaPayoff(Ql.Option.Call if is_call else Ql.Option.Put, strike)
                option = Ql.VanillaOption(payoff, Ql.EuropeanExercise(expiry))
                option.setPricingEngine(engine)
                price = option.NPV()
                options.append(OptionQuote(1, float(strike), is_call, bid=0.999 * price, ask=1.001 * price))
        found = forward_of(options, [], 50_000.0, is_inverse=False)
        assert isinstance(found, Forward)
        assert found.price == pytest.approx(forward, rel=1e-6)
        assert found.discount == pytest.approx(discount, rel=1e-6)
        assert log(found.price / 50_000.0) == pytest.approx((rate - paid) * days / 365, abs=1e-6)
