"""The small world with collateral inside the scenarios: WETH and a staked share as spot, a token that falls along."""

import msgspec
from hypothesis import strategies as st

from clearing.margin.risk_arrays.arrays import RiskArrays, build_risk_arrays
from clearing.margin.risk_arrays.reference_arrays import PricedListing
from clearing.schema.risk.charges import ConcentrationTier
from clearing.schema.risk.parameters import RiskParameters
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.collateral import ScenarioTerms, YieldTerms
from tests.kit.margin.books import ASSETS, CASH_GROUPS, INSTRUMENTS, NOW_MS, ONLY, STRESSED, WETH, lots, micros, units

SPOT = ScenarioTerms(2, haircut_ppm=30_000)
FALLS = ScenarioTerms(2, haircut_ppm=200_000, fall_share_ppm=1_500_000)
INSIDE_WETH: Asset = msgspec.structs.replace(WETH, haircut_ppm=30_000, scenarios=SPOT)
"""As `effective_asset` gives it: with the haircut in force."""
STETH: Asset = msgspec.structs.replace(
    INSIDE_WETH,
    id=3,
    name="STETH",
    token=bytes(19) + b"\3",
    yields=YieldTerms(5, haircut_ppm=20_000),
    rate_ticks=1_150_000,
)
OP: Asset = msgspec.structs.replace(
    WETH, id=4, name="OP", token=bytes(19) + b"\4", feed=3, haircut_ppm=200_000, scenarios=FALLS
)
GOLD: Asset = msgspec.structs.replace(WETH, id=5, name="GOLD", token=bytes(19) + b"\5", feed=4)
"""Outside."""
TOKENS = (INSIDE_WETH, STETH, OP, GOLD)
INDEX = {1: 790_000, 2: 19_400, 3: 170, 4: 240_000, 5: 1_150_000}
TIERS = (ConcentrationTier(2, 100_000, 100_000), ConcentrationTier(2, 400_000, 900_000), ConcentrationTier(4, 0, 500))


def parameters_of(name: str) -> RiskParameters:
    """Those of the small world, with tiers on tokens inside where it has any."""
    known = STRESSED if name == "stressed" else ONLY[name]
    return msgspec.structs.replace(known, concentration=TIERS) if known.concentration else known


def inside_arrays(
    parameters: RiskParameters,
    index: dict[int, int] = INDEX,
    tokens: tuple[Asset, ...] = TOKENS,
    *,
    before: RiskArrays | None = None,
) -> RiskArrays:
    """Arrays with these tokens."""
    listed = (ASSETS[0], *tokens)
    return build_risk_arrays(INSTRUMENTS, listed, CASH_GROUPS, {}, index, parameters, NOW_MS, before=before)


def priced(parameters: RiskParameters, index: dict[int, int] = INDEX) -> PricedListing:
    return PricedListing(INSTRUMENTS, TOKENS, CASH_GROUPS, {}, index, parameters, NOW_MS)


INSIDE = {name: inside_arrays(parameters_of(name)) for name in ONLY}
HUGE_INSIDE = inside_arrays(parameters_of("all"), {feed: 2**40 - feed for feed in INDEX})

some_units = st.one_of(st.just(0), st.integers(0, 10**6), units, st.integers(0, 2**63 - 1))
holdings = st.tuples(
    st.tuples(micros, micros), st.tuples(*(some_units for _ in TOKENS)), st.tuples(*(lots for _ in INSTRUMENTS))
)
"""(cash, tokens, positions) in the order of the arrays."""
modest_holdings = st.tuples(
    st.tuples(st.integers(-(10**9), 10**10), st.integers(-(10**7), 10**9)),
    st.tuples(*(st.integers(0, 10**6) for _ in TOKENS)),
    st.tuples(*(st.integers(-2000, 2000) for _ in INSTRUMENTS)),
)
"""Holdings near their margin, so that both outcomes come up."""
