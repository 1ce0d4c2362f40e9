"""The guard of option quotes: each rule leaves out a quote under its reason, or refuses the source by its code."""

from dataclasses import replace
from typing import Any

import pytest

from clearing.base.errors import RemoteFault
from clearing.base.units import DAY_MS
from node.oracle.option_quotes import OptionChain
from node.oracle.source import OracleCode
from node.oracle.surfaces.chain_guard import EXPIRIES_MAX, QUOTES_MAX, TENOR_MS_MIN, CleanChain, clean
from node.oracle.surfaces.comparison import ChainComparison
from tests.kit.oracle.option_venue import NOW_MS, Expiry, OptionMarket, Rows, cell, surface_config

CONFIG = surface_config()
FEED = 50_000.0


def judged(chain: OptionChain, now_ms: int = NOW_MS, feed: float | None = FEED, **settings: Any) -> CleanChain:
    found = clean(chain, NOW_MS, feed, surface_config(**settings), now_ms)
    assert isinstance(found, CleanChain), found
    return found


def refusal(chain: OptionChain, now_ms: int = NOW_MS, feed: float | None = FEED, **settings: Any) -> OracleCode:
    found = clean(chain, NOW_MS, feed, surface_config(**settings), now_ms)
    assert not isinstance(found, CleanChain)
    return found.code


def changed(chain: OptionChain, at: int, **fields: Any) -> OptionChain:
    """With the quote at this place changed; 20 is an option out of the money."""
    options = list(chain.options)
    options[at] = replace(options[at], **fields)
    return replace(chain, options=tuple(options))


GOOD = OptionMarket().chain()
OUT = next(
    at for at, quote in enumerate(GOOD.options) if quote.is_call and quote.strike > 52_000 and quote.bid is not None
)


def test_every_option_out_of_the_money_of_a_good_chain_is_used() -> None:
    found = judged(GOOD)
    assert len(found.expiries) == 5
    assert set(found.left_out) == {"in the money"}
    assert found.used + found.left_out.total() == len(GOOD.options)
    assert found.used >= 5 * 15


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"bid": 0.05, "ask": 0.04}, "crossed"),
        ({"bid": 0.05, "ask": 0.05}, "crossed"),
        ({"bid_volatility": 0.6, "ask_volatility": 0.5}, "crossed"),
        ({"bid": -0.01}, "negative"),
        ({"ask_volatility": -0.5}, "negative"),
        ({"mark_volatility": -0.5}, "negative"),
        ({"mark_volatility": None}, "empty"),
        ({"mark_volatility": 0.0}, "empty"),
        ({"mark_volatility": 0.005, "bid": None}, "absurd"),
        ({"mark_volatility": 0.005}, "absurd"),
        ({"mark_volatility": 6.0}, "absurd"),
        ({"strike": 0.0}, "absurd"),
        ({"strike": 1e15}, "far"),
        ({"bid_volatility": 0.2, "ask_volatility": 0.9}, "wide"),
        ({"ask": 0.9}, "wide"),
    ],
)
def test_a_quote_that_cannot_be_fitted_is_left_out_under_its_reason(fields: dict[str, Any], reason: str) -> None:
    found = judged(changed(GOOD, OUT, **fields))
    assert found.left_out[reason] == 1
    assert found.used == judged(GOOD).used - 1


def test_a_bid_of_zero_is_no_volatility_of_zero() -> None:
    """As in the recorded ticker: the bid is below the intrinsic value, so its volatility is stated as 0."""
    found = judged(changed(GOOD, OUT, bid_volatility=0.0, ask_volatility=8.6338, bid=None, ask=None))
    assert found.used == judged(GOOD).used


def test_expiries_that_are_near_or_too_many_are_left_out() -> None:
    last = GOOD.options[0].expiry_ms - TENOR_MS_MIN
    for now_ms, count in ((last, 5), (last + 1, 4)):
        found = clean(replace(GOOD, time_ms=now_ms), now_ms, FEED, CONFIG, now_ms)
        assert isinstance(found, CleanChain)
        assert len(found.expiries) == count
    many = OptionMarket(expiries=[Expiry(2 + at, 1.0, 0.6, -0.1, 0.5, strikes=3) for at in range(EXPIRIES_MAX + 4)])
    found = judged(many.chain())
    assert len(found.expiries) == EXPIRIES_MAX
    assert found.left_out["expiry"] == 4 * 6


def test_a_chain_that_is_old_or_ahead_is_refused() -> None:
    assert refusal(GOOD, NOW_MS + 20_001) is OracleCode.SOURCE_STALE
    judged(GOOD, NOW_MS + 20_000)
    assert refusal(replace(GOOD, time_ms=NOW_MS + 2_001)) is OracleCode.CLOCK_SKEWED
    judged(replace(GOOD, time_ms=NOW_MS + 2_000))


def test_without_any_index_there_is_no_surface() -> None:
    nowhere = replace(GOOD, index=None)
    assert refusal(nowhere, feed=None) is OracleCode.INDEX_MISSING
    assert judged(nowhere).expiries[2].forward_ratio == pytest.approx(1.005, abs=1e-4)
    assert judged(GOOD, feed=None).expiries[2].forward_ratio == pytest.approx(1.005, abs=1e-4)


def test_an_index_or_forwards_far_from_the_feed_are_refused() -> None:
    assert refusal(GOOD, feed=60_000.0) is OracleCode.FORWARD_FAR
    far = OptionMarket(expiries=[Expiry(30, 1.2, 0.6, -0.1, 0.5)])
    assert refusal(far.chain()) is OracleCode.FORWARD_FAR
    one = OptionMarket(expiries=[Expiry(9, 1.0, 0.6, -0.1, 0.5), Expiry(30, 0.8, 0.6, -0.1, 0.5)])
    assert [each.expiry_ms for each in judged(one.chain()).expiries] == [one.chain().options[0].expiry_ms]


