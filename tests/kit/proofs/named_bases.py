"""Packages of many kinds, each with its trusted genesis, whose every field is then another one.

Each rulebook is written with all its fields, those that are off too, so that a walk over the file meets them.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

import msgspec

from clearing.base.codec import encode, u256
from clearing.epochs.snapshot import take_snapshot
from clearing.governance.certified_amendments import check_amendments
from clearing.margin.statement.rulebook import AverageSoFar, FeedLevel, MarkPrice, Rulebook, read_rulebook
from clearing.margin.statement.snapshot import AccountHoldings, RiskSnapshot
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.assets import Asset, Feed
from clearing.schema.terms.collateral import HaircutTerms
from clearing.schema.terms.genesis import Genesis
from proofs.epoch.package import attach_custody
from tests.kit.clearing.amended import amended, certified
from tests.kit.clearing.genesis import make_genesis
from tests.kit.clearing.world import World
from tests.kit.proofs import inside_market, listed_market, live_market, reopened_feed, stressed
from tests.kit.proofs import small_market as market
from tests.kit.proofs.counted import BOOK, MEMBERS, PLACE, counted_scalars
from tests.kit.proofs.proven_custody import proven
from tests.kit.proofs.write_vectors import rulebook_of_every_charge, rulebook_of_history

replace = msgspec.structs.replace
AHEAD_MS = 7_200_000
"""Of the header, before the values that it certifies."""
SHORT_PPM = 20_000
"""What a vault lacks of its token."""
MOVING = RangeParameters(
    interval_ms=3_600_000,
    volatility_weight_ppm=300_000,
    joint_scenarios=16,
    historical_scenarios=16,
    joint_tail_ppm=62_500,
    joint_tail_exact=True,
    window_min=2,
    window=2000,
)
DYNAMIC = HaircutTerms(range_share_ppm=500_000, step_ppm=1000)


@dataclass(frozen=True)
class Base:
    """A whole package that a quorum certified, and what its reader trusts."""

    name: str
    data: bytes
    genesis: Genesis
    network: bytes
    accounts: tuple[AccountHoldings, ...]
    seeds: Mapping[int, bytes]
    domain: int = market.N

    @cached_property
    def trusted(self) -> dict[str, bytes | Genesis]:
        """As `verify_package` takes it."""
        return {
            "network": self.network,
            "validators_hash": market.validator_set().hash,
            "genesis": replace(self.genesis, validators=market.validator_set()),
        }


def prove(shot: RiskSnapshot, seeds: Mapping[int, bytes], domain: int = market.N, ahead_ms: int = AHEAD_MS) -> bytes:
    """The package of a snapshot, certified some time after its valuation."""
    valued_ms = read_rulebook(shot.statement.rules, 10**6).time_ms
    return market.honest(shot, dict(seeds), size=domain, scalars=counted_scalars(), time_ms=valued_ms + ahead_ms)


def listed_assets(book: Rulebook) -> tuple[Asset, ...]:
    """Dollars on one chain, and the tokens of a rulebook in one vault of another."""
    return (listed_market.USDC, *book.tokens)


def in_a_vault(book: Rulebook, **changes: object) -> Rulebook:
    """The rulebook with tokens that storage proofs can show, whose haircuts may move."""
    vault = listed_market.VAULTS[31337]
    tokens = tuple(
        replace(token, vault=vault, token=bytes([token.id]) * 20, balances=PLACE, haircut=DYNAMIC, **changes)
        for token in book.tokens
    )
    return replace(book, tokens=tokens)


def genesis_of(book: Rulebook) -> Genesis:
    """As it was before validators agreed on surfaces; whatever may move may."""
    groups = tuple(
        replace(group, curve=(), **_voted(group.id)) if group.curve else group for group in book.parameters.groups
    )
    return replace(
        make_genesis(),
        time_ms=book.time_ms - 100 * 86_400_000,
        feeds=tuple(Feed(feed.feed, feed.name) for feed in book.feeds),
        cash_groups=book.cash_groups,
        assets=tuple(replace(asset, rate_ticks=0) for asset in listed_assets(book)),
        instruments=book.instruments,
        risk=replace(book.parameters, groups=groups),
        ranges=MOVING,
        surfaces=(live_market.SURFACE,),
    )


def _voted(group: int) -> dict[str, object]:
    voted = next(each for each in live_market.PARAMETERS.groups if each.id == group)
    return {"surface": voted.surface, "volatility_ppm": voted.volatility_ppm}


def listed(name: str, book: Rulebook, shot: RiskSnapshot, genesis: Genesis, short_ppm: int = 0) -> Base:
    """The package of a snapshot whose vaults and tokens are the genesis' own."""
    network, terms = shot.statement.network, []
    for number, (term, asset) in enumerate(zip(shot.statement.custody, listed_assets(book), strict=True)):
        unit = 10 ** (asset.token_decimals - asset.unit_decimals)
        # A clearing unit in each label, so that what is owed may be called another thing.
        labels = {label: u256(unit) for label in ("released", "later", "strays", "dust")}
        accounted = (term.held + len(labels)) * unit
        missing = accounted * short_ppm // 10**6 if number else 0
        counters = {
            "deposited": accounted + 900,
            "withdrawn": 900,
            "balance": accounted + 5 - bool(missing) * (missing + 5),
        }
        place = {"vault": asset.vault, "token": asset.token, "balances": asset.balances, "unit": unit}
        terms.append(replace(term, **place, **labels, **{field: u256(value) for field, value in counters.items()}))
    stated, evidence = proven(replace(shot.statement, rules=encode(book), custody=tuple(terms)))
    accounts = tuple(replace(each, owner=market.owner(each.account)) for each in shot.accounts)
    seeds = stressed.seeds_of([each.account for each in accounts])
    data = attach_custody(prove(RiskSnapshot(stated, accounts), seeds), evidence)
    return Base(name, data, genesis, network, accounts, seeds)


