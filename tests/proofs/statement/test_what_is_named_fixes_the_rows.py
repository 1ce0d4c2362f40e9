"""With a genesis, a rulebook that passes differs from another that passes in nothing but what `attested` names.

A sweep: each value of a rulebook in turn is another one, and slots and rows are those that it then makes, as a quorum
that lies would certify them.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
import pytest

from clearing.base.errors import Bug, CrossclearError
from clearing.margin.statement.rulebook import Rulebook, read_rulebook
from clearing.margin.statement.snapshot import RiskStatement
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.assets import Feed
from clearing.schema.terms.collateral import HaircutTerms
from clearing.schema.terms.genesis import Genesis
from proofs.errors import VerificationFailed
from proofs.statement import rulebook_checks
from proofs.statement.rulebook_checks import check_rulebook
from proofs.verify import attestations
from tests.kit.clearing.genesis import make_genesis
from tests.kit.proofs import inside_market, live_market
from tests.kit.proofs.write_vectors import EVERY_CHARGE

replace = msgspec.structs.replace
AHEAD_MS = 10**12
DYNAMIC = HaircutTerms(range_share_ppm=500_000, step_ppm=1000)
MOVING = RangeParameters(
    interval_ms=3_600_000, volatility_weight_ppm=300_000, joint_scenarios=16, window_min=2, window=2000
)


def charged(book: Rulebook) -> Rulebook:
    """With every charge on what the first group nets to, and haircuts that may move."""
    first, *others = book.parameters.groups
    groups = (replace(first, charges=EVERY_CHARGE), *others)
    tokens = tuple(replace(token, haircut=DYNAMIC) for token in book.tokens)
    return replace(book, parameters=replace(book.parameters, groups=groups), tokens=tokens)


def genesis_of(book: Rulebook) -> Genesis:
    """As it was before validators agreed on a surface; ranges, haircuts and volatilities may move."""
    first, *others = book.parameters.groups
    if first.curve:
        voted = live_market.PARAMETERS.groups[0]
        first = replace(first, curve=(), surface=voted.surface, volatility_ppm=voted.volatility_ppm)
    return replace(
        make_genesis(),
        time_ms=book.time_ms - 86_400_000,
        feeds=tuple(Feed(feed.feed, feed.name) for feed in book.feeds),
        cash_groups=book.cash_groups,
        assets=tuple(replace(token, rate_ticks=0) for token in book.tokens),
        instruments=book.instruments,
        risk=replace(book.parameters, groups=(first, *others)),
        ranges=MOVING,
        surfaces=(live_market.SURFACE,),
    )


BOOKS = {
    "surface, average and net charges": (charged(live_market.AVERAGING), live_market.snapshot_of),
    "collateral inside and net charges": (charged(inside_market.RULEBOOK), inside_market.snapshot_inside),
}


def stated(base: RiskStatement, data: bytes) -> tuple[RiskStatement, Rulebook]:
    """The statement of a rulebook's bytes. Raises what no network lets pass."""
    book = read_rulebook(data, len(base.slots) + 2)
    slots, rows = book.slots_and_rows()
    made = {"slots": slots, "rows": rows, "prices": book.prices, "assumptions": book.assumptions, "rules": data}
    groups = tuple(group.name for group in book.parameters.groups)
    return replace(base, groups=groups, scenarios=book.parameters.width, **made), book


def words(book: Rulebook) -> tuple[Any, ...]:
    return tuple(attestations._named_apart(attestations._of_rulebook(book)))


def others_of(value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if isinstance(value, str):
        return [value + "x"]
    return [(int.from_bytes(value, "big") + 1).to_bytes(len(value), "big")]


def places(tree: list[Any]) -> Iterator[tuple[list[Any], int]]:
    for index, value in enumerate(tree):
        if isinstance(value, list):
            yield from places(value)
        else:
            yield tree, index


def swept(name: str) -> tuple[int, int]:
    """(accepted, accepted though nothing that is named differs)."""
    book, snapshot_of = BOOKS[name]
    base, genesis = snapshot_of(book).statement, genesis_of(book)
    check = partial(check_rulebook, genesis=genesis, certified_ms=book.time_ms + AHEAD_MS, network=base.network)
    check(base)
    tree, known = msgspec.msgpack.decode(msgspec.msgpack.encode(book)), words(book)
    accepted = unnamed = 0
    for record, index in places(tree):
        honest = record[index]
        for record[index] in others_of(honest):
            try:
                statement, other = stated(base, msgspec.msgpack.encode(tree))
                check(statement)
            except (CrossclearError, Bug, VerificationFailed, ValueError, ArithmeticError, OverflowError, KeyError):
                continue
            accepted += 1
            unnamed += words(other) == known
        record[index] = honest
    return accepted, unnamed


@pytest.mark.parametrize("name", BOOKS)
def test_whatever_of_a_rulebook_a_quorum_moves_is_named(name):
    accepted, unnamed = swept(name)
    assert accepted > 20
    assert unnamed == 0


@pytest.mark.parametrize(
    ("name", "left_out"),
    [("surface, average and net charges", "wing_ppm"), ("collateral inside and net charges", "haircut_ppm")],
)
def test_the_sweep_finds_a_value_that_is_not_named(monkeypatch, name, left_out):
    whole = attestations._of_rulebook
    monkeypatch.setattr(
        attestations, "_of_rulebook", lambda book: (each for each in whole(book) if not each[0].startswith(left_out))
    )
    assert swept(name)[1] > 0


def test_the_sweep_finds_parameters_that_are_not_compared(monkeypatch):
    monkeypatch.setattr(rulebook_checks, "_same_parameters", lambda *_: None)
    assert swept("collateral inside and net charges")[1] > 0
