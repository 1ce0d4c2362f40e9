"""The agreed surface: free of arbitrage whatever was reported, and no further than honest validators are apart."""

import msgspec
from hypothesis import assume, example, given
from hypothesis import strategies as st

from clearing.base.units import DAY_MS, PPM, YEAR_MS
from clearing.prices.surface_medians import (
    WeightedSurface,
    agreed_reports,
    bounded_quotes,
    corrected_quotes,
    is_within_bounds,
    limited_quotes,
    median_quotes,
)
from clearing.pricing.arbitrage_free import is_free_of_arbitrage, without_arbitrage
from clearing.schema.risk.live_surface import PPB, WHOLE_VOLATILITY_PPM, ExpiryQuote, pillars_of
from clearing.schema.risk.volatility_surface import VolPillar
from clearing.schema.terms.surfaces import SurfaceTerms

change = msgspec.structs.replace
NOW_MS = 1_600_000_000_000
FIELDS = ("forward_ppb", "rate_ppm", "level_ppm", "skew_ppm", "wing_ppm")
TERMS = SurfaceTerms(1, level_min_ppm=10_000, level_max_ppm=10 * PPM)
NEAR_MONEY = ("forward_ppb", "rate_ppm", "level_ppm")
"""Values that no correction moves out of the honest range."""


def quote(days: int = 30, **values: int) -> ExpiryQuote:
    return change(ExpiryQuote(NOW_MS + days * DAY_MS, PPB, 50_000, 800_000, -300_000, 700_000), **values)


def surface(power: int, *quotes: ExpiryQuote) -> WeightedSurface:
    return WeightedSurface(power, {each.expiry_ms: each for each in quotes})


def agreed(reports: list[WeightedSurface], expiries: list[int], power: int) -> tuple[ExpiryQuote, ...]:
    chosen, among = agreed_reports(reports, expiries, power)
    return corrected_quotes(median_quotes(chosen, among), NOW_MS)


def is_sound(quotes: tuple[ExpiryQuote, ...]) -> bool:
    return is_free_of_arbitrage(pillars_of(quotes, NOW_MS), WHOLE_VOLATILITY_PPM)


