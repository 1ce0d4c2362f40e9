"""The world of `world.py` with everything about prices switched on: outliers, ladder, funding, averages, a forward."""

import msgspec

from clearing.schema.terms.genesis import Genesis
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.schema.terms.prices import FundingTerms, PriceTerms
from tests.kit.clearing.genesis import BTC_FUT, BTC_PERP, ETH, EXPIRY_MS, USD, WETH_1, make_genesis
from tests.kit.clearing.world import World, funded

ETH_FWD, ETH_CASH_FWD, BTC_AVG_PUT = 5, 6, 7
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
WINDOW_MS = 20_000
FUNDING = FundingTerms(
    premium_cap_ppm=50_000,
    window_ms=10_000,
    depth_lots=100,
    interval_ms=MINUTE_MS,
    period_ms=8 * HOUR_MS,
    rate_cap_ppm=7_500,
    interest_ppm=100,
    dampener_ppm=500,
)
PRICES = PriceTerms(outlier_deviations=5, outlier_floor_ppm=1_000, grace_blocks=3, settle_blocks=10)


def priced_genesis(prices: PriceTerms = PRICES, funding: FundingTerms = FUNDING, **market: int) -> Genesis:
    """BTC-PERP with funding, BTC-FUT and a put on an average of 20 seconds, ETH forwards delivered and in cash."""
    genesis = make_genesis({"prices": prices} | market)
    changed = {BTC_PERP: {"funding": funding}, BTC_FUT: {"averaging_ms": WINDOW_MS}}
    instruments = [msgspec.structs.replace(each, **changed.get(each.id, {})) for each in genesis.instruments]
    kind = InstrumentKind.FORWARD
    instruments += [
        Instrument(ETH_FWD, "ETH-FWD", kind, ETH, 2, USD, 100, EXPIRY_MS, delivery_asset=WETH_1),
        Instrument(ETH_CASH_FWD, "ETH-CASH-FWD", kind, ETH, 2, USD, 100, EXPIRY_MS),
        Instrument(
            BTC_AVG_PUT, "BTC-AVG-PUT", InstrumentKind.PUT, 1, 1, USD, 10, EXPIRY_MS, 800_000, 1_000_000, WINDOW_MS
        ),
    ]
    return msgspec.structs.replace(genesis, instruments=tuple(instruments))


def priced(prices: PriceTerms = PRICES, dollars: int = 100_000, **market: int) -> World:
    """Prices at BTC 7,900.00 and ETH 200.00; everybody with cash."""
    return funded(genesis=priced_genesis(prices, **market), dollars=dollars)


def go_to(world: World, time_ms: int, btc: int = 790_000, eth: int = 20_000, step_ms: int = 1_000) -> None:
    """Blocks with unmoved prices until a block time."""
    while world.time_ms < time_ms:
        world.prices(btc, eth, after_ms=min(step_ms, time_ms - world.time_ms))
