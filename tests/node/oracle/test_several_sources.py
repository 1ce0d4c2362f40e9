"""Feeds of several sources: their quotes in ticks, feeds priced in others, what is refused, and what operators see."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.errors import LocalFault, RemoteFault
from node.config_oracle import FeedConfig, SourceConfig
from node.oracle.events import BookLost, MarketHalted, MarketOpened, PriceRead
from node.oracle.generated import WAVES, GeneratedSource
from node.oracle.readings import E18, PPM, Reading, of_book
from node.oracle.several_sources import SeveralSources
from node.oracle.source import OracleCode, Quote
from node.oracle.source_cell import SourceCell
from tests.kit.refusals import refused

NOW = 1_700_000_000_000


def cell(feed: str, name: str, times: str = "", **settings: Any) -> SourceCell:
    return SourceCell(
        SourceConfig(feed=feed, name=name, venue="kraken", market="M", url="wss://venue", times=times, **settings)
    )


def says(source: SourceCell, price: int, half_width: int = 0, at_ms: int = NOW) -> None:
    source.take([PriceRead(Reading(price, half_width))], at_ms)


BTC = FeedConfig(name="BTC", feed=1, ticks_per_unit=100, quorum=2)
USDT = FeedConfig(name="USDT", quorum=1)


def test_a_quote_is_in_ticks_with_its_confidence_rounded_up() -> None:
    cells = [cell("BTC", "a"), cell("BTC", "b")]
    several = SeveralSources([BTC], cells)
    says(cells[0], 50_000 * E18 + E18 // 1_000)
    says(cells[1], 50_000 * E18 + 9 * E18 // 1_000)
    assert several.read(NOW) == (Quote(1, 5_000_001, 1, 2),)


def test_a_source_in_another_currency_is_multiplied_by_its_feed() -> None:
    cells = [cell("BTC", "usd"), cell("BTC", "usdt", "USDT"), cell("USDT", "a")]
    several = SeveralSources([BTC, USDT], cells)
    says(cells[0], 50_000 * E18)
    says(cells[1], 50_000 * E18, 10 * E18)
    says(cells[2], 998 * E18 // 1_000, E18 // 1_000)
    (quote,) = several.read(NOW)
    assert quote == Quote(1, 4_995_000, max(5_000, (998 * 1_000 + 5_000_000) // 100 // 100), 2)
    btc = several.standings[0].judgement.verdicts[1]
    assert (btc.price_e18, btc.half_width_e18) == (49_900 * E18, (998 * 10 * E18 // 1_000 + 50 * E18))


def test_a_source_whose_currency_has_no_value_does_not_count() -> None:
    cells = [cell("BTC", "usd"), cell("BTC", "usdt", "USDT"), cell("USDT", "a")]
    several = SeveralSources([BTC, USDT], cells)
    for each in cells[:2]:
        says(each, 50_000 * E18)
    assert several.read(NOW) == ()
    assert [standing.ok for standing in several.standings] == [False, False]
    detail = several.standings[0].detail
    assert detail.startswith("1 of 2 sources usable, 2 needed; R0989 no price is reported; usdt R0989")


@pytest.mark.parametrize(
    ("feeds", "cells", "why"),
    [
        ([BTC, BTC], [cell("BTC", "a"), cell("BTC", "b")], "one name or one number"),
        ([BTC, FeedConfig(name="X", feed=1, quorum=1)], [], "one name or one number"),
        ([BTC], [cell("BTC", "a"), cell("BTC", "a")], "two sources"),
        ([BTC], [cell("BTC", "a"), cell("ETH", "b")], "no feed is named ETH"),
        ([BTC], [cell("BTC", "a"), cell("BTC", "b", "USDT")], "no feed is named USDT"),
        ([BTC], [cell("BTC", "a")], "BTC has 1 sources and needs 2"),
        ([USDT, FeedConfig(name="X", quorum=1)], [cell("USDT", "a", "X"), cell("X", "a", "USDT")], "in each other"),
    ],
)
def test_feeds_that_cannot_have_values_are_refused(feeds: list[FeedConfig], cells: list[SourceCell], why: str) -> None:
    with refused(OracleCode.PRICE_SOURCE_UNUSABLE, LocalFault) as caught:
        SeveralSources(feeds, cells)
    assert why in str(caught.value)


def test_a_halted_market_counts_again_when_it_opens() -> None:
    one = cell("USDT", "a")
    several = SeveralSources([USDT], [one])
    says(one, E18)
    one.take([MarketHalted("cancel_only")], NOW)
    says(one, E18)
    several.read(NOW)
    assert "a R0988 market_halted (cancel_only)" in several.standings[0].detail
    one.take([MarketOpened()], NOW)
    several.read(NOW)
    assert several.standings[0].ok


def test_a_lost_book_has_no_price_until_it_is_read_again() -> None:
    one = cell("USDT", "a")
    several = SeveralSources([USDT], [one])
    one.take([PriceRead(of_book(E18, E18 + 1, NOW)), BookLost("gap")], NOW)
    several.read(NOW)
    assert "R0994 book_broken (gap)" in several.standings[0].detail
    says(one, E18)
    several.read(NOW)
    assert several.standings[0].ok
    assert one.faults == {OracleCode.BOOK_BROKEN: 1}


def test_a_broken_stream_loses_its_price_and_a_failed_question_does_not() -> None:
    one = cell("USDT", "a")
    several = SeveralSources([USDT], [one])
    says(one, E18)
    one.failed(RemoteFault(OracleCode.VENUE_RATE_LIMITED, "venue"), reading_lost=False)
    several.read(NOW)
    assert several.standings[0].ok
    one.failed(RemoteFault(OracleCode.VENUE_UNREACHABLE, "venue"), reading_lost=True)
    several.read(NOW)
    assert "R0990 venue_unreachable" in several.standings[0].detail


def test_a_price_too_small_for_a_tick_is_not_reported() -> None:
    cells = [cell("BTC", "a"), cell("BTC", "b")]
    several = SeveralSources([BTC], cells)
    for each in cells:
        says(each, E18 // 1_000)
    assert several.read(NOW) == ()


@given(st.integers(0, 2**42), st.integers(0, 2**63 - 1))
def test_generated_prices_depend_on_seed_and_time_alone_and_stay_in_their_band(now_ms: int, seed: int) -> None:
    feed = FeedConfig(name="X", feed=3, generated_price=2_000)
    (quote,) = GeneratedSource([feed, USDT], seed).read(now_ms)
    assert (quote,) == GeneratedSource([feed], seed).read(now_ms)
    band = sum(amplitude for _, amplitude in WAVES)
    assert abs(quote.ticks - 200_000) <= 200_000 * band // PPM + 1
    assert quote.feed == 3


def test_generated_prices_move_and_differ_by_seed() -> None:
    feed = FeedConfig(name="X", feed=3)
    prices = {
        GeneratedSource([feed], seed).read(at)[0].ticks for seed in (1, 2) for at in range(0, 10_000_000, 100_000)
    }
    assert len(prices) > 100
