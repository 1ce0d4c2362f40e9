"""The range of a group: buffer, stress, floor, speed limit, bounds; and what genesis may say about them."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.errors import LocalFault
from clearing.price_ranges.history import VARIANCE_MAX
from clearing.price_ranges.range_rule import (
    HistoryFigures,
    next_published_range,
    price_range_ppm,
    remaining_buffer_ppm,
    speed_limited,
)
from clearing.schema.records.prices import PublishedRangeRecord, VarianceRecord
from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.risk.price_ranges import RangeParameters, check_range_parameters
from clearing.schema.risk.volatility_surface import VolShock

HOUR = 3_600_000
PPM = 1_000_000
RULES = RangeParameters(interval_ms=HOUR)
GROUP = RiskGroup(1, "BTC", 1, 50_000, 800_000, 200_000)


def deviated(now: int, long_run: int = 10_000_000) -> VarianceRecord:
    return VarianceRecord(now * now, long_run * long_run)


def published(
    variance_record: VarianceRecord,
    rules: RangeParameters = RULES,
    stressed: int = 10_000_000,
    before: PublishedRangeRecord | None = None,
    horizon_ms: int = HOUR,
    multiple: int = 3 * PPM,
) -> PublishedRangeRecord:
    return next_published_range(
        rules, GROUP, variance_record, HistoryFigures(multiple, stressed), before, horizon_ms, 7
    )


def test_a_calm_range_is_the_raw_one_and_a_quarter():
    calm = published(deviated(10_000_000))  # 1 % an hour, three deviations
    assert (calm.raw_ppm, calm.stressed_ppm, calm.floor_ppm) == (30_000, 30_000, 30_000)
    assert (calm.buffer_ppm, calm.target_ppm) == (250_000, 37_500)


def test_stress_uses_the_buffer_up():
    records = [deviated(now) for now in (*range(1, 40_000_000, 10**6), 15_000_000)]
    *left, half_left = (remaining_buffer_ppm(RULES, each.variance, each.long_variance) for each in records)
    assert left == sorted(left, reverse=True)
    assert (left[0], half_left, left[-1]) == (250_000, 125_000, 0)


def test_a_quarter_of_the_weight_is_on_stress():
    found = published(deviated(10_000_000), stressed=30_000_000)
    assert found.target_ppm == (30_000 * 3 + 90_000) // 4 * 5 // 4


def test_the_long_look_back_is_the_floor():
    found = published(deviated(1_000_000), stressed=1_000_000)
    assert (found.raw_ppm, found.floor_ppm) == (3_000, 30_000)
    assert found.target_ppm == 37_500


def test_the_horizon_grows_with_lateness_by_the_root_of_time():
    assert published(deviated(10_000_000), horizon_ms=4 * HOUR).raw_ppm == 60_000


@pytest.mark.parametrize(
    ("target", "limit"), [(1_000_000, 75_000), (60_000, 60_000), (49_800, 49_800), (1, 49_500), (50_000, 50_000)]
)
def test_no_epoch_changes_more_than_the_limit(target, limit):
    assert speed_limited(target, 50_000, RULES) == limit


def test_a_range_of_one_can_still_grow():
    assert speed_limited(100, 1, msgspec.structs.replace(RULES, rise_ppm=1)) == 2


def test_change_is_published():
    first = published(deviated(100_000_000), stressed=100_000_000)
    assert (first.range_ppm, first.previous_ppm, first.ratio_ppm) == (75_000, 50_000, 1_500_000)
    then = published(deviated(1_000_000), stressed=1_000_000, before=first)
    assert (then.range_ppm, then.previous_ppm, then.ratio_ppm) == (74_250, 75_000, 990_000)
    assert (then.lowest_ppm, then.highest_ppm) == (50_000, 75_000)


deviations = st.integers(0, 2 * 10**9)


@settings(max_examples=200)
@given(deviations, deviations, deviations, st.integers(1, PPM), st.integers(PPM, 100 * PPM), st.integers(1, 10**10))
def test_a_range_stays_in_bounds_and_within_the_limit(now, long_run, stressed, previous, multiple, horizon_ms):
    group = msgspec.structs.replace(GROUP, range_ppm=previous)
    figures = HistoryFigures(multiple, stressed)
    found = next_published_range(RULES, group, deviated(now, long_run), figures, None, horizon_ms, 7)
    low, high = max(previous * 99 // 100, RULES.range_min_ppm), max(-(-previous * 3 // 2), RULES.range_min_ppm)
    assert RULES.range_min_ppm <= found.range_ppm <= RULES.range_max_ppm
    assert min(low, RULES.range_max_ppm) <= found.range_ppm <= min(high, RULES.range_max_ppm)
    assert found.target_ppm >= max(found.raw_ppm, found.floor_ppm)
    assert found.volatility_range_ppm >= group.volatility_range_ppm
    assert found.volatility_ppm == group.volatility_ppm


@given(deviations, deviations, st.integers(PPM, 20 * PPM))
def test_more_variance_never_asks_for_less_raw_range(one, other, multiple):
    calm, wild = sorted((one, other))
    assert price_range_ppm(calm**2, multiple, HOUR, HOUR) <= price_range_ppm(wild**2, multiple, HOUR, HOUR)


def test_volatility_follows_as_far_as_genesis_says():
    rules = [msgspec.structs.replace(RULES, volatility_weight_ppm=weight) for weight in (0, PPM // 2, PPM)]
    found = [published(deviated(10_000_000), each).volatility_ppm for each in rules]
    assert found == [800_000, (935_948 + 800_000) // 2, 935_948]  # 1 % an hour: 93.6 % a year


def test_a_turbulent_volatility_widens_its_own_range():
    calm = msgspec.structs.replace(deviated(10_000_000), turbulence=(50_000_000) ** 2)
    assert published(calm).volatility_range_ppm == 200_000  # 3 x 5 % of 80 points is less than genesis asks for
    wild = msgspec.structs.replace(calm, turbulence=(100_000_000) ** 2)
    assert published(wild).volatility_range_ppm == 240_000
    fraction = msgspec.structs.replace(GROUP, shock=VolShock(relative=True))
    found = next_published_range(RULES, fraction, wild, HistoryFigures(3 * PPM, 1), None, HOUR, 7)
    assert found.volatility_range_ppm == 300_000
    off = msgspec.structs.replace(RULES, volatility_multiple_ppm=0)
    assert published(wild, off).volatility_range_ppm == 200_000


def test_the_defaults_are_off_and_in_order():
    assert not RangeParameters().enabled
    check_range_parameters(RangeParameters())
    check_range_parameters(RULES)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("interval_ms", (2**40,)),
        ("decay_ppm", (0, PPM)),
        ("confidence_ppm", (PPM, 499_999)),
        ("window", (0, 10_001)),
        ("window_min", (0, 2_001)),
        ("multiple_ppm", (PPM - 1,)),
        ("horizon_ms", (0, 2**40)),
        ("lateness_ms_max", (2**40,)),
        ("lateness_decay_ppm", (PPM,)),
        ("buffer_ppm", (PPM + 1,)),
        ("release_ppm", (PPM,)),
        ("stress_weight_ppm", (PPM + 1,)),
        ("stress_quantile_ppm", (PPM + 1,)),
        ("floor_samples", (0,)),
        ("rise_ppm", (0,)),
        ("fall_ppm", (0, PPM + 1)),
        ("range_min_ppm", (0,)),
        ("range_max_ppm", (9_999, PPM + 1)),
        ("volatility_weight_ppm", (PPM + 1,)),
        ("volatility_multiple_ppm", (20 * PPM + 1,)),
        ("joint_scenarios", (65,)),
        ("joint_tail_ppm", (0, PPM + 1)),
    ],
)
def test_genesis_checks_every_bound(field, wrong):
    for value in wrong:
        with pytest.raises(LocalFault, match=field):
            check_range_parameters(msgspec.structs.replace(RULES, **{field: value}))


def test_a_window_must_be_long_enough_for_its_horizon():
    with pytest.raises(LocalFault, match="window"):
        check_range_parameters(msgspec.structs.replace(RULES, window=100, horizon_ms=2 * HOUR))


def test_windows_of_many_groups_stay_small_enough_for_a_block():
    groups = [msgspec.structs.replace(GROUP, id=at) for at in range(1, 12)]
    check_range_parameters(RULES, groups[:10])
    check_range_parameters(RangeParameters(), groups)
    with pytest.raises(LocalFault, match="window"):
        check_range_parameters(RULES, groups)


def test_the_widest_variance_still_makes_a_range():
    widest = VarianceRecord(VARIANCE_MAX, VARIANCE_MAX, VARIANCE_MAX)
    found = published(widest, stressed=2 * 10**9, horizon_ms=30 * 24 * HOUR, multiple=100 * PPM)
    assert found.range_ppm == 75_000
    assert found.volatility_range_ppm == 300_000
