"""Small worlds for valuing: instruments of every kind in two risk groups, under no rule, each rule and all of them."""

from collections.abc import Sequence

import msgspec
from hypothesis import strategies as st

from clearing.base.units import DAY_MS
from clearing.margin.risk_arrays.arrays import RiskArrays, build_risk_arrays
from clearing.schema.risk.charges import ConcentrationTier, LotCharge
from clearing.schema.risk.group_charges import BasisMove, BasisPoint, GroupCharges, NetCharge
from clearing.schema.risk.history import HistoricalMove, HistoricalRequirement, HistoricalScenario
from clearing.schema.risk.parameters import JointCredit, RiskGroup, RiskParameters, Scenario, StressScenario, collapse
from clearing.schema.terms.assets import Asset, CashGroup
from clearing.schema.terms.instruments import Instrument, InstrumentKind

NOW_MS = 1_584_000_000_000

BTC = RiskGroup(1, "BTC", 1, range_ppm=150_000, volatility_ppm=900_000, volatility_range_ppm=250_000)
ETH = RiskGroup(2, "ETH", 2, range_ppm=180_000, volatility_ppm=1_100_000, volatility_range_ppm=300_000)
PARAMETERS = RiskParameters((BTC, ETH), cash_limit_micros=5_000_000, rate_ppm=30_000)

INSTRUMENTS = (
    Instrument(1, "BTC-PERP", InstrumentKind.PERPETUAL, 1, 1, 1, 10),
    Instrument(2, "ETH-PERP", InstrumentKind.PERPETUAL, 2, 2, 1, 100),
    Instrument(3, "BTC-JUN", InstrumentKind.FUTURE, 1, 1, 1, 10, NOW_MS + 90 * DAY_MS),
    Instrument(4, "BTC-C8000", InstrumentKind.CALL, 1, 1, 1, 10, NOW_MS + 30 * DAY_MS, 800_000),
    Instrument(5, "ETH-P180", InstrumentKind.PUT, 2, 2, 1, 100, NOW_MS + 7 * DAY_MS, 18_000),
)
CASH_GROUPS = (CashGroup(1, "USD"), CashGroup(2, "EUR"))
WETH = Asset(2, "WETH", 31337, bytes(20), bytes(19) + b"\2", 18, 4, 0, 2, 100_000, 10**12)
ASSETS = (Asset(1, "USDC", 31337, bytes(20), bytes(19) + b"\1", 6, 6, 1, 0, 0, 2**62), WETH)
INDEX = {1: 790_000, 2: 19_400}

HUGE_INDEX = {1: 2**40 - 1, 2: 2**40 - 7}
"""With these and full-range positions, losses need more than 64 bits."""

SHORT = tuple(msgspec.structs.replace(group, short_option_ppm=ppm) for group, ppm in ((BTC, 30_000), (ETH, 20_000)))
JOINT = JointCredit(
    collapse([(11, 11), (12, 12), (13, 13), (13, 9), (5, 8), (8, 5), (13, 13), (0, 14), (16, 16), (15, 2), (3, 0)]),
    tail=3,
    keep_largest=False,
)
CHARGES = (
    LotCharge(1, 5_000, 1_000, 2_000, 3_000, 10_000),
    LotCharge(2, 4_000, 2_000, 500, 0, 20_000, (1_000_000, 9_000_000)),
    LotCharge(4, 0, 10_000, 100, 5_000, 0, (500_000,)),
    LotCharge(5, slippage_ppm=20_000),
)
TIERS = (ConcentrationTier(2, 100_000, 100_000), ConcentrationTier(2, 400_000, 250_000))

NET = (
    GroupCharges(
        basis=(
            BasisMove((BasisPoint(7 * DAY_MS, 2_000), BasisPoint(180 * DAY_MS, 20_000))),
            BasisMove((BasisPoint(0, -3_000), BasisPoint(60 * DAY_MS, 4_000)), perpetual_ppm=-1_000),
        ),
        delta=NetCharge(1_000, 50_000_000, 2_000, 10_000, (250_000, 1_000_000, 16_000_000)),
        vega=NetCharge(20_000),
    ),
    GroupCharges(vega=NetCharge(0, 300_000, 100_000, 50_000)),
)
NETTED = tuple(msgspec.structs.replace(group, charges=charges) for group, charges in zip((BTC, ETH), NET, strict=True))

