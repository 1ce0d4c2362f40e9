"""Whatever a venue sends, its parser says what it means or refuses it by a code of the oracle. It never fails."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.errors import LocalFault, RemoteFault
from node.config_oracle import SourceConfig
from node.oracle.events import HttpAnswer, PriceRead
from node.oracle.readings import Reading
from node.oracle.source import OracleCode
from node.oracle.venues.parsers import ANSWERS, STREAMS, answer_parser, stream_parser
from node.oracle.venues.wire import FRAME_BYTES_MAX, moment, rfc3339
from tests.kit.oracle.samples import samples
from tests.kit.refusals import refused

KINDS = [(venue, kind) for venue, (kinds, _) in sorted(STREAMS.items()) for kind in sorted(kinds)]
QUESTIONS = [(venue, kind) for venue, (kinds, _) in sorted(ANSWERS.items()) for kind in sorted(kinds)]
FILES = {"coinbase": "coinbase_exchange", "binance-futures": "binance"}
HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
BROKEN = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"0",
    b"\xff\xfe",
    b"{}}",
    b"[" * 5_000,
    b'{"a":' * 5_000,
    HTML,
    b'{"code":"0","data":[{"ts":"1","ts":"2"}]}',
]


def source(venue: str, kind: str, scheme: str = "wss", market: str = "BTC-USDT") -> SourceConfig:
    settings: dict[str, Any] = {"feed": "F", "name": "s", "venue": venue, "market": market, "price": kind}
    return SourceConfig(**settings, url=f"{scheme}://venue", rest_url="https://venue")


def markets(venue: str, folder: Path) -> list[str]:
    found = samples(folder, FILES.get(venue, venue)).values()
    keys = {"s", "symbol", "product_id", "instId", "instrument_name", "index_name", "coin"}
    return sorted({text for sample in found for text in _texts(sample.message, keys)} | {"BTC-USDT"})


def _texts(value: Any, keys: set[str]) -> list[str]:
    if isinstance(value, dict):
        own = [text for key, text in value.items() if key in keys and isinstance(text, str)]
        return own + [text for each in value.values() for text in _texts(each, keys)]
    return [text for each in value for text in _texts(each, keys)] if isinstance(value, list) else []


def check(read: Any, data: Any) -> None:
    try:
        events = read(data)
    except RemoteFault as fault:
        assert isinstance(fault.code, OracleCode)
        assert len(str(fault)) < 1_000
        return
    for event in events:
        if isinstance(event, PriceRead):
            assert isinstance(event.reading, Reading)
            assert isinstance(event.reading.price_e18, int)


@pytest.mark.parametrize(("venue", "kind"), KINDS)
@given(frame=st.binary(max_size=200) | st.sampled_from(BROKEN) | st.text(max_size=80).map(str.encode))
def test_any_frame_is_read_or_refused(venue: str, kind: str, frame: bytes) -> None:
    check(stream_parser(source(venue, kind)).receive, frame)


@pytest.mark.parametrize(("venue", "kind"), QUESTIONS)
@given(body=st.binary(max_size=200) | st.sampled_from(BROKEN), status=st.integers(100, 599), retry=st.text(max_size=12))
def test_any_answer_is_read_or_refused(venue: str, kind: str, body: bytes, status: int, retry: str) -> None:
    check(answer_parser(source(venue, kind, "https")).read, HttpAnswer(status, body, retry))


@pytest.mark.parametrize(("venue", "kind"), KINDS)
def test_every_truncation_and_every_changed_value_of_a_sample_is_read_or_refused(
    venue: str, kind: str, vectors_dir: Path
) -> None:
    """Truncated at every byte; and with each value replaced by one of another type."""
    for sample in samples(vectors_dir, FILES.get(venue, venue)).values():
        for market in markets(venue, vectors_dir)[:8]:
            parser = stream_parser(source(venue, kind, market=market))
            for end in range(0, len(sample.data), 7):
                check(parser.receive, sample.data[:end])
            for changed in _changed(json.loads(sample.data) if sample.data[:1] in b"{[" else {}):
                check(parser.receive, json.dumps(changed).encode())
                check(parser.snapshot, HttpAnswer(200, json.dumps(changed).encode()))


OTHERS: tuple[Any, ...] = (None, "", "NaN", "-1", -1, 0, 10**40, 1e308, True, [], {}, ["x"], {"a": 1}, "1e999999")


def _changed(value: Any) -> list[Any]:
    """Copies of a JSON value, each with one value inside replaced."""
    if isinstance(value, dict):
        return [value | {key: other} for key in value for other in (*OTHERS, *_changed(value[key]))]
    if isinstance(value, list):
        short = value[:3]
        return [
            [*value[:i], other, *value[i + 1 :]] for i in range(len(short)) for other in (*OTHERS, *_changed(short[i]))
        ]
    return []


@pytest.mark.parametrize(("venue", "kind"), QUESTIONS)
def test_an_html_page_a_truncated_answer_and_maintenance_are_refused_by_their_codes(venue: str, kind: str) -> None:
    read = answer_parser(source(venue, kind, "https")).read
    for status, body, code in (
        (200, HTML, OracleCode.VENUE_MALFORMED),
        (200, b'{"code":"0","data":[{"inst', OracleCode.VENUE_MALFORMED),
        (502, HTML, OracleCode.VENUE_UNREACHABLE),
        (503, b"", OracleCode.VENUE_UNREACHABLE),
        (403, HTML, OracleCode.VENUE_REFUSED),
        (302, b"", OracleCode.VENUE_REFUSED),
        (429, HTML, OracleCode.VENUE_RATE_LIMITED),
        (418, b"", OracleCode.VENUE_RATE_LIMITED),
    ):
        with refused(code):
            read(HttpAnswer(status, body))


@pytest.mark.parametrize(
    ("retry_after", "wait_ms"),
    [("7", 7_000), ("0", 1_000), ("", 30_000), ("Wed, 21 Oct 2026", 30_000), ("99999", 3_600_000), ("-3", 30_000)],
)
def test_a_limited_venue_is_waited_for_as_long_as_it_says(retry_after: str, wait_ms: int) -> None:
    with refused(OracleCode.VENUE_RATE_LIMITED) as caught:
        answer_parser(source("coinbase", "ticker", "https")).read(HttpAnswer(429, b"", retry_after))
    assert caught.value.values["retry_after_ms"] == wait_ms


@pytest.mark.parametrize(("venue", "kind"), KINDS)
def test_a_frame_beyond_the_limit_is_refused(venue: str, kind: str) -> None:
    parser = stream_parser(source(venue, kind))
    assert parser.frame_bytes_max >= FRAME_BYTES_MAX
    with refused(OracleCode.VENUE_MALFORMED) as caught:
        parser.receive(b" " * (parser.frame_bytes_max + 1))
    assert caught.value.values["limit"] == parser.frame_bytes_max


@pytest.mark.parametrize(
    ("venue", "kind", "scheme"),
    [
        ("coinbase", "index", "wss"),
        ("kraken", "mark", "wss"),
        ("coinbase", "book", "https"),
        ("binance", "mark", "wss"),
    ],
)
def test_a_price_that_the_venue_does_not_have_is_refused_at_the_start(venue: str, kind: str, scheme: str) -> None:
    make = stream_parser if scheme == "wss" else answer_parser
    with refused(OracleCode.PRICE_SOURCE_UNUSABLE, LocalFault):
        make(source(venue, kind, scheme))


def test_books_of_binance_without_an_address_for_snapshots_are_refused_at_the_start() -> None:
    given = SourceConfig(feed="F", name="s", venue="binance", market="BTCUSDT", price="book", url="wss://venue")
    with refused(OracleCode.PRICE_SOURCE_UNUSABLE, LocalFault):
        stream_parser(given)


@pytest.mark.parametrize("text", ["", "2023-10-06", "2023-10-06T17:35:55", "yesterday", "0001-01-01T00:00:00Z", "1e5"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with refused(OracleCode.VENUE_MALFORMED):
        rfc3339(text, "test")


@pytest.mark.parametrize("number", [0, -1, 2**53 + 1, "", "-1", "1.5", "١", "9" * 17])
def test_milliseconds_that_are_none_are_refused(number: int | str) -> None:
    with refused(OracleCode.VENUE_MALFORMED):
        moment(number, "test")
