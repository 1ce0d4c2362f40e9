"""Rulebook checks: slots, rows and prices follow from the rulebook in the statement, and that follows from the genesis.

Rule: everything is recomputed from parameters, listing and prices by the engine's definition, and compared whole:
a rule that was left out or loosened, a coefficient that is off by one micro, is a difference. With the genesis, whose
hash is the network's name, only ranges, volatilities, live surfaces, joint scenarios, moves of history, haircuts and
prices rest on the validators' attestation, and ranges, volatilities, surfaces and haircuts only within the bounds of
the genesis. Without it the parameters rest on their attestation, too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from clearing.base.errors import Bug, CrossclearError
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import PPM
from clearing.margin.statement.snapshot import RiskStatement
from proofs.errors import Inconclusive, ProofCode, VerificationFailed
from proofs.statement.price_bounds import check_price_bounds
from proofs.statement.surface_bounds import check_live_surface, is_live

if TYPE_CHECKING:
    from clearing.margin.statement.rulebook import Rulebook
    from clearing.schema.risk.history import HistoricalRequirement
    from clearing.schema.risk.parameters import JointCredit, RiskGroup, RiskParameters
    from clearing.schema.risk.price_ranges import RangeParameters
    from clearing.schema.terms.genesis import Genesis


FEEDS_NAMED, FEED_SHOWN = 10, 80
"""Settled feeds that are named, and characters of each name."""


def check_rulebook(
    statement: RiskStatement,
    genesis: "Genesis | None" = None,
    *,
    certified_ms: int | None = None,
    network: bytes | None = None,
) -> str:
    """Compute slots, rows and prices again, and compare the parameters with the genesis; returns the result as text.

    `certified_ms`: the time of the header that certifies the statement. `network`: by default of the genesis, which
    differs from it once the genesis was amended. Raises VerificationFailed RULES_DIFFER naming the first
    difference, PRICE_OUT_OF_BOUNDS naming a mark, BAD_STATEMENT for a rulebook that makes no rows.
    """
    book = stated_rulebook(statement)
    _check_slots(statement, book)
    _check_rows(statement, book)
    _same("groups", statement.groups, tuple(group.name for group in book.parameters.groups))
    _same("scenarios", (statement.scenarios,), (book.parameters.width,))
    _same("prices", statement.prices, book.prices)
    _same("assumptions", statement.assumptions, book.assumptions)
    _check_prices(book)
    check_price_bounds(book, listed_ms=genesis.time_ms if genesis is not None else 0)
    _check_fund(statement, book)
    _check_shortages(statement, book)
    if certified_ms is not None and book.time_ms > certified_ms:
        raise VerificationFailed(
            ProofCode.RULES_DIFFER, "time after the header's", stated=book.time_ms, certified=certified_ms
        )
    found = f"{len(statement.rows)} rows are those of {len(book.instruments)} instruments and {len(book.prices)} prices"
    if genesis is None:
        found += " under the stated parameters"
    else:
        _check_genesis(statement, book, genesis, network)
        found += " under the genesis' parameters"
    without_margin = _of_settled_feeds(book)
    return Inconclusive(f"{found}; {without_margin}") if without_margin else found


def _of_settled_feeds(book: "Rulebook") -> str:
    """Which instruments count for nothing, because the quorum calls their feeds settled; empty where none does."""
    settled = {feed.feed: feed.name for feed in book.feeds if not feed.used}
    affected = [instrument.feed for instrument in book.instruments if instrument.feed in settled]
    if not affected:
        return ""
    feeds = [settled[feed][:FEED_SHOWN] for feed in sorted(set(affected))]
    more = f" and {len(feeds) - FEEDS_NAMED} more" if len(feeds) > FEEDS_NAMED else ""
    return (
        f"positions in {len(affected)} of the instruments count for nothing, for the validators call their feeds "
        f"settled: {', '.join(feeds[:FEEDS_NAMED])}{more}"
    )


def stated_rulebook(statement: RiskStatement) -> "Rulebook":
    """The rulebook in a statement. Raises VerificationFailed RULES_DIFFER, BAD_STATEMENT."""
    from clearing.margin.statement.rulebook import read_rulebook

    if not statement.rules:
        raise VerificationFailed(ProofCode.RULES_DIFFER, "no rulebook")
    try:
        return read_rulebook(statement.rules, len(statement.slots))
    except CrossclearError as fault:
        raise VerificationFailed(ProofCode.BAD_STATEMENT, "rulebook", why=str(fault)[:200]) from None


def _check_slots(statement: RiskStatement, book: "Rulebook") -> None:
    """Compare the slots, and how many rows there are: a listing that the statement does not have is never priced."""
    with _makes_rows():
        slots, count = book.slots(), book.row_count
    _same("slots", [slot.name for slot in statement.slots], [slot.name for slot in slots])
    _same("slots", statement.slots, slots)
    _same("number of rows", len(statement.rows), count)


def _check_rows(statement: RiskStatement, book: "Rulebook") -> None:
    """Compare rows by content, each before the next is made; their names only locate the first difference."""
    with _makes_rows():
        computed = book.rows()
    for theirs in statement.rows:
        with _makes_rows():
            ours = next(computed, None)
        if ours is None:
            raise VerificationFailed(ProofCode.RULES_DIFFER, "number of rows", stated=len(statement.rows))
        if msgspec.structs.replace(theirs, name=ours.name) != ours:
            raise VerificationFailed(ProofCode.RULES_DIFFER, f"row {ours.name[:64]}", stated=theirs.name[:64])


@contextmanager
def _makes_rows() -> Iterator[None]:
    """Raises VerificationFailed BAD_STATEMENT for what no network's own checks let pass."""
    try:
        yield
    except (Bug, CrossclearError, ArithmeticError, ValueError) as fault:
        raise VerificationFailed(ProofCode.BAD_STATEMENT, "rulebook makes no rows", why=str(fault)[:200]) from None


