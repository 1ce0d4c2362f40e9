"""Small worlds for the valuing tests: instruments of every kind in two risk groups, and strategies for holdings."""

from hypothesis import strategies as st

from clearing.margin.risk_arrays.arrays import RiskArrays, build_risk_arrays
from clearing.schema.risk.parameters import RiskGroup, RiskParameters
from clearing.schema.terms.assets import Asset, CashGroup
from clearing.schema.terms.instruments import Instrument, InstrumentKind

NOW_MS = 1_584_000_000_000
DAY_MS = 86_400_000

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


def arrays(index: dict[int, int] | None = None, time_ms: int = NOW_MS) -> RiskArrays:
    """Arrays of the small world at an index."""
    return build_risk_arrays(
        INSTRUMENTS, ASSETS, CASH_GROUPS, {}, INDEX if index is None else index, PARAMETERS, time_ms
    )


NORMAL = arrays()
HUGE = arrays(HUGE_INDEX)

lots = st.one_of(st.just(0), st.integers(-5000, 5000), st.integers(1 - 2**39, 2**39 - 1))
micros = st.one_of(st.integers(-(10**10), 10**12), st.integers(1 - 2**63, 2**63 - 1))
units = st.one_of(st.integers(0, 10**8), st.integers(0, 2**56 - 1))

holdings = st.tuples(
    st.tuples(micros, micros), st.tuples(units), st.tuples(*(lots for _ in INSTRUMENTS))
)  # fmt: skip
"""(cash, tokens, positions) in the order of the arrays."""

modest_holdings = st.tuples(
    st.tuples(st.integers(-(10**7), 10**10), st.integers(-(10**7), 10**10)),
    st.tuples(st.integers(0, 10**6)),
    st.tuples(*(st.integers(-2000, 2000) for _ in INSTRUMENTS)),
)
"""Holdings near their margin, so that both outcomes come up."""
