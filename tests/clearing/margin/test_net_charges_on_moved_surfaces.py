"""Charges on net amounts follow what values options now: a live surface's smiles and curve, and averages so far."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.margin.risk_arrays.arrays import RiskArrays, build_risk_arrays
from clearing.margin.risk_arrays.reference_arrays import PricedListing, build_reference_arrays
from clearing.pricing.averages import NO_AVERAGES, Averages
from clearing.schema.risk.known_average import KnownAverage
from clearing.schema.risk.live_surface import ExpiryCarry
from clearing.schema.risk.parameters import RiskGroup, RiskParameters
from clearing.schema.risk.volatility_surface import VolPillar
from clearing.schema.terms.assets import CashGroup
from tests.kit.margin.books import NET, WETH
from tests.kit.margin.surfaces import LISTED, NOW_MS, parameters

CASH = [CashGroup(1, "USD")]
INDEX = {1: 800_000, 2: 20_000}
HOUR_MS = 3_600_000


def charged(risk: RiskParameters) -> RiskParameters:
    groups = zip(risk.groups, NET, strict=True)
    return msgspec.structs.replace(
        risk, groups=tuple(msgspec.structs.replace(group, charges=own) for group, own in groups)
    )


def built(
    risk: RiskParameters, averages: Averages = NO_AVERAGES, before: RiskArrays | None = None, time_ms: int = NOW_MS
) -> RiskArrays:
    return build_risk_arrays(LISTED, [WETH], CASH, {}, INDEX, risk, time_ms, averages=averages, before=before)


def defined(risk: RiskParameters, averages: Averages = NO_AVERAGES, time_ms: int = NOW_MS):
    return build_reference_arrays(PricedListing(LISTED, [WETH], CASH, {}, INDEX, risk, time_ms, averages)).tariff


averages = st.dictionaries(
    st.sampled_from((5, 6, 7, 8, 9)),
    st.builds(
        lambda window, covered, ticks: KnownAverage(window, covered * ticks, covered),
        st.sampled_from((HOUR_MS, 24 * HOUR_MS)),
        st.integers(0, 30 * HOUR_MS),
        st.integers(1, 2_000_000),
    ),
)


@settings(max_examples=40)
@given(parameters(), parameters(), averages, averages, st.integers(0, 8 * 24 * HOUR_MS))
def test_charges_are_the_definition_however_surfaces_and_averages_move(risk, other, first, second, later):
    time_ms, risk = NOW_MS + later, charged(risk)
    moved = tuple(
        msgspec.structs.replace(was, surface=now.surface, curve=now.curve, volatility_ppm=now.volatility_ppm)
        for was, now in zip(risk.groups, other.groups, strict=True)
    )
    after = msgspec.structs.replace(risk, groups=moved)
    before = built(risk, first, time_ms=time_ms)
    assert before.tariff == defined(risk, first, time_ms)
    assert before.plan is not None
    assert before.plan.on_surfaces(LISTED, CASH, after) is not None
    again = built(after, second, before, time_ms)
    assert again.tariff == built(after, second, time_ms=time_ms).tariff == defined(after, second, time_ms)


GROUPS = tuple(RiskGroup(number, f"G{number}", number, 150_000, 900_000, 250_000) for number in (1, 2))
PLAIN = charged(RiskParameters(GROUPS))


def vega_of(arrays: RiskArrays, instrument: int) -> int:
    """Micros a lot in the first row of the first group's charge on vega."""
    (vega,) = [each for each in arrays.tariff.net if (each.name, each.group) == ("vega", 0)]
    return vega.rows[0][0][vega.members.index([each.id for each in LISTED].index(instrument))]


def test_a_surface_that_moves_moves_the_charge_on_vega():
    before = built(PLAIN)
    live = msgspec.structs.replace(
        GROUPS[0],
        surface=(VolPillar(24 * HOUR_MS, 300_000),),
        curve=(ExpiryCarry(LISTED[4].expiry_ms, 900_000_000, 0),),
        volatility_ppm=1_000_000,
        charges=NET[0],
    )
    after = built(msgspec.structs.replace(PLAIN, groups=(live, PLAIN.groups[1])), before=before)
    assert 0 < vega_of(after, 5) < vega_of(before, 5)


def test_an_average_that_is_almost_known_leaves_little_vega():
    option = LISTED[4]
    time_ms = option.expiry_ms - HOUR_MS
    known = {option.id: KnownAverage(24 * HOUR_MS, 23 * HOUR_MS * INDEX[1], 23 * HOUR_MS)}
    open_ = vega_of(built(PLAIN, time_ms=time_ms), option.id)
    assert 0 < 10 * vega_of(built(PLAIN, known, time_ms=time_ms), option.id) < open_
