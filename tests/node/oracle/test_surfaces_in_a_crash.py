"""Ten minutes in which the index falls by 14 % and volatility nearly doubles, with one faulty source of three.

Every report is within what honest venues show at that moment, and with one faulty source there always is one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from clearing.base.errors import RemoteFault
from clearing.base.units import PPM
from node.config_oracle import FeedConfig
from node.oracle.source import OracleCode
from node.oracle.surfaces.live import LiveSurfaces
from node.oracle.surfaces.quantised import is_free_of_arbitrage, pillars_of
from tests.kit.oracle.option_venue import EXPIRIES, NOW_MS, OptionMarket, cell, surface_config
from tests.kit.oracle.surface_arbitrage import arbitrages

STEP_MS = 10_000
STEPS = 60
SUDDEN = 30
"""From this step to the next, volatility is half as high again at once."""
TOLERANCE = 0.015


def factor(step: int) -> float:
    """Of all levels: slowly to 1.3, a sudden half more, and back by a third."""
    if step <= SUDDEN:
        return 1.0 + 0.3 * step / SUDDEN
    return 1.95 - 0.6 * (step - SUDDEN) / (STEPS - SUDDEN)


def index(step: int) -> float:
    return 50_000.0 * (1.0 - 0.14 * min(step, SUDDEN) / SUDDEN)


@dataclass(frozen=True)
class Fault:
    """What the third source says at a step: the factor and step of its market, or nothing."""

    name: str
    market: Callable[[int], tuple[float, int] | None]


FAULTS = (
    Fault("none", lambda step: (factor(step), step)),
    Fault("lies high", lambda step: (1.5 * factor(step), step)),
    Fault("lies low from the middle", lambda step: (factor(step) * (0.6 if step > STEPS // 3 else 1.0), step)),
    Fault("stands still", lambda step: (factor(min(step, 20)), min(step, 20))),
    Fault("flaps", lambda step: (factor(step), step) if step % 3 < 2 else None),
    Fault("swings", lambda step: (factor(step) * (2.0 if step % 4 == 0 else 1.0), step)),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_reports_stay_within_what_honest_venues_show(fault: Fault) -> None:
    cells = [cell("a", "deribit"), cell("b", "okx"), cell("c", "deribit")]
    now = [0]
    surfaces = LiveSurfaces(
        [surface_config(quorum=2, interval_ms=STEP_MS)],
        cells,
        [FeedConfig(name="BTC", feed=1)],
        lambda _: index(now[0]),
    )
    shown = set()
    for step in range(STEPS):
        now[0], now_ms = step, NOW_MS + step * STEP_MS
        for each, venue, shift in ((cells[0], "deribit", 1.0), (cells[1], "okx", 1.01)):
            each.take(OptionMarket(index(step), factor=factor(step) * shift).chain(venue, now_ms), now_ms)
        said = fault.market(step)
        if said is None:
            cells[2].failed(RemoteFault(OracleCode.VENUE_UNREACHABLE, "c"))
        else:
            level, of_step = said
            then_ms = NOW_MS + of_step * STEP_MS
            cells[2].take(OptionMarket(index(of_step), factor=level).chain("deribit", then_ms), then_ms)
        (found,) = surfaces.read(now_ms)
        report = found.fresh(now_ms)
        assert report is not None, (step, found.detail(now_ms))
        assert report.time_ms >= now_ms - 2 * STEP_MS
        assert report.sources >= 2
        shown |= {each.flaw.code for each in found.verdicts if each.flaw is not None}
        for quote, true in zip(report.expiries, EXPIRIES, strict=True):
            honest = true.level * factor(step)
            assert honest * (1 - TOLERANCE) <= quote.level_ppm / PPM <= honest * 1.01 * (1 + TOLERANCE), (step, quote)
            assert abs(quote.forward_ppb / 1e9 - true.ratio) < 1e-3
        if step % 20 == 0:
            assert is_free_of_arbitrage(report.expiries, now_ms)
            assert not list(arbitrages(pillars_of(report.expiries, now_ms)))
    expected = {
        "none": set(),
        "lies high": {OracleCode.VOLATILITY_DEVIATES},
        "lies low from the middle": {OracleCode.VOLATILITY_JUMPED, OracleCode.VOLATILITY_DEVIATES},
        "stands still": {OracleCode.SOURCE_STALE},
        "flaps": set(),
        "swings": {OracleCode.VOLATILITY_JUMPED, OracleCode.VOLATILITY_DEVIATES},
    }[fault.name]
    assert shown == expected
