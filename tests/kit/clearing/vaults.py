"""The small network with terms of collateral turned on, and prices for every feed in every block."""

from typing import Any

import msgspec

from clearing.schema.terms.assets import Asset, CashGroup, Feed, check_assets
from clearing.schema.terms.collateral import (
    CashCallTerms,
    DepegTerms,
    HaircutTerms,
    InterestTerms,
    SkewTerms,
    SoftCreditTerms,
    YieldTerms,
)
from clearing.schema.terms.genesis import Genesis, MarketParameters
from tests.kit.clearing.genesis import (
    ALICE,
    BOB,
    BTC,
    CAROL,
    DOLLAR,
    ETH,
    HOUSE,
    USD,
    USDC_1,
    USDC_2,
    VAULTS,
    WETH_1,
    make_genesis,
)
from tests.kit.clearing.world import World

USDC_FEED, RATE_FEED = 3, 4
STETH_2 = 4
PAR = 1_000_000
"""Ticks of 10,000 whole tokens at par."""
HAIRCUT = HaircutTerms(
    range_share_ppm=200_000,
    liquidity_ppm=5_000,
    finality_ppm=2_500,
    confidence_share_ppm=2_000_000,
    outage_ms=10_000,
    outage_step_ms=5_000,
    outage_step_ppm=200_000,
    step_ppm=2_500,
)
DEPEG = DepegTerms(feed=USDC_FEED, feed_tokens=10_000, band_ppm=20_000, blocks=3)
SKEW = SkewTerms(rate_ppm=100_000, depth_micros=50_000 * DOLLAR, band_micros=1_000 * DOLLAR)
CALL = CashCallTerms(deadline_blocks=5, auction_blocks=10, slice_ppm=400_000)
HOUR = 3_600_000
INTEREST = InterestTerms(interval_ms=HOUR, debit_ppm=80_000, credit_ppm=30_000)
SOFT = SoftCreditTerms(house_ppm=500_000, account_micros_max=20_000 * DOLLAR, recall_blocks=10, restriction_blocks=6)


def genesis_with(
    *,
    haircut: HaircutTerms | None = None,
    depeg: DepegTerms | None = None,
    skew: SkewTerms | None = None,
    interest: InterestTerms | None = None,
    call: CashCallTerms | None = None,
    soft: SoftCreditTerms | None = None,
    soft_ppm: int = 0,
    market: Any = None,
) -> Genesis:
    """Genesis with these terms: haircuts on both tokens, the guard on both cash tokens; STETH on chain 2 has a rate."""
    base = make_genesis(market)
    change = msgspec.structs.replace
    cash = [
        change(asset, depeg=depeg or DepegTerms(), soft_credit_ppm=soft_ppm, cap_units=10**15)
        for asset in base.assets
        if asset.is_cash
    ]
    weth = change(base.assets[2], haircut=haircut or HaircutTerms(), soft_credit_ppm=soft_ppm)
    yields = YieldTerms(RATE_FEED, PAR, 20_000)
    steth = Asset(STETH_2, "STETH-2", 2, VAULTS[2], b"\xc4" * 20, 18, 6, 0, ETH, 100_000, 10**13, yields=yields)
    genesis = change(
        base,
        feeds=(*base.feeds, Feed(USDC_FEED, "USDC10000"), Feed(RATE_FEED, "STETH/ETH")),
        cash_groups=(CashGroup(USD, "USD", skew or SkewTerms(), interest or InterestTerms(), call or CashCallTerms()),),
        assets=(*cash, weth, steth),
        soft_credit=soft or SoftCreditTerms(),
    )
    check_assets(genesis.assets, genesis.cash_groups, genesis.feeds)  # the validators' keys of tests are no keys
    return genesis


def genesis_of_everything(seed: int, market: MarketParameters) -> Genesis:
    """All terms on; whether the guard may halt depends on the seed of a story."""
    return genesis_with(
        haircut=HAIRCUT,
        depeg=msgspec.structs.replace(DEPEG, halt_ms=60_000 if seed % 2 else 0),
        skew=SKEW,
        interest=INTEREST,
        call=CALL,
        soft=SOFT,
        soft_ppm=700_000,
        market=market,
    )


def on_real_chain(genesis: Genesis, chain_id: int, vault: bytes, token: bytes) -> Genesis:
    """Genesis with a real chain in the place of its second one; its cash token there is `token`."""
    change = msgspec.structs.replace
    chains = (genesis.chains[0], change(genesis.chains[1], chain_id=chain_id, vault=vault))
    assets = [change(each, chain_id=chain_id, vault=vault) if each.chain_id == 2 else each for each in genesis.assets]
    assets[1] = change(assets[1], token=token)
    return change(genesis, chains=chains, assets=tuple(assets))


def vault_world(genesis: Genesis, check: bool = True) -> World:
    """A world in which every block has prices, and chains go on unless told otherwise."""
    world = World(genesis, check, fresh=True, beating=True)
    world.ticks |= {USDC_FEED: PAR, RATE_FEED: 1_100_000}
    return world


def opened(genesis: Genesis, dollars: int = 100_000, check: bool = True) -> World:
    """Everybody with cash on both chains, half each; Alice and Bob with 50 WETH, Carol with 20 STETH."""
    world = vault_world(genesis, check)
    world.block()
    half = dollars // 2 * DOLLAR
    for account in (HOUSE, ALICE, BOB, CAROL):
        world.block(facts=[world.deposit_fact(account, asset, half) for asset in (USDC_1, USDC_2)])
    weth = world.state.terms.assets[WETH_1].to_amount(50_000_000)
    world.block(facts=[world.deposit_fact(account, WETH_1, weth) for account in (ALICE, BOB)])
    world.deposit(CAROL, STETH_2, 20_000_000)
    return world


def lending(**changes: Any) -> World:
    """Members with soft collateral whose cash is lent to them."""
    return opened(genesis_with(**{"soft": SOFT, "soft_ppm": 800_000} | changes), dollars=20_000)


def owing(dollars: int = 1_500, lots: int = 1_000, **terms: Any) -> World:
    """Alice has 50 WETH and owes so many dollars; she may owe 1,000."""
    world = opened(genesis_with(**terms), dollars=20_000)
    world.block(world.withdrawal(ALICE, USDC_1, world.cash(ALICE) - 100 * DOLLAR))
    world.block(world.perp_trade(ALICE, BOB, lots))
    world.ticks[BTC] -= (dollars + 100) * DOLLAR // (lots * 10)
    world.block()
    return world
