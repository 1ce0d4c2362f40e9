"""What a story's market has besides: a second cash group, keys of clients, venues, expiries, halts, listings.

Rule: a function of the seed; each is on in some stories and off in others, so that they meet in every combination. It
knows no strategies.
"""

from dataclasses import dataclass, fields
from random import Random

import msgspec

from clearing.base.secp256k1 import address
from clearing.genesis.paths import change_at, value_at
from clearing.schema.requests.governance import TermsAmendment
from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.terms.assets import Asset, CashGroup, Feed
from clearing.schema.terms.collateral import DepegTerms
from clearing.schema.terms.genesis import AccountKind, AccountTerms, Genesis, MemberTerms, VenueTerms
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.schema.terms.prices import FundingTerms
from tests.kit.clearing.genesis import BTC, ETH, HOUSE, START_MS, USD, VAULTS, WETH_1
from tests.kit.clearing.requests import VENUE_SECRETS
from tests.kit.clearing.signer import secret
from tests.kit.clearing.vaults import CALL, DEPEG, INTEREST, PAR, SKEW

OTHER = 2
"""The second cash group, of two tokens that have a guard of their own."""
OTHER_1, OTHER_2, OTHER_FEED = 5, 6, 5
ETH_OTHER, BTC_OTHER = 10, 11
SOL, SOL_PERP, SOL_TOKEN = 7, 20, 7
"""What a vote may list: a feed with its risk group, a perpetual, a token."""
NEWCOMER = 60
"""A member that a vote may take in, and its account."""
DATED_FROM = 30
"""Instruments with an expiry that votes list have ids from here."""
FUNDING = FundingTerms(
    premium_cap_ppm=50_000,
    window_ms=60_000,
    depth_lots=5_000,
    interval_ms=10_000,
    period_ms=28_800_000,
    rate_cap_ppm=50_000,
    interest_ppm=100,
    dampener_ppm=500,
)


@dataclass(frozen=True, slots=True)
class Variant:
    """What this story has."""

    second_group: bool
    keyed_clients: bool
    venues: bool
    expiries: bool
    validators_change: bool
    listings: bool
    halts: bool
    crashes: bool
    """Prices fall further in a block than any margin covers."""
    sightings: bool
    """Deposits are seen before they are final, and lent on; some end elsewhere."""


def variant_of(seed: int) -> Variant:
    """Each is on in two stories of three."""
    chance = Random(seed * 53 + 11)
    return Variant(**{field.name: chance.random() < 0.66 for field in fields(Variant)})


def with_variant(genesis: Genesis, variant: Variant) -> Genesis:
    """`genesis` with what the variant adds."""
    change = msgspec.structs.replace
    market, crisis = genesis.market, genesis.crisis
    if variant.second_group:
        genesis = _with_second_group(genesis)
    if variant.expiries:
        genesis = change(genesis, instruments=_ordered(*genesis.instruments, *_expiring()))
    if variant.venues:
        listed = [
            VenueTerms(each, f"venue-{each}", address(own), 50_000, each, HOUSE, 2)
            for each, own in VENUE_SECRETS.items()
        ]
        genesis = change(genesis, venues=tuple(listed))
        market = change(market, held_per_account_max=8, hold_retry_ms=2_000, hold_valid_ms=10_000)
    if variant.halts:
        chains = tuple(change(each, heartbeat_ms_max=15_000) for each in genesis.chains)
        genesis = change(genesis, chains=chains)
        market = change(market, prices=change(market.prices, auction_blocks=2, settle_blocks=120))
    if variant.validators_change and crisis.governance.enabled:
        delay_ms = 2_000 if variant.keyed_clients else 0
        terms = change(crisis.governance, removal_offences=2, detach_blocks=40, entry_delay_ms=delay_ms)
        crisis = change(crisis, governance=terms)
    if variant.second_group and variant.halts and crisis.fund.enabled:
        # What is lost is mostly cash of the other group.
        crisis = change(crisis, fund=change(crisis.fund, cash_group=OTHER))
    if variant.crashes:
        market = change(market, move_cap_ppm=600_000)
    market = change(market, member_accounts_max=6)
    return change(genesis, market=market, crisis=crisis)


def client_terms(account: int, variant: Variant) -> AccountTerms:
    """A client's account; every other client has a key of its own, where clients do."""
    if variant.keyed_clients and account % 2:
        return AccountTerms(account, AccountKind.CLIENT, address(secret(account)))
    return AccountTerms(account, AccountKind.CLIENT)


def prices_of(variant: Variant) -> dict[int, int]:
    """First ticks of feeds that not every story has."""
    more = {OTHER_FEED: PAR} if variant.second_group else {}
    return {**more, SOL: 10_000} if variant.listings else more


