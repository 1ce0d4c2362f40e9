"""A market whose options on BTC are valued on a live surface, and one on ETH on an average whose window has begun.

Calls on BTC expire before, on, between and beyond the expiries of the curve, whose second rate is below zero.
"""

import msgspec

from clearing.base.codec import u256
from clearing.margin.risk_arrays.grid import OPTION_SHOCK
from clearing.margin.statement.rows import build_snapshot
from clearing.margin.statement.rulebook import AverageSoFar, MarkPrice, Rulebook
from clearing.margin.statement.snapshot import RiskSnapshot
from clearing.margin.statement.stress import build_cover_terms
from clearing.schema.risk.live_surface import ExpiryCarry
from clearing.schema.risk.parameters import RiskGroup, RiskParameters, Scenario
from clearing.schema.risk.volatility_surface import VolPillar
from clearing.schema.terms.genesis import Genesis
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.schema.terms.surfaces import SurfaceTerms
from tests.kit.proofs import listed_market, stressed
from tests.kit.proofs.made_market import (
    CALL,
    DAY_MS,
    NOW_MS,
    PERPETUAL,
    PUT,
    Vector,
    arrays_of,
    holdings_of,
    listed,
    statement_of,
)

replace = msgspec.structs.replace
HOUR_MS = 3_600_000
NEAR_MS, FAR_MS = NOW_MS + 30 * DAY_MS, NOW_MS + 60 * DAY_MS
CURVE = (ExpiryCarry(NEAR_MS, 1_010_000_003, 120_000), ExpiryCarry(FAR_MS, 1_021_000_001, -40_000))
SMILES = (VolPillar(30 * DAY_MS, 700_000, -200_000, 500_000), VolPillar(60 * DAY_MS, 650_000, -200_000, 450_000))
SURFACE = SurfaceTerms(1)
SCENARIOS = (
    Scenario(1, 1, 1),
    Scenario(-1, 1, -1, skew_linear=1),
    Scenario(-1, 3, 1, skew_absolute=1),
    Scenario(-2, 1, 0, 350_000),
)
VOTED = (VolPillar(30 * DAY_MS, 820_000, -50_000, 20_000),)
BTC: RiskGroup = replace(stressed.PARAMETERS.groups[0], short_option_ppm=30_000, surface=VOTED, shock=OPTION_SHOCK)
PARAMETERS: RiskParameters = replace(
    stressed.PARAMETERS, groups=(BTC, stressed.PARAMETERS.groups[1]), scenarios=SCENARIOS, rate_ppm=20_000
)
"""As the genesis has them: no surface is agreed on."""


def dated(number: int, name: str, kind: InstrumentKind, feed: int, strike: int, days: int) -> Instrument:
    return replace(listed(number, name, kind, feed, strike), expiry_ms=NOW_MS + days * DAY_MS)


WINDOW_MS, COVERED_MS = 12 * HOUR_MS, 4 * HOUR_MS
AVERAGED: Instrument = replace(
    listed(8, "ETH-AVERAGE", CALL, 2, 20_500), expiry_ms=NOW_MS + WINDOW_MS - COVERED_MS, averaging_ms=WINDOW_MS
)
"""A third of its window has passed."""
LATER: Instrument = replace(dated(5, "BTC-LAST", CALL, 1, 900_000, 90), averaging_ms=WINDOW_MS)
"""Its window is far off."""
INSTRUMENTS = (
    listed(1, "BTC-PERP", PERPETUAL, 1, funding=stressed.PREMIUM),
    dated(2, "BTC-PUT", PUT, 1, 750_000, 30),
    dated(3, "BTC-SOON", CALL, 1, 810_000, 10),
    dated(4, "BTC-BETWEEN", CALL, 1, 830_000, 45),
    LATER,
    listed(7, "ETH-PERP", PERPETUAL, 2),
    AVERAGED,
)
LIVE = replace(BTC, volatility_ppm=1_000_000, surface=SMILES, curve=CURVE)
MARKS = (MarkPrice(1, 800_500), MarkPrice(3, 20_000), MarkPrice(8, 300))
SURFACED: Rulebook = replace(
    stressed.RULEBOOK,
    parameters=replace(PARAMETERS, groups=(LIVE, PARAMETERS.groups[1])),
    instruments=INSTRUMENTS,
    tokens=(listed_market.WETH,),
    marks=MARKS,
)
"""With a live surface; the average is not counted."""
HALF = AverageSoFar(AVERAGED.id, u256(20_900 * COVERED_MS + 7), COVERED_MS)
AVERAGING: Rulebook = replace(
    SURFACED, parameters=replace(SURFACED.parameters, averaged_options=True), averages=(HALF,)
)
"""With a live surface and the average so far."""
DATED: Instrument = replace(dated(2, "BTC-DATED", InstrumentKind.FUTURE, 1, 0, 30), strike_ticks=0)
"""A future in the place of the put, at the first expiry of the curve."""
FUTURES: Rulebook = replace(
    SURFACED,
    parameters=replace(SURFACED.parameters, futures_on_curve=True),
    instruments=(INSTRUMENTS[0], DATED, *INSTRUMENTS[2:]),
)
"""With a live surface, off which the future is marked."""
HOUSE = (10**11, 0)
BOOK: dict[int, tuple[int, ...]] = {  # account: cash, WETH, then lots of each instrument
    1: (10**11, 2_000_000, 400, -20, 30, -10, 5, 90, -200),
    2: (5 * 10**10, 0, -300, 10, -40, 20, -15, 40, 300),
    5: (4 * 10**10, 0, 50, 0, 10, 5, 0, -60, 50),
}
MEMBERS = {1: 1, 2: 1, 5: 2}


def genesis(book: Rulebook = SURFACED) -> Genesis:
    """Of the network of `live-surface.ccp`, or of the one with averages."""
    switches = {name: getattr(book.parameters, name) for name in ("averaged_options", "futures_on_curve")}
    risk = replace(PARAMETERS, **switches)
    return replace(listed_market.genesis(replace(book, parameters=risk)), surfaces=(SURFACE,))


def snapshot_of(book: Rulebook) -> RiskSnapshot:
    """The snapshot of the book of accounts, with the house on the other side of every position."""
    taken = [-sum(column) for column in list(zip(*BOOK.values(), strict=True))[2:]]
    vectors: dict[int, Vector] = {0: (*HOUSE, *taken), **BOOK}
    arrays, stress = arrays_of(book), book.stress()
    accounts = [holdings_of(arrays, account, vector) for account, vector in sorted(vectors.items())]
    owners = {account: MEMBERS.get(account, account) for account in vectors}
    statement = statement_of(
        book,
        list(vectors.values()),
        network=stressed.NETWORK,
        shortfalls={each.account: each.shortfall for each in accounts if each.shortfall},
        cover=build_cover_terms(stress, (1, 1), accounts, owners, 0, book.parameters.default_fund_micros),
    )
    return build_snapshot(statement, accounts)


def package_of(book: Rulebook) -> bytes:
    """A whole package under a rulebook of this market, whose custody is that of its genesis."""
    return listed_market.listed_from(snapshot_of(book), book.time_ms)
