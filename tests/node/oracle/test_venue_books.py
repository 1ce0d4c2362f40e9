"""Books follow their venue's sequence rules: every lost update is found, and what is not lost leaves the true book."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.errors import RemoteFault
from node.config_oracle import SourceConfig
from node.oracle.events import BookLost, Event, HttpAnswer, PriceRead, SnapshotWanted, StreamParser
from node.oracle.readings import E18, exact_e18, of_book, scaled_e18
from node.oracle.source import OracleCode
from node.oracle.venues.binance import WAITING_LEVELS_MAX, BinanceStream
from node.oracle.venues.order_book import LEVELS_MAX, SORTED_ANEW, OrderBook
from node.oracle.venues.parsers import stream_parser
from tests.kit.oracle.venue_writers import WRITERS
from tests.kit.refusals import refused

START = 1_700_000_000_000
MOVES = st.lists(st.integers(1_000, 1_100), min_size=1, max_size=12)


def parser_of(venue: str) -> StreamParser:
    url, rest = "wss://venue", "https://venue"
    return stream_parser(
        SourceConfig(feed="F", name="s", venue=venue, market="M", url=url, rest_url=rest, price="book")  # type: ignore[arg-type]
    )


def read(writer: Any, events: tuple[Event, ...], parser: StreamParser) -> list[Event]:
    """The events, with every snapshot that is asked for answered at once."""
    found: list[Event] = []
    for event in events:
        found.append(event)
        if isinstance(event, SnapshotWanted):
            found += read(writer, parser.snapshot(HttpAnswer(200, writer.snapshot().encode())), parser)
    return found


def feed(venue: str, moves: list[int], lost: set[int]) -> tuple[list[Event], list[Event]]:
    """All events of a stream that loses some messages, and those of the last message."""
    parser, writer = parser_of(venue), WRITERS[venue]("M")
    parser.opening()
    writer.move(990, 995, START)
    found: list[Event] = []
    last: list[Event] = []
    for frame in writer.first():
        found += read(writer, parser.receive(frame.encode()), parser)
    for number, bid in enumerate(moves):
        frame = writer.move(bid, bid + 2, START + number)
        if number not in lost:
            last = read(writer, parser.receive(frame.encode()), parser)
            found += last
    return found, last


@pytest.mark.parametrize("venue", sorted(WRITERS))
@given(moves=MOVES)
def test_a_whole_stream_ends_at_the_last_prices(venue: str, moves: list[int]) -> None:
    found, last = feed(venue, moves, set())
    assert not any(isinstance(event, BookLost) for event in found)
    (price,) = [event for event in last if isinstance(event, PriceRead)]
    bid = moves[-1] * E18 // 100
    assert (price.reading.bid_e18, price.reading.ask_e18) == (bid, bid + 2 * E18 // 100)


@pytest.mark.parametrize("venue", sorted(set(WRITERS) - {"coinbase"}))
@given(moves=st.lists(st.integers(1_000, 1_100), min_size=3, max_size=12, unique=True), data=st.data())
def test_a_lost_update_is_found_with_the_next_one(venue: str, moves: list[int], data: st.DataObject) -> None:
    lost = data.draw(st.integers(1, len(moves) - 2))
    found, _ = feed(venue, moves, {lost})
    if venue == "kraken" and not any(isinstance(event, BookLost) for event in found):
        # Only what is left in the ten best levels has a checksum: the next update removed every trace.
        (price,) = [event for event in found if isinstance(event, PriceRead)][-1:]
        assert price.reading.bid_e18 == moves[-1] * E18 // 100
        return
    assert sum(isinstance(event, BookLost) for event in found) == 1


def depth(begin: int, end: int, before: int | None = None) -> bytes:
    pu = "" if before is None else f',"pu":{before}'
    return (
        f'{{"e":"depthUpdate","E":{START},"s":"M","U":{begin},"u":{end}{pu},"b":[["10","{end}"]],"a":[["11","1"]]}}'
    ).encode()


def snapshot(last: int) -> HttpAnswer:
    return HttpAnswer(200, f'{{"lastUpdateId":{last},"bids":[["9","1"]],"asks":[["12","1"]]}}'.encode())


@pytest.mark.parametrize(
    ("futures", "last", "events", "bid"),
    [
        # Spot: the first event contains last + 1.
        (False, 100, [(99, 101, None)], 10),
        (False, 100, [(101, 103, None)], 10),
        (False, 100, [(90, 95, None), (96, 101, None)], 10),
        (False, 100, [(90, 95, None), (96, 100, None)], 9),
        # Futures: the first event contains last.
        (True, 100, [(99, 101, 98)], 10),
        (True, 100, [(90, 99, 80), (100, 104, 99), (107, 110, 104)], 10),
        (True, 100, [(95, 100, 94)], 10),
        (True, 100, [(95, 100, 94), (101, 105, 100)], 10),
    ],
)
def test_binance_events_that_came_before_the_snapshot_are_joined_to_it(
    futures: bool, last: int, events: list[tuple[int, int, int | None]], bid: int
) -> None:
    parser = BinanceStream("M", "book", futures=futures)
    assert parser.receive(depth(*events[0]))
    for event in events[1:]:
        assert parser.receive(depth(*event)) == ()
    (price,) = parser.snapshot(snapshot(last))
    assert isinstance(price, PriceRead)
    assert price.reading.bid_e18 == bid * E18


def test_binance_snapshot_that_is_older_than_the_first_event_is_asked_for_again() -> None:
    parser = BinanceStream("M", "book", futures=False)
    (wanted,) = parser.receive(depth(200, 205))
    assert parser.snapshot(snapshot(150)) == (wanted,)
    assert isinstance(parser.snapshot(snapshot(205))[0], PriceRead)


def test_binance_first_event_after_the_snapshot_must_follow_it() -> None:
    parser = BinanceStream("M", "book", futures=False)
    parser.receive(depth(90, 95))
    parser.snapshot(snapshot(100))
    lost, wanted = parser.receive(depth(102, 104))
    assert isinstance(lost, BookLost)
    assert isinstance(wanted, SnapshotWanted)


def test_binance_waits_for_a_snapshot_for_so_many_events_and_no_longer() -> None:
    parser = BinanceStream("M", "book", futures=False)
    with refused(OracleCode.VENUE_MALFORMED):
        for number in range(1, 2_000):
            parser.receive(depth(number, number))


LEVEL = st.tuples(
    st.integers(1, 40).map(lambda n: Decimal(n) / 4),
    st.integers(0, 3).map(Decimal),
)


@given(st.lists(st.tuples(st.booleans(), LEVEL), max_size=60), st.integers(1, 5))
def test_a_book_is_what_a_table_of_its_levels_is(updates: list[tuple[bool, Any]], depth_kept: int) -> None:
    book = OrderBook("test")
    table: dict[bool, dict[Decimal, Decimal]] = {True: {}, False: {}}
    for is_bid, (price, size) in updates:
        book.update(*(([(price, size)], []) if is_bid else ([], [(price, size)])))
        table[is_bid].pop(price, None)
        if size:
            table[is_bid][price] = size
    bids, asks = sorted(table[True].items(), reverse=True), sorted(table[False].items())
    assert book.best(100) == (bids, asks)
    book.cut(depth_kept)
    assert book.best(100) == (bids[:depth_kept], asks[:depth_kept])
    best = [int(side[0][0] * 4) * E18 // 4 if side else 0 for side in (bids, asks)]
    assert book.reading(5) == of_book(*best, 5)


@given(st.lists(st.lists(LEVEL, max_size=20), max_size=3), st.lists(LEVEL, max_size=5))
def test_a_long_update_leaves_what_its_levels_one_by_one_leave(parts: list[list[Any]], before: list[Any]) -> None:
    levels = [level for part in parts for level in part * SORTED_ANEW]
    whole, single = OrderBook("test"), OrderBook("test")
    for book in (whole, single):
        book.update(before, before)
    whole.update(levels, levels)
    for level in levels:
        single.update([level], [level])
    assert whole.best(100) == single.best(100)
    assert whole.reading(1) == single.reading(1)


def test_an_update_longer_than_a_side_is_refused() -> None:
    book = OrderBook("test")
    with refused(OracleCode.VENUE_MALFORMED):
        book.update([(Decimal(1), Decimal(1))] * (LEVELS_MAX + 1), [])


@pytest.mark.parametrize("level", [("0", "1"), ("-1", "1"), ("1", "-1"), ("NaN", "1"), ("1", "Infinity")])
def test_a_level_that_cannot_be_is_refused(level: tuple[str, str]) -> None:
    with refused(OracleCode.VENUE_MALFORMED):
        OrderBook("test").update([(Decimal(level[0]), Decimal(level[1]))], [])


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_a_number_is_read_exactly_or_refused(number: Decimal) -> None:
    try:
        value = exact_e18(number, "test")
    except RemoteFault as fault:
        assert fault.code is OracleCode.VENUE_MALFORMED
        return
    assert Fraction(value, E18) == Fraction(number)


@pytest.mark.parametrize("text", ["1e999999999999", "1e-999999999999", "1" * 10_000, "0." + "1" * 100, "1e25"])
def test_a_number_that_is_too_long_costs_nothing_and_is_refused(text: str) -> None:
    with refused(OracleCode.VENUE_MALFORMED):
        exact_e18(Decimal(text), "test")


@given(st.integers(-(10**30), 10**30), st.integers(0, 40))
def test_a_scaled_integer_is_rounded_down(value: int, decimals: int) -> None:
    exact = Fraction(value * E18, 10**decimals)
    assert scaled_e18(value, decimals) == exact.__floor__()


def test_binance_keeps_no_more_levels_than_a_book_has_while_it_waits_for_its_snapshot() -> None:
    parser = BinanceStream("M", "book", futures=False)
    parser.opening()
    levels = [[1, 1]] * 60_000
    event = {"e": "depthUpdate", "s": "M", "E": 1_700_000_000_000, "U": 9, "u": 9, "b": levels, "a": []}
    frame = msgspec.json.encode(event)
    for _ in range(WAITING_LEVELS_MAX // len(levels)):
        parser.receive(frame)
        # It is older than what waits, so that it is asked for again.
        parser.snapshot(HttpAnswer(200, b'{"lastUpdateId":1,"bids":[],"asks":[]}'))
    with pytest.raises(RemoteFault, match="no snapshot came"):
        parser.receive(frame)