def _same(what: str, stated: object, computed: object) -> None:
    if stated != computed:
        raise VerificationFailed(ProofCode.RULES_DIFFER, what, stated=str(stated)[:200], computed=str(computed)[:200])


def _check_prices(book: "Rulebook") -> None:
    """Every feed of an instrument or token has its price, or what depends on it would silently count for nothing.

    A rate is the price of its feed, up to its limit.
    """
    from clearing.schema.terms.assets import RATE_TIMES_MAX

    listed = {feed.feed: feed for feed in book.feeds}
    tokens = [(f"token {token.name}", token) for token in book.tokens]
    named = [
        *((instrument.name, instrument.feed) for instrument in book.instruments),
        *((name, token.feed) for name, token in tokens),
    ]
    named += [(name, token.yields.feed) for name, token in tokens if token.yields.feed]
    for name, feed in named:
        if feed not in listed:
            raise VerificationFailed(ProofCode.RULES_DIFFER, f"no price of {name[:64]}", feed=feed)
    for name, token in tokens:
        rate = listed.get(token.yields.feed) if token.yields.feed else None
        ticks = rate.ticks if rate is not None and rate.used else 0
        _same(f"rate of {name[:64]}", token.rate_ticks, min(ticks, RATE_TIMES_MAX * token.yields.unit_ticks))


def _check_fund(statement: RiskStatement, book: "Rulebook") -> None:
    """The fund is the house's and no more than the parameters say: as the fund's, no other account is left out."""
    for terms in statement.cover:
        _same("account of the fund", terms.fund_account, HOUSE_ACCOUNT)
        if terms.fund > book.parameters.default_fund_micros:
            raise VerificationFailed(
                ProofCode.RULES_DIFFER, "fund", stated=terms.fund, named=book.parameters.default_fund_micros
            )


