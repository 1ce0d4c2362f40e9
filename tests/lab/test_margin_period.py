"""The margin period of risk: what margin assumes against what calls, sale, steps and auction take."""

from pathlib import Path

import msgspec
import pytest

from clearing.genesis.json import genesis_to_json
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.default import DefaultTerms
from clearing.schema.terms.genesis import CrisisParameters, Genesis
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from lab.margin_period import CloseOutTime, close_out_time, margin_periods
from tests.kit.clearing.genesis import make_genesis
from tests.kit.command_line import CommandLine

CRISIS = CrisisParameters(
    calls=CallTerms(deadline_blocks=10, congestion_step_blocks=2, congestion_steps_max=5),
    liquidation=LiquidationTerms(auction_blocks=20, step_ppm=500_000, steps_max=4, cooldown_blocks=2),
    default=DefaultTerms(enabled=True, auction_blocks=30, porting_blocks=18),
)
"""10 + 20 + 4 x 3 + 30 = 72 blocks, and 10 more in congestion."""


def with_horizon(horizon_ms: int, lateness_ms: int = 5_000, crisis: CrisisParameters = CRISIS) -> Genesis:
    ranges = RangeParameters(interval_ms=1_000, horizon_ms=horizon_ms, lateness_ms_max=lateness_ms)
    return msgspec.structs.replace(make_genesis(), ranges=ranges, crisis=crisis)


def test_the_time_to_close_out_is_the_slowest_path_of_the_rules() -> None:
    assert close_out_time(CRISIS) == CloseOutTime(call=10, sale=20, steps=12, auction=30)
    assert close_out_time(CRISIS).blocks == 72
    assert close_out_time(CrisisParameters()).blocks == 0, "the house takes over at once"


def test_porting_counts_where_it_takes_longer_than_the_auction() -> None:
    default = msgspec.structs.replace(CRISIS.default, porting_blocks=60)
    assert close_out_time(msgspec.structs.replace(CRISIS, default=default)).auction == 60
    off = msgspec.structs.replace(default, enabled=False)
    assert close_out_time(msgspec.structs.replace(CRISIS, default=off)).auction == 0


def test_each_instrument_has_its_period() -> None:
    genesis = with_horizon(72_000)
    found = margin_periods(genesis, 250)
    assert [each.instrument for each in found.instruments] == [each.name for each in genesis.instruments]
    assert {(each.assumed_ms, each.taken_ms) for each in found.instruments} == {(72_000, 18_000)}
    assert {(each.congested_assumed_ms, each.congested_taken_ms) for each in found.instruments} == {(77_000, 20_500)}
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("horizon_ms", "lateness_ms", "warned"),
    [
        pytest.param(18_000, 2_500, False, id="exactly enough"),
        pytest.param(17_999, 5_000, True, id="a millisecond too little"),
        pytest.param(18_000, 2_499, True, id="too little in congestion"),
    ],
)
def test_margin_that_covers_less_time_than_closing_out_takes_is_warned_of(
    horizon_ms: int, lateness_ms: int, warned: bool
) -> None:
    genesis = with_horizon(horizon_ms, lateness_ms)
    assert len(margin_periods(genesis, 250).warnings) == (len(genesis.instruments) if warned else 0)


def test_the_range_that_is_needed_grows_with_the_root_of_time() -> None:
    """Four times the time needs twice the range; 18,000 over 5,000 ms 1.897367 times, rounded up."""
    genesis = with_horizon(4_500)
    listed = {group.name: group.range_ppm for group in genesis.risk.groups}
    for each in margin_periods(genesis, 250).instruments:
        assert each.range_needed_ppm == 2 * listed[each.group]
    (first, *_) = margin_periods(with_horizon(5_000), 250).instruments
    ppm = first.range_ppm
    assert (first.range_needed_ppm - 1) ** 2 * 5_000 < ppm**2 * 18_000 <= first.range_needed_ppm**2 * 5_000


def test_a_genesis_without_moving_ranges_states_no_horizon() -> None:
    found = margin_periods(msgspec.structs.replace(make_genesis(), crisis=CRISIS), 250)
    assert {each.assumed_ms for each in found.instruments} == {0}
    assert all("states no horizon" in warning for warning in found.warnings)
    assert len(found.warnings) == len(found.instruments)


def test_the_command_prints_periods_and_warnings(cli: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "genesis.json"
    path.write_bytes(genesis_to_json(with_horizon(5_000)))
    found = cli("margin", "period", path, "--block-ms", 250, "--output", "json").json
    assert found["close_out"] == {"call": 10, "sale": 20, "steps": 12, "auction": 30}
    assert {each["taken_ms"] for each in found["instruments"]} == {18_000}
    text = cli("margin", "period", path, "--block-ms", 250).out
    assert "call 10, sale 20, steps 12, auction 30, together 72" in text
    assert "warning: BTC-PERP: margin assumes 5000 ms, and closing out takes up to 18000 ms" in text