def listing(genesis: Genesis, time_ms: int, chance: Random) -> TermsAmendment:
    """Something is listed, or taken off the list, whether anybody holds it or not."""
    changes: list[tuple[str, object]] = []
    kind = chance.randint(0, 5)
    if kind == 0 and value_at(genesis, f"feeds.{SOL}") is None:
        changes = [
            (f"feeds.{SOL}", Feed(SOL, "SOL")),
            (f"risk.groups.{SOL}", RiskGroup(SOL, "SOL", SOL, 300_000, 900_000, 200_000)),
            (f"instruments.{SOL_PERP}", Instrument(SOL_PERP, "SOL-PERP", InstrumentKind.PERPETUAL, SOL, SOL, USD, 10)),
        ]
    elif kind == 1 and value_at(genesis, f"feeds.{SOL}") is not None:
        token = Asset(SOL_TOKEN, "SOL-2", 2, VAULTS[2], b"\xc9" * 20, 9, 6, 0, SOL, 200_000, 10**12)
        changes = [(f"assets.{SOL_TOKEN}", token)]
    elif kind == 2:
        account = AccountTerms(NEWCOMER, AccountKind.HOUSE)
        changes = [(f"members.{NEWCOMER}", MemberTerms(NEWCOMER, "newcomer", address(secret(NEWCOMER)), (account,)))]
    elif kind == 3:
        off = [each.id for each in genesis.instruments if each.expired(time_ms)] or [SOL_PERP, DATED_FROM]
        changes = [(f"instruments.{chance.choice(off)}", None)]
    else:
        changes = [_dated(genesis, time_ms, chance)]
    return TermsAmendment(tuple(change_at(genesis, path, after) for path, after in changes))


def _dated(genesis: Genesis, time_ms: int, chance: Random) -> tuple[str, Instrument]:
    """An instrument that expires soon."""
    number = max(DATED_FROM - 1, *(each.id for each in genesis.instruments)) + 1
    kind = chance.choice((InstrumentKind.FUTURE, InstrumentKind.CALL, InstrumentKind.PUT))
    feed = chance.choice((BTC, ETH))
    option = kind is not InstrumentKind.FUTURE
    made = Instrument(
        number,
        f"{kind.name}-{number}",
        kind,
        feed,
        feed,
        chance.choice([group.id for group in genesis.cash_groups]),
        10 if feed == BTC else 100,
        time_ms + chance.randint(30, 150) * 1_000,
        (800_000 if feed == BTC else 20_000) if option else 0,
        1_000_000 if option else 100_000,
        chance.choice((0, 10_000)),
    )
    return f"instruments.{number}", made


def _with_second_group(genesis: Genesis) -> Genesis:
    change = msgspec.structs.replace
    guard = change(DEPEG, feed=OTHER_FEED, halt_ms=60_000)
    cash = [
        Asset(OTHER_1, "OTHER-1", 1, VAULTS[1], b"\xc5" * 20, 6, 6, OTHER, 0, 0, 10**15, depeg=guard),
        # The dearer one on chain: eighteen decimals, and no guard, so it never leaves.
        Asset(OTHER_2, "OTHER-2", 2, VAULTS[2], b"\xc6" * 20, 18, 6, OTHER, 0, 0, 10**15, depeg=DepegTerms()),
    ]
    perpetual = InstrumentKind.PERPETUAL
    return change(
        genesis,
        feeds=(*genesis.feeds, Feed(OTHER_FEED, "OTHER10000")),
        cash_groups=(*genesis.cash_groups, CashGroup(OTHER, "OTHER", SKEW, INTEREST, CALL)),
        assets=(*genesis.assets, *cash),
        instruments=_ordered(
            *genesis.instruments,
            Instrument(ETH_OTHER, "ETH-OTHER", perpetual, ETH, 2, OTHER, 100, funding=FUNDING),
            Instrument(BTC_OTHER, "BTC-OTHER", perpetual, BTC, 1, OTHER, 10, funding=FUNDING),
        ),
    )


def _expiring() -> tuple[Instrument, ...]:
    """Within a story: a future on an average, a put, forwards delivered and in cash, a call."""
    kinds, at = InstrumentKind, START_MS
    return (
        Instrument(12, "BTC-FUT-A", kinds.FUTURE, BTC, 1, USD, 10, at + 90_000, averaging_ms=20_000),
        Instrument(13, "BTC-PUT-A", kinds.PUT, BTC, 1, USD, 10, at + 60_000, 800_000, 1_000_000),
        Instrument(14, "ETH-FWD", kinds.FORWARD, ETH, 2, USD, 100, at + 75_000, delivery_asset=WETH_1),
        Instrument(15, "ETH-CASH-FWD", kinds.FORWARD, ETH, 2, USD, 100, at + 140_000),
        Instrument(16, "ETH-CALL", kinds.CALL, ETH, 2, USD, 100, at + 200_000, 20_000, 1_000_000, 10_000),
    )


def _ordered(*instruments: Instrument) -> tuple[Instrument, ...]:
    return tuple(sorted(instruments, key=lambda each: each.id))