def test_too_few_quotes_are_refused() -> None:
    few = OptionMarket(expiries=[Expiry(30, 1.0, 0.6, -0.1, 0.5, strikes=4)])
    assert refusal(few.chain()) is OracleCode.QUOTES_TOO_FEW
    judged(few.chain(), quotes_min=4)


def test_a_chain_with_more_broken_quotes_than_good_ones_is_refused() -> None:
    broken = replace(GOOD, options=tuple(replace(each, mark_volatility=-1.0) for each in GOOD.options))
    assert refusal(broken) is OracleCode.QUOTES_BROKEN
    some = tuple(replace(each, bid=each.ask) if at % 5 == 0 else each for at, each in enumerate(GOOD.options))
    judged(replace(GOOD, options=some))


def test_an_expiry_has_so_many_quotes_at_most_and_the_nearest_to_the_money() -> None:
    chain = OptionMarket(expiries=[Expiry(30, 1.0, 0.6, -0.1, 0.5, strikes=61)]).chain()
    extra = [replace(each, strike=each.strike + shift) for shift in range(1, 9) for each in chain.options]
    found = judged(replace(chain, options=(*chain.options, *extra)))
    (only,) = found.expiries
    assert only.quotes.moneyness.size == QUOTES_MAX
    assert found.left_out["surplus"] > 100
    widest = max(abs(each) for each in judged(chain).expiries[0].quotes.moneyness)
    assert max(abs(only.quotes.moneyness)) < widest / 2


def verdicts(comparison: ChainComparison, now_ms: int, *factors: float) -> list[OracleCode | None]:
    cells = [cell(f"s{at}") for at in range(len(factors))]
    for each, factor in zip(cells, factors, strict=True):
        each.take(OptionMarket(factor=factor).chain(now_ms=now_ms), now_ms)
    return [None if each.flaw is None else each.flaw.code for each in comparison.judge(cells, FEED, now_ms)]


def test_a_source_that_lies_is_named_and_two_that_contradict_each_other_do_not_count() -> None:
    deviates = OracleCode.VOLATILITY_DEVIATES
    assert verdicts(ChainComparison(CONFIG), NOW_MS, 1.0, 1.02, 1.5) == [None, None, deviates]
    assert verdicts(ChainComparison(CONFIG), NOW_MS, 1.0, 1.5) == [deviates, deviates]
    assert verdicts(ChainComparison(CONFIG), NOW_MS, 1.0) == [None]


def test_forwards_that_differ_are_a_deviation_too() -> None:
    cells = [cell("a"), cell("b"), cell("c")]
    for each, ratio in zip(cells, (1.0, 1.001, 1.03), strict=True):
        chain = OptionMarket(expiries=[Expiry(30, ratio, 0.6, -0.1, 0.5)]).chain()
        each.take(chain, NOW_MS)
    found = [each.flaw for each in ChainComparison(CONFIG).judge(cells, FEED, NOW_MS)]
    assert [flaw is None for flaw in found] == [True, True, False]


def test_a_jump_counts_when_another_source_makes_it_or_after_a_while() -> None:
    comparison = ChainComparison(CONFIG)
    jumped = OracleCode.VOLATILITY_JUMPED
    assert verdicts(comparison, NOW_MS, 1.0) == [None]
    assert verdicts(comparison, NOW_MS + 1_000, 1.4) == [jumped]
    assert verdicts(comparison, NOW_MS + 2_000, 1.4, 1.4) == [None, None]
    assert verdicts(comparison, NOW_MS + 3_000, 2.2) == [jumped]
    assert verdicts(comparison, NOW_MS + 2_000 + CONFIG.jump_ms + 1, 2.2) == [None]


def test_a_clock_that_is_set_back_makes_no_jump() -> None:
    comparison = ChainComparison(CONFIG)
    assert verdicts(comparison, NOW_MS, 1.0) == [None]
    assert verdicts(comparison, NOW_MS - DAY_MS // 4, 2.0) == [None]


def test_a_source_that_failed_counts_until_its_quotes_are_old() -> None:
    source, comparison = cell(), ChainComparison(CONFIG)
    (silent,) = comparison.judge([source], FEED, NOW_MS)
    assert silent.flaw is not None
    assert silent.flaw.code is OracleCode.SOURCE_SILENT
    source.take(GOOD, NOW_MS)
    source.failed(RemoteFault(OracleCode.VENUE_UNREACHABLE, "x", why="slow"))
    assert comparison.judge([source], FEED, NOW_MS + 20_000)[0].flaw is None
    (old,) = comparison.judge([source], FEED, NOW_MS + 20_001)
    assert old.flaw is not None
    assert (old.flaw.code, old.age_ms) == (OracleCode.SOURCE_STALE, 20_001)
    assert "slow" in old.flaw.why


def test_what_a_venue_distorts_in_a_few_rows_does_not_refuse_the_rest() -> None:
    def distort(_: int, rows: Rows) -> Rows:
        wrong = {"mark_iv": 4_900.0}
        return [{**row, **wrong} if at % 7 == 0 and "mark_iv" in row else row for at, row in enumerate(rows)]

    found = judged(OptionMarket(distort=distort).chain())
    assert found.left_out["absurd"] > 3
    assert len(found.expiries) == 5