def _check_shortages(statement: RiskStatement, book: "Rulebook") -> None:
    """A token counts for no more than the share of it that its vault has."""
    for token, missing_ppm in zip(book.tokens, _missing_shares(statement, book), strict=True):
        if token.haircut_ppm < missing_ppm:
            raise VerificationFailed(
                ProofCode.RULES_DIFFER,
                f"haircut of {token.name[:64]}, of which its vault lacks a share",
                stated=token.haircut_ppm,
                missing_ppm=missing_ppm,
            )


def _missing_shares(statement: RiskStatement, book: "Rulebook") -> list[int]:
    """The missing share of each token in parts per million: the largest, where several vaults have it."""
    shares = [0] * len(book.tokens)
    for term in statement.custody:
        token = term.slot - len(book.cash_groups)  # slots of tokens follow those of cash
        if 0 <= token < len(shares):
            shares[token] = max(shares[token], term.missing_ppm)
    return shares


def _check_genesis(statement: RiskStatement, book: "Rulebook", genesis: "Genesis", network: bytes | None) -> None:
    """Check that only values which the genesis lets move differ from it."""
    from clearing.schema.terms.assets import collateral_tokens
    from clearing.schema.terms.collateral import stepped_haircut
    from clearing.schema.terms.genesis import network_id

    _same("network", statement.network, network_id(genesis) if network is None else network)
    _same("instruments", book.instruments, genesis.instruments)
    _same("cash groups", book.cash_groups, genesis.cash_groups)
    named = sorted((feed.id, feed.name) for feed in genesis.feeds)
    _same("feeds", [(feed.feed, feed.name) for feed in book.feeds], named)
    tokens = collateral_tokens(genesis.assets)
    _same("tokens", tuple(token.id for token in book.tokens), tuple(token.id for token in tokens))
    shares = _missing_shares(statement, book)
    for token, listed, missing_ppm in zip(book.tokens, tokens, shares, strict=True):
        fixed = {"rate_ticks": 0, "haircut_ppm": listed.haircut_ppm}
        _same(f"token {listed.name}", msgspec.structs.replace(token, **fixed), listed)
        least = listed.base_haircut_ppm
        if missing_ppm:
            least = stepped_haircut(least + missing_ppm, listed.haircut.step_ppm)
        moves = token.haircut_ppm == least or (listed.haircut.is_dynamic and token.haircut_ppm > least)
        if not moves:
            raise VerificationFailed(ProofCode.RULES_DIFFER, f"haircut of {listed.name}", stated=token.haircut_ppm)
    _same_parameters(book.parameters, genesis, book.time_ms)


def _same_parameters(stated: "RiskParameters", genesis: "Genesis", valued_ms: int) -> None:
    """Equal, but for what a genesis that observes the market lets move, and that within its bounds."""
    fixed, ranges = genesis.risk, genesis.ranges
    if len(stated.groups) == len(fixed.groups):
        stated = _without_live_surfaces(stated, genesis, valued_ms)
    if not ranges.enabled:
        _same("parameters", stated, fixed)
        return
    _same("risk groups", tuple(map(_same_over_time, stated.groups)), tuple(map(_same_over_time, fixed.groups)))
    for ours, theirs in zip(fixed.groups, stated.groups, strict=True):
        if theirs.range_ppm != ours.range_ppm and not ranges.range_min_ppm <= theirs.range_ppm <= ranges.range_max_ppm:
            raise VerificationFailed(ProofCode.RULES_DIFFER, f"range of {ours.name}", stated=theirs.range_ppm)
        _check_volatility(theirs, ours, ranges)
    moving = {"groups": fixed.groups, "joint": fixed.joint, "history": fixed.history}
    _same("parameters", msgspec.structs.replace(stated, **moving), fixed)
    if stated.joint != fixed.joint:
        _check_joint(stated.joint, fixed.joint, ranges)
    if stated.history != fixed.history:
        _check_history(stated.history, fixed.history, ranges)


