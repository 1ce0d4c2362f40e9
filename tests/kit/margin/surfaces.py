"""Groups with surfaces, shocks and grids of their own, for property tests."""

from hypothesis import strategies as st

from clearing.base.errors import LocalFault
from clearing.base.units import DAY_MS
from clearing.margin.risk_arrays.grid import OPTION_GRID, TAILS
from clearing.schema.risk.live_surface import ExpiryCarry
from clearing.schema.risk.parameters import SPAN_SIXTEEN, RiskGroup, RiskParameters, Scenario, check_parameters
from clearing.schema.risk.volatility_surface import VolPillar, VolShock, surface_checks
from clearing.schema.terms.instruments import Instrument, InstrumentKind

NOW_MS = 1_584_000_000_000

SURFACE = (
    VolPillar(DAY_MS, 1_200_000, -100_000, 1_000_000),
    VolPillar(7 * DAY_MS, 1_100_000, -150_000, 950_000),
    VolPillar(30 * DAY_MS, 1_000_000, -200_000, 900_000),
    VolPillar(180 * DAY_MS, 950_000, -250_000, 850_000),
)
"""High at the short end, low strikes dearer."""

pillars = st.builds(
    VolPillar,
    tenor_ms=st.integers(DAY_MS, 400 * DAY_MS),
    level_ppm=st.integers(300_000, 3_000_000),
    skew_ppm=st.integers(-900_000, 900_000),
    wing_ppm=st.integers(0, 1_400_000),
)


def sound(surface: tuple[VolPillar, ...], volatility_ppm: int) -> bool:
    """Whether genesis would take it."""
    return all(good for _, _, good in surface_checks(surface, volatility_ppm))


surfaces = st.lists(pillars, max_size=4, unique_by=lambda each: each.tenor_ms).map(
    lambda listed: tuple(sorted(listed, key=lambda each: each.tenor_ms))
)
"""Not all free of arbitrage."""

shocks = st.builds(
    VolShock,
    short_power_ppm=st.sampled_from((0, 300_000, 1_000_000)),
    long_power_ppm=st.sampled_from((0, 130_000, 1_000_000)),
    relative=st.booleans(),
    down_ppm=st.integers(0, 1_000_000),
    up_floor_ppm=st.sampled_from((0, 450_000)),
    skew_linear_ppm=st.sampled_from((0, 150_000, 500_000)),
    skew_absolute_ppm=st.sampled_from((0, 150_000, 500_000)),
)

scenarios = st.builds(
    Scenario,
    move_numerator=st.integers(-21, 21),
    move_denominator=st.integers(7, 9),
    volatility_direction=st.integers(-1, 1),
    weight_ppm=st.sampled_from((1_000_000, 350_001)),
    of_index=st.booleans(),
    skew_linear=st.integers(-1, 1),
    skew_absolute=st.integers(-1, 1),
)

grids = st.one_of(
    st.just(()),
    st.sampled_from((SPAN_SIXTEEN, OPTION_GRID, TAILS)),
    st.lists(scenarios, min_size=1, max_size=5).map(tuple),
)


@st.composite
def curves(draw: st.DrawFn) -> tuple[ExpiryCarry, ...]:
    """Forwards and rates of a few expiries, some of them those of `LISTED`; often none."""
    days = draw(st.lists(st.sampled_from((1, 7, 30, 45, 200, 300)), max_size=3, unique=True))
    forwards, rates = st.integers(1, 3 * 10**9), st.integers(-1_000_000, 1_000_000)
    return tuple(ExpiryCarry(NOW_MS + each * DAY_MS, draw(forwards), draw(rates)) for each in sorted(days))


@st.composite
def parameters(draw: st.DrawFn) -> RiskParameters:
    """Two groups, acceptable at genesis but for arbitrage."""
    groups = tuple(
        RiskGroup(
            number, f"G{number}", number,
            range_ppm=draw(st.integers(1, 1_000_000)),
            volatility_ppm=draw(st.integers(1, 3_000_000)),
            volatility_range_ppm=draw(st.integers(0, 2_000_000)),
            surface=draw(surfaces), shock=draw(shocks), scenarios=draw(grids), curve=draw(curves()),
        )
        for number in (1, 2)
    )  # fmt: skip
    made = RiskParameters(groups, draw(grids.filter(bool)), rate_ppm=draw(st.sampled_from((0, 30_000))))
    try:
        check_parameters(made)
    except LocalFault as fault:
        assert "surface" in str(fault)
    return made


def dated(number: int, kind: InstrumentKind, group: int, days: int, strike: int = 0, scale: int = 10) -> Instrument:
    """An instrument that expires in some days."""
    return Instrument(number, f"I{number}", kind, group, group, 1, scale, NOW_MS + days * DAY_MS, strike)


LISTED = (
    Instrument(1, "P1", InstrumentKind.PERPETUAL, 1, 1, 1, 10),
    Instrument(2, "P2", InstrumentKind.PERPETUAL, 2, 2, 1, 65_536),
    dated(3, InstrumentKind.FUTURE, 1, 90),
    dated(4, InstrumentKind.FORWARD, 2, 30),
    dated(5, InstrumentKind.CALL, 1, 1, 800_000),
    dated(6, InstrumentKind.PUT, 1, 1, 700_000),
    dated(7, InstrumentKind.CALL, 1, 45, 1_200_000, 1_000),
    dated(8, InstrumentKind.PUT, 2, 300, 18_000),
    dated(9, InstrumentKind.CALL, 2, 7, 2),
)