@st.composite
def quoted(draw: st.DrawFn, expiries: list[int], moderate: bool) -> tuple[ExpiryQuote, ...]:
    """One report: of smiles as a market has them, or of any that may be written."""
    levels, skews, wings = (
        (st.integers(300_000, 2 * PPM), st.integers(-990_000, 990_000), st.integers(0, PPM))
        if moderate
        else (st.integers(10_000, 10 * PPM), st.integers(-990_000, 990_000), st.integers(0, 2 * PPM))
    )
    return tuple(
        ExpiryQuote(
            each,
            draw(st.integers(PPB // 2, 2 * PPB)),
            draw(st.integers(-PPM, PPM)),
            draw(levels),
            draw(skews),
            draw(wings),
        )
        for each in expiries
    )


EXPIRIES = st.lists(st.integers(1, YEAR_MS // 3_600_000), min_size=1, max_size=5, unique=True).map(
    lambda hours: [NOW_MS + 3_600_000 * each for each in sorted(hours)]
)


@st.composite
def chambers(draw: st.DrawFn, moderate: bool) -> tuple[list[int], list[WeightedSurface], list[WeightedSurface], int]:
    """Expiries, honest reports that are free of arbitrage, lying ones of less than a third of the stake, all stake."""
    expiries = draw(EXPIRIES)
    powers = draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    honest = [surface(power, *corrected_quotes(draw(quoted(expiries, moderate)), NOW_MS)) for power in powers]
    room = (sum(powers) - 1) // 2
    lying = []
    for power in draw(st.lists(st.integers(1, 9), max_size=3)):
        if power <= room:
            room -= power
            lying.append(surface(power, *draw(quoted(expiries, moderate=False))))
    return expiries, honest, lying, sum(report.power for report in (*honest, *lying))


def honest_range(honest: list[WeightedSurface], expiries: list[int], field: str) -> tuple[int, int]:
    values = [getattr(report.quotes[each], field) for report in honest for each in expiries]
    return min(values), max(values)


@given(chambers(moderate=True))
def test_a_third_of_lying_stake_moves_no_value_out_of_the_honest_range(
    drawn: tuple[list[int], list[WeightedSurface], list[WeightedSurface], int],
) -> None:
    expiries, honest, lying, power = drawn
    found = agreed([*lying, *honest], expiries, power)
    assert [each.expiry_ms for each in found] == expiries, "honest stake alone is a quorum"
    assert is_sound(found)
    for number, each in enumerate(found, start=1):
        for field in FIELDS:
            # a correction moves skew and wing towards those of nearer expiries
            of = [each.expiry_ms] if field in NEAR_MONEY else expiries[:number]
            low, high = honest_range(honest, of, field)
            assert low <= getattr(each, field) <= high, field


@given(chambers(moderate=False))
def test_any_reports_at_all_give_a_surface_without_arbitrage(
    drawn: tuple[list[int], list[WeightedSurface], list[WeightedSurface], int],
) -> None:
    expiries, honest, lying, power = drawn
    found = agreed([*lying, *honest], expiries, power)
    assert is_sound(found)
    for each in found:
        for field in NEAR_MONEY:
            low, high = honest_range(honest, [each.expiry_ms], field)
            assert low <= getattr(each, field) <= high, field


@given(EXPIRIES.flatmap(lambda expiries: quoted(expiries, moderate=False)), st.integers(0, YEAR_MS))
def test_a_surface_that_was_sound_is_sound_at_any_later_time(quotes: tuple[ExpiryQuote, ...], later: int) -> None:
    sound = corrected_quotes(quotes, NOW_MS)
    living = tuple(each for each in sound if each.expiry_ms > NOW_MS + later)
    assume(living)
    after = corrected_quotes(living, NOW_MS + later)
    assert is_free_of_arbitrage(pillars_of(after, NOW_MS + later), WHOLE_VOLATILITY_PPM)


@given(EXPIRIES.flatmap(lambda expiries: quoted(expiries, moderate=False)))
def test_a_sound_surface_is_left_as_it_is(quotes: tuple[ExpiryQuote, ...]) -> None:
    sound = corrected_quotes(quotes, NOW_MS)
    assert corrected_quotes(sound, NOW_MS) == sound


def test_medians_of_sound_reports_can_allow_arbitrage_and_are_corrected() -> None:
    """Each report is sound; in the medians the wing of one meets the level of another."""
    near, far = quote(30).expiry_ms, quote(60).expiry_ms
    low = [VolPillar(30 * DAY_MS, 400_000, 0, 500_000), VolPillar(60 * DAY_MS, 400_000, 0, 600_000)]
    mid = [VolPillar(30 * DAY_MS, 800_000, 0, 1_000_000), VolPillar(60 * DAY_MS, 600_000, 0, 1_000_000)]
    top = [VolPillar(30 * DAY_MS, 900_000, 0, 300_000), VolPillar(60 * DAY_MS, 900_000, 0, 400_000)]
    for each in (low, mid, top):
        assert is_free_of_arbitrage(each, PPM)
    reports = [
        surface(1, *(quote(level_ppm=p.level_ppm, skew_ppm=0, wing_ppm=p.wing_ppm, expiry_ms=at)
                     for p, at in zip(each, (near, far), strict=True)))
        for each in (low, mid, top)
    ]  # fmt: skip
    plain = median_quotes((near, far), reports)
    assert [(each.level_ppm, each.wing_ppm) for each in plain] == [(800_000, 500_000), (600_000, 600_000)]
    assert not is_sound(plain)
    corrected = corrected_quotes(plain, NOW_MS)
    assert is_sound(corrected)
    assert [each.level_ppm for each in corrected] == [800_000, 600_000]
    assert 500_000 <= corrected[1].wing_ppm < 600_000


def test_an_expiry_is_agreed_where_those_who_quote_all_nearer_ones_are_a_quorum() -> None:
    first, second, third = (quote(days) for days in (7, 30, 60))
    listed = [each.expiry_ms for each in (first, second, third)]
    reports = [surface(1, first, second, third), surface(1, first, third), surface(1, first, second, third)]
    assert agreed_reports(reports, listed, 3)[0] == (first.expiry_ms, third.expiry_ms)
    assert agreed_reports(reports[:2], listed, 3)[0] == (), "two thirds are no quorum"
    assert agreed_reports([*reports, surface(1, first, second)], listed, 4) == (
        (first.expiry_ms, second.expiry_ms),
        (reports[0], reports[2], surface(1, first, second)),
    )


def test_a_level_or_forward_beyond_its_bounds_makes_the_surface_unusable() -> None:
    terms = SurfaceTerms(1, level_min_ppm=100_000, level_max_ppm=PPM, basis_max_ppm=100_000)
    carried = PPB + PPB * 50_000 * 30 * DAY_MS // (PPM * YEAR_MS)

    def usable(**values: int) -> bool:
        return is_within_bounds([quote(**values)], terms, 50_000, NOW_MS)

    assert usable(level_ppm=PPM)
    assert usable(level_ppm=100_000)
    assert not usable(level_ppm=PPM + 1)
    assert not usable(level_ppm=99_999)
    assert usable(forward_ppb=carried + carried // 10)
    assert not usable(forward_ppb=carried + carried // 10 + 1)
    assert not usable(forward_ppb=carried - carried // 10 - 1)


def test_skew_wing_and_rate_beyond_their_bounds_count_as_the_bound() -> None:
    terms = SurfaceTerms(1, skew_max_ppm=400_000, wing_max_ppm=600_000, rate_max_ppm=100_000)
    wild = quote(skew_ppm=-900_000, wing_ppm=PPM, rate_ppm=-300_000)
    assert bounded_quotes([wild], terms) == (quote(skew_ppm=-400_000, wing_ppm=600_000, rate_ppm=-100_000),)


def test_no_value_moves_further_than_the_terms_allow_in_a_block() -> None:
    terms = SurfaceTerms(1, level_change_ppm=250_000, shape_change_ppm=50_000, carry_change_ppm=1_000)
    was = quote()
    wild = quote(forward_ppb=2 * PPB, rate_ppm=-50_000, level_ppm=3 * PPM, skew_ppm=500_000, wing_ppm=0)
    (moved,) = limited_quotes([wild], [was], terms)
    assert moved == quote(
        forward_ppb=PPB + PPB // 1_000, rate_ppm=49_000, level_ppm=PPM, skew_ppm=-250_000, wing_ppm=650_000
    )
    assert limited_quotes([wild], [quote(31)], terms) == (wild,), "an expiry that was not there has no limit"


@given(
    st.lists(
        st.tuples(st.integers(1, 10 * 365 * 24), st.integers(1, 10 * PPM), st.integers(-990_000, 990_000),
                  st.integers(0, 2 * PPM)), min_size=1, max_size=16, unique_by=lambda each: each[0]),
    st.sampled_from((50_000, PPM, 5 * PPM)),
)  # fmt: skip
@example([(1, 10 * PPM, 0, 0), (2, 1, 990_000, 2 * PPM), (87_600, 10 * PPM, -990_000, 2 * PPM)], 5 * PPM)
def test_any_smiles_can_be_corrected(drawn: list[tuple[int, int, int, int]], volatility_ppm: int) -> None:
    pillars = [VolPillar(3_600_000 * hours, level, skew, wing) for hours, level, skew, wing in sorted(drawn)]
    corrected = without_arbitrage(pillars, volatility_ppm)
    assert is_free_of_arbitrage(corrected, volatility_ppm)
    for before, after in zip(pillars, corrected, strict=True):
        assert after.level_ppm >= before.level_ppm
    assert max(each.wing_ppm for each in corrected) <= max(each.wing_ppm for each in pillars)