def _without_live_surfaces(stated: "RiskParameters", genesis: "Genesis", valued_ms: int) -> "RiskParameters":
    """The parameters with the genesis' surface and volatility in place of each live one, which is checked here."""
    groups = []
    for ours, theirs in zip(genesis.risk.groups, stated.groups, strict=True):
        if not is_live(theirs, genesis):
            groups.append(theirs)
            continue
        check_live_surface(theirs, genesis, valued_ms)
        fixed = {"surface": ours.surface, "curve": ours.curve, "volatility_ppm": ours.volatility_ppm}
        groups.append(msgspec.structs.replace(theirs, **fixed))
    return msgspec.structs.replace(stated, groups=tuple(groups))


def _check_volatility(stated: "RiskGroup", fixed: "RiskGroup", ranges: "RangeParameters") -> None:
    """A volatility moves by the weight of the observed one, and its range never falls below the genesis' own."""
    volatility, shift = stated.volatility_ppm, stated.volatility_range_ppm
    weight = ranges.volatility_weight_ppm
    lowest = max(fixed.volatility_ppm * (PPM - weight) // PPM, 1)
    if volatility < lowest or (not weight and volatility != lowest):
        raise VerificationFailed(
            ProofCode.RULES_DIFFER, f"volatility of {fixed.name}", stated=volatility, lowest=lowest
        )
    lowest = fixed.volatility_range_ppm
    if shift < lowest or (not ranges.volatility_multiple_ppm and shift != lowest):
        raise VerificationFailed(
            ProofCode.RULES_DIFFER, f"volatility range of {fixed.name}", stated=shift, lowest=lowest
        )


def _check_joint(stated: "JointCredit", fixed: "JointCredit", ranges: "RangeParameters") -> None:
    """Joint scenarios of history: how many there may be, and how many of the worst are averaged, is the genesis'."""
    total = sum(scenario.count for scenario in stated.scenarios)
    tail = ranges.joint_tail(total)
    kept = ranges.joint_scenarios + 1  # and one more, in which the mild ones are counted
    known = ranges.joint_scenarios and ranges.window_min <= total <= ranges.window and len(stated.scenarios) <= kept
    if not known or (stated.tail, stated.tail_part_ppm) != tail:
        raise VerificationFailed(
            ProofCode.RULES_DIFFER, "joint scenarios", stated=len(stated.scenarios), tail=stated.tail
        )
    moved = msgspec.structs.replace(
        stated, scenarios=fixed.scenarios, tail=fixed.tail, tail_part_ppm=fixed.tail_part_ppm
    )
    _same("credit", moved, fixed)


def _check_history(stated: "HistoricalRequirement", fixed: "HistoricalRequirement", ranges: "RangeParameters") -> None:
    """Moves of history: how many there may be, and how many of the worst are averaged, is the genesis'."""
    total = sum(scenario.count for scenario in stated.scenarios)
    kept = ranges.historical_scenarios + 1  # and one more, in which the mild ones are counted
    known = (
        ranges.historical_scenarios and ranges.window_min <= total <= ranges.window and len(stated.scenarios) <= kept
    )
    if not known or (stated.tail, stated.tail_part_ppm) != ranges.joint_tail(total):
        raise VerificationFailed(
            ProofCode.RULES_DIFFER, "moves of history", stated=len(stated.scenarios), tail=stated.tail
        )
    moved = msgspec.structs.replace(
        stated, scenarios=fixed.scenarios, tail=fixed.tail, tail_part_ppm=fixed.tail_part_ppm
    )
    _same("history", moved, fixed)


def _same_over_time(group: "RiskGroup") -> "RiskGroup":
    """A risk group without what the market moves."""
    return msgspec.structs.replace(group, range_ppm=0, volatility_ppm=0, volatility_range_ppm=0)