def _of_stressed(name: str, book: Rulebook, short_ppm: int = 0, terms: Rulebook | None = None) -> Base:
    return listed(name, book, stressed.snapshot_of(BOOK, MEMBERS, book), genesis_of(terms or book), short_ppm)


def _of_live(name: str, book: Rulebook) -> Base:
    return listed(name, book, live_market.snapshot_of(book), genesis_of(book))


def expired(book: Rulebook = live_market.FUTURES) -> Rulebook:
    """A day later a call, a put and a future have expired and wait for their price, and a call averages beside them.

    One more feed is settled, of which nothing is listed.
    """
    perpetual, future, soon, between, later, *others = book.instruments
    now = book.time_ms
    instruments = (
        perpetual,
        replace(future, expiry_ms=now - 3_600_000, averaging_ms=7_200_000),
        replace(soon, name="BTC-GONE-CALL", expiry_ms=now - 1),
        replace(between, name="BTC-GONE-PUT", kind=live_market.PUT, expiry_ms=now - 60_000, averaging_ms=600_000),
        replace(later, name="BTC-NEXT", expiry_ms=now + 3_600_000, averaging_ms=7_200_000),
        *others,
    )
    marks = (MarkPrice(1, 800_500), MarkPrice(2, 900_000), MarkPrice(3, 10**7), MarkPrice(4, 2 * between.strike_ticks))
    averages = (
        AverageSoFar(between.id, u256(700_000 * 500_000), 500_000),
        AverageSoFar(later.id, u256(810_000 * 3_000_000), 3_000_000),
        live_market.HALF,
    )
    feeds = (*book.feeds, FeedLevel(9, "GONE", 7, used=False))
    parameters = replace(book.parameters, averaged_options=True)
    more = {"marks": (*marks, MarkPrice(5, 12_345), MarkPrice(8, 300)), "averages": averages, "feeds": feeds}
    return replace(book, instruments=instruments, parameters=parameters, **more)


def _of_state(name: str, world: World, genesis: Genesis) -> Base:
    """Of a state of the engine; its tokens name no place of balances, and it has no stress scenarios."""
    shot = take_snapshot(world.state)
    stated = replace(shot.statement, network=market.NETWORK, epoch=max(shot.statement.epoch, 1))
    stated, evidence = proven(replace(stated, rules=encode(read_rulebook(stated.rules, 10**6))))
    accounts = shot.accounts
    seeds = stressed.seeds_of([each.account for each in accounts])
    data = attach_custody(prove(RiskSnapshot(stated, accounts), seeds, market.DOMAIN), evidence)
    return Base(name, data, genesis, market.NETWORK, accounts, seeds, market.DOMAIN)


def _short_tokens() -> Base:
    book = in_a_vault(replace(stressed.RULEBOOK, tokens=(listed_market.WETH,)))
    lacking = replace(
        book, tokens=tuple(replace(each, haircut_ppm=each.haircut_ppm + SHORT_PPM) for each in book.tokens)
    )
    return _of_stressed("short tokens", lacking, SHORT_PPM, book)


def _no_evidence() -> Base:
    """No chain's state is shown: its reader lets custody stay open."""
    whole = _of_stressed("no evidence", in_a_vault(replace(stressed.RULEBOOK, tokens=(listed_market.WETH,))))
    return dataclasses.replace(whole, data=attach_custody(whole.data, ()))


def _collateral_inside() -> Base:
    book = in_a_vault(inside_market.RULEBOOK)
    return listed("collateral inside", book, inside_market.snapshot_inside(book), genesis_of(book))


def _amended() -> Base:
    """Its genesis is that of certified amendments."""
    world = amended()
    file = certified(world)
    genesis, _ = check_amendments(file, world.genesis, file.validators.hash, world.results[-1].height)
    return _of_state("amended", world, genesis)


def _with_credit() -> Rulebook:
    """Joint scenarios of so many observations that the genesis' share of them is the tail that is averaged."""
    book = rulebook_of_every_charge()
    mild, *others = book.parameters.joint.scenarios
    joint = replace(book.parameters.joint, scenarios=(replace(mild, count=mild.count + 30), *others))
    return replace(book, parameters=replace(book.parameters, joint=joint))


def _with_history() -> Rulebook:
    """The same of past moves."""
    book = rulebook_of_history()
    moves = tuple(replace(each, count=31) if each.count == 30 else each for each in book.parameters.history.scenarios)
    history = replace(book.parameters.history, scenarios=moves)
    return replace(book, parameters=replace(book.parameters, history=history))


BASES: dict[str, Callable[[], Base]] = {
    "net charges": lambda: _of_stressed("net charges", in_a_vault(_with_credit())),
    "live surface": lambda: _of_live("live surface", in_a_vault(live_market.SURFACED)),
    "averages": lambda: _of_live("averages", in_a_vault(live_market.AVERAGING)),
    "futures on the curve": lambda: _of_live("futures on the curve", in_a_vault(live_market.FUTURES)),
    "collateral inside": _collateral_inside,
    "moves of history": lambda: _of_stressed("moves of history", in_a_vault(_with_history())),
    "settled marks": lambda: _of_state("settled marks", reopened_feed.reopened(), reopened_feed.genesis()),
    "short tokens": _short_tokens,
    "no evidence": _no_evidence,
    "expired": lambda: _of_live("expired", in_a_vault(expired())),
    "amended": _amended,
}


@cache
def base_of(name: str) -> Base:
    """Made once."""
    return BASES[name]()
