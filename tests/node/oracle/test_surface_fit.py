"""Fitted and rounded surfaces exclude static arbitrage, and are near to the surface that the quotes come from."""

from statistics import quantiles

import numpy as np
import pytest

from clearing.base.units import DAY_MS, PPM
from clearing.schema.blocks.block import ExpiryQuote, SurfaceReport, VoteExtension, check_extension
from clearing.schema.risk.volatility_surface import VolPillar
from node.oracle.surfaces.quantised import EARLIER_MS, is_free_of_arbitrage, pillars_of, quantised
from node.oracle.surfaces.smiles import FittedSmile, SmileQuotes, fit_smiles, smile_volatility
from tests.kit.complete import COMPLETE
from tests.kit.oracle.surface_arbitrage import arbitrages
from tests.kit.oracle.surface_markets import NOISE, Market, jagged_market, random_market, true_smile

NOW_MS = 1_800_000_000_000
SURFACES, SHARES = range(1_000), 4
JAGGED = range(150 if COMPLETE else 40)
"""Markets are drawn of a seed each: consecutive ones are as spread as any."""


def fitted(market: Market) -> tuple[tuple[FittedSmile, ...], tuple[ExpiryQuote, ...]]:
    smiles = fit_smiles(market.quotes)
    return smiles, quantised(smiles, [(NOW_MS + tenor, 10**9, 0) for tenor in market.tenors_ms], NOW_MS)


def kinds(*pillars: VolPillar) -> set[str]:
    return {kind for kind, *_ in arbitrages(pillars)}


def pillar(days: int, level: float, skew: float, wing: float) -> VolPillar:
    return VolPillar(days * DAY_MS, round(level * PPM), round(skew * PPM), round(wing * PPM))


def test_the_grid_of_prices_finds_arbitrage_that_was_planted() -> None:
    good = pillar(30, 0.6, -0.2, 0.8), pillar(90, 0.6, -0.2, 0.8)
    assert kinds(*good) == set()
    assert kinds(pillar(30, 0.6, -0.2, 0.8), pillar(90, 0.3, -0.2, 0.8)) == {"calendar"}
    assert kinds(pillar(30, 0.6, -0.2, 0.8), pillar(31, 0.6, 0.6, 0.8)) == {"calendar"}
    assert "butterfly" in kinds(pillar(365, 3.0, -0.9, 2.0))
    assert "butterfly" in kinds(pillar(30, 0.6, -0.9, 1.99), pillar(365, 3.0, -0.9, 2.0))


@pytest.mark.parametrize("share", range(SHARES))
def test_fitted_and_rounded_surfaces_are_free_of_static_arbitrage(share: int) -> None:
    """And the error is that of the noise: at the money, over expiries with strikes of their own.

    Every share has surfaces of one to twelve expiries, and some with a single strike.
    """
    errors, flattened, expiries, single = [], 0, set(), 0
    seeds = SURFACES[share::SHARES]
    for seed in seeds:
        market = random_market(seed)
        expiries.add(len(market.quotes))
        single += any(each.moneyness.size == 1 for each in market.quotes)
        smiles, quotes = fitted(market)
        assert is_free_of_arbitrage(quotes, NOW_MS - EARLIER_MS), seed
        assert is_free_of_arbitrage(quotes, NOW_MS), seed
        assert not list(arbitrages(pillars_of(quotes, NOW_MS))), seed
        check_extension(VoteExtension(surfaces=(SurfaceReport(1, NOW_MS, 1, quotes),)))
        flattened += all(quote.wing_ppm == 0 for quote in quotes)
        for smile, true, quote in zip(smiles, market.truth, quotes, strict=True):
            assert abs(quote.level_ppm - smile.level * PPM) <= 1
            if smile.has_own_shape:
                errors.append(abs(smile.level - true.level))
    cuts = quantiles(errors, n=100)
    print(f"{len(errors)} expiries: error p50 {cuts[49]:.5f}, p90 {cuts[89]:.5f}, p99 {cuts[98]:.5f}")
    assert flattened == 0
    assert expiries == set(range(1, 13))
    assert single > len(seeds) // 10
    assert cuts[49] < NOISE / 2
    assert cuts[98] < 6 * NOISE


def test_quotes_that_no_surface_without_arbitrage_passes_through_are_fitted_without_it() -> None:
    """The ordinary run takes a sample."""
    for seed in JAGGED:
        _, quotes = fitted(jagged_market(seed))
        assert all(quote.wing_ppm for quote in quotes), seed
        assert is_free_of_arbitrage(quotes, NOW_MS), seed
        assert not list(arbitrages(pillars_of(quotes, NOW_MS))), seed


def test_a_surface_that_passes_now_passes_at_every_later_time() -> None:
    for seed in range(20):
        _, quotes = fitted(random_market(seed))
        nearest = quotes[0].expiry_ms - NOW_MS
        for part in range(8):
            assert is_free_of_arbitrage(quotes, NOW_MS + min(nearest * part // 8, nearest - 3_600_000)), seed


def slice_of(smile: FittedSmile, k: list[float], width: float = NOISE) -> SmileQuotes:
    moneyness = np.array(k)
    return SmileQuotes(smile.years, moneyness, smile_volatility(smile, moneyness), np.full(moneyness.size, width))


WIDE = [each / 10 for each in range(-6, 7)]


def test_an_expiry_with_one_strike_has_its_level_and_its_neighbours_shape() -> None:
    near, far = true_smile(30 * DAY_MS, 0.6, -0.3, 0.9), true_smile(60 * DAY_MS, 0.7, -0.3, 0.9)
    first, second = fit_smiles([slice_of(near, WIDE), slice_of(far, [0.0])])
    assert first.has_own_shape
    assert not second.has_own_shape
    assert second.level == pytest.approx(0.7, abs=0.005)
    assert (second.skew, second.wing) == (pytest.approx(first.skew, abs=0.05), pytest.approx(first.wing, abs=0.05))


def test_without_any_shape_only_the_level_is_fitted() -> None:
    (only,) = fit_smiles([slice_of(true_smile(30 * DAY_MS, 0.6, -0.3, 0.9), [0.0])])
    assert only.level == pytest.approx(0.6, abs=0.002)
    assert abs(only.skew) < 0.02
    assert only.wing < 0.05


def test_an_exact_surface_is_found_again() -> None:
    smiles = [true_smile(days * DAY_MS, 0.55 + days / 2_000, -0.25, 0.8) for days in (2, 9, 30, 100, 300)]
    for found, true in zip(fit_smiles([slice_of(each, WIDE) for each in smiles]), smiles, strict=True):
        assert found.level == pytest.approx(true.level, rel=1e-3)
        assert found.skew == pytest.approx(true.skew, abs=5e-3)
        assert found.wing == pytest.approx(true.wing, abs=5e-3)


def test_outliers_are_left_out_and_counted() -> None:
    true = true_smile(30 * DAY_MS, 0.6, -0.3, 0.9)
    given = slice_of(true, WIDE)
    given.volatility[3] *= 3.0
    given.volatility[9] *= 0.4
    (found,) = fit_smiles([given])
    assert (found.quotes, found.used) == (13, 11)
    assert found.level == pytest.approx(0.6, abs=0.003)
    assert found.error < 0.002