FULL = msgspec.structs.replace(PARAMETERS, groups=SHORT, joint=JOINT, charges=CHARGES, concentration=TIERS)
CRASH = StressScenario("crash", (Scenario(-45, 100, 1, of_index=True), Scenario(-60, 100, 1, of_index=True)))
RALLY = StressScenario("rally", (Scenario(2, 1, 0), Scenario(50, 100, -1, of_index=True)))
APART = StressScenario("apart", (Scenario(1, 1, 1, 500_000, of_index=True), Scenario(-1, 1, 1)))
STRESSED = msgspec.structs.replace(PARAMETERS, stress=(CRASH, RALLY, APART), default_fund_micros=10**9)

HISTORY = HistoricalRequirement(
    tuple(
        HistoricalScenario(tuple(HistoricalMove(*move) for move in moves), count)
        for *moves, count in sorted(
            (
                ((-231_457, 412_345), (-287_001, 350_001), 1),
                ((-41_003, 120_001), (-73_999, -15_000), 2),
                ((0, 0), (1, -1), 7),
                ((52_001, -90_007), (-12_345, 33_333), 1),
                ((187_654, -123_456), (203_211, 98_765), 1),
            )
        )
    ),
    tail=2,
    tail_part_ppm=500_000,
    keep_largest=False,
)
"""Some of these moves go beyond the ranges, and none is at a point of the grid."""
PAST = msgspec.structs.replace(FULL, joint=JointCredit(), history=HISTORY)

ONLY = {
    "none": PARAMETERS,
    "minimums": msgspec.structs.replace(PARAMETERS, groups=SHORT),
    "credit": msgspec.structs.replace(PARAMETERS, joint=JOINT),
    "charges": msgspec.structs.replace(PARAMETERS, charges=CHARGES),
    "concentration": msgspec.structs.replace(PARAMETERS, concentration=TIERS),
    "largest": msgspec.structs.replace(FULL, joint=msgspec.structs.replace(JOINT, keep_largest=True)),
    "all": FULL,
    "history": msgspec.structs.replace(PARAMETERS, history=HISTORY),
    "history and all": msgspec.structs.replace(PAST, history=msgspec.structs.replace(HISTORY, keep_largest=True)),
    "net": msgspec.structs.replace(PARAMETERS, groups=NETTED),
    "net and all": msgspec.structs.replace(
        FULL,
        groups=tuple(msgspec.structs.replace(group, charges=own) for group, own in zip(SHORT, NET, strict=True)),
    ),
}
"""Parameters with no rule, with one, or with all."""


def arrays_of(
    index: dict[int, int] = INDEX,
    time_ms: int = NOW_MS,
    parameters: RiskParameters = PARAMETERS,
    *,
    marks: dict[int, int] | None = None,
    instruments: Sequence[Instrument] = INSTRUMENTS,
) -> RiskArrays:
    """Arrays of the small world."""
    return build_risk_arrays(instruments, ASSETS, CASH_GROUPS, marks or {}, index, parameters, time_ms)


CHARGED = {name: arrays_of(parameters=parameters) for name, parameters in ONLY.items()}
NORMAL = CHARGED["none"]
HUGE = arrays_of(HUGE_INDEX)
CHARGED_HUGE = arrays_of(HUGE_INDEX, parameters=FULL)

lots = st.one_of(st.just(0), st.integers(-5000, 5000), st.integers(1 - 2**39, 2**39 - 1))
micros = st.one_of(st.integers(-(10**10), 10**12), st.integers(1 - 2**63, 2**63 - 1))
units = st.one_of(st.integers(0, 10**8), st.integers(0, 2**56 - 1))

holdings = st.tuples(st.tuples(micros, micros), st.tuples(units), st.tuples(*(lots for _ in INSTRUMENTS)))
"""(cash, tokens, positions) in the order of the arrays."""

modest_holdings = st.tuples(
    st.tuples(st.integers(-(10**7), 10**10), st.integers(-(10**7), 10**10)),
    st.tuples(st.integers(0, 10**6)),
    st.tuples(*(st.integers(-2000, 2000) for _ in INSTRUMENTS)),
)
"""Holdings near their margin, so that both outcomes come up."""
