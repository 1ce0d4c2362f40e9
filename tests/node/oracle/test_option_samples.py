"""The venues' own samples of option quotes are read as the venues document them, and hostile answers are refused."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.errors import RemoteFault
from node.oracle.events import HttpAnswer
from node.oracle.option_quotes import ROWS_MAX, ChainParser, FutureQuote, OptionQuote
from node.oracle.source import OracleCode
from node.oracle.venues.deribit_options import DeribitOptions
from node.oracle.venues.okx_options import OkxOptions
from tests.kit.oracle.samples import Sample, samples
from tests.kit.refusals import refused

HTML = b"<html><head><title>502 Bad Gateway</title></head></html>"


@pytest.fixture
def of(vectors_dir: Path) -> Callable[[str, str], Sample]:
    return lambda venue, name: samples(vectors_dir, venue)[name]


Samples = Callable[[str, str], Sample]


def answered(result: Any, **more: Any) -> HttpAnswer:
    return HttpAnswer(200, json.dumps({"jsonrpc": "2.0", "id": 1, "result": result, **more}).encode())


def listed(data: Any) -> HttpAnswer:
    return HttpAnswer(200, json.dumps({"code": "0", "msg": "", "data": data}).encode())


def at_eight(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, 8, tzinfo=UTC).timestamp() * 1000)


def call(expiry_ms: int, strike: float, *quoted: Any) -> OptionQuote:
    return OptionQuote(expiry_ms, strike, True, *quoted)  # noqa: FBT003


def put(expiry_ms: int, strike: float, *quoted: Any) -> OptionQuote:
    return OptionQuote(expiry_ms, strike, False, *quoted)  # noqa: FBT003


def test_deribit_summaries(of: Samples) -> None:
    """Two options of the sample, and a future and the perpetual of the same shape."""
    rows = of("deribit", "book_summary_options").message
    parser = DeribitOptions("BTC")
    assert parser.paths == (
        "/api/v2/public/get_book_summary_by_currency?currency=BTC&kind=option",
        "/api/v2/public/get_book_summary_by_currency?currency=BTC&kind=future",
    )
    future = {
        "instrument_name": "BTC-31JAN25",
        "bid_price": 99_060.0,
        "ask_price": 99_070.0,
        "creation_timestamp": 1_737_074_222_663,
        "estimated_delivery_price": 100_143.63,
    }
    perpetual = {**future, "instrument_name": "BTC-PERPETUAL", "estimated_delivery_price": 100_143.5}
    chain = parser.read([answered(rows), answered([future, perpetual])])
    assert chain.options == (
        put(at_eight(2025, 2, 7), 106_000.0, 98_763.21, pytest.approx(0.6086), None, None, 0.101, 0.2385),
        put(at_eight(2025, 1, 31), 92_000.0, 99_067.37, pytest.approx(0.6013), None, None, 0.018, 0.019),
    )
    assert chain.futures == (FutureQuote(at_eight(2025, 1, 31), 99_060.0, 99_070.0),)
    assert (chain.index, chain.time_ms, chain.is_inverse) == (100_143.5, 1_737_074_222_663, True)
    without = parser.read([answered(rows), answered([])])
    assert (without.index, without.futures) == (100_143.63, ())


def test_deribit_volatilities_of_both_sides_and_linear_options() -> None:
    """bid_iv and ask_iv are optional fields of the summary; strikes below one have a d for the point."""
    row = {
        "instrument_name": "XRP_USDC-28MAR25-0d55-C",
        "creation_timestamp": 1_737_074_222_663,
        "mark_iv": 80,
        "bid_iv": 0,
        "ask_iv": 863.38,
        "bid_price": None,
    }
    parser = DeribitOptions("XRP_USDC")
    assert "currency=USDC&" in parser.paths[0]
    other = {**row, "instrument_name": "SOL_USDC-28MAR25-200-C"}
    chain = parser.read([answered([row, other]), answered([])])
    (quote,) = chain.options
    assert (quote.strike, quote.bid_volatility, quote.ask_volatility) == (0.55, 0.0, pytest.approx(8.6338))
    assert (quote.mark_volatility, quote.bid, chain.index, chain.is_inverse) == (0.8, None, None, False)


def test_the_test_network_of_deribit_is_refused(of: Samples) -> None:
    answer = of("deribit", "book_summary_with_optional_fields").answer()
    with refused(OracleCode.VENUE_REFUSED):
        DeribitOptions("BTC").read([answer, answer])
    message = {**of("deribit", "book_summary_with_optional_fields").message, "testnet": False}
    chain = DeribitOptions("BTC").read([HttpAnswer(200, json.dumps(message).encode()), answered([])])
    assert (chain.options[0].mark_volatility, chain.index) == (pytest.approx(0.548), None)


def test_okx_summaries(of: Samples) -> None:
    rows = of("okx", "option_summary_ws_rows").message
    parser = OkxOptions("BTC-USD")
    future = {"instType": "FUTURES", "instId": "BTC-USD-250328", "bidPx": "92140", "askPx": "92160", "ts": "1"}
    index = {"instId": "BTC-USD", "idxPx": "91000.5", "ts": "1711612800000"}
    chain = parser.read([listed(rows), listed([future]), listed([index])])
    assert chain.options == (call(at_eight(2025, 3, 28), 92_000.0, 92_150.5, 0.53, 0.52, 0.55),)
    assert chain.futures == (FutureQuote(at_eight(2025, 3, 28), 92_140.0, 92_160.0),)
    assert (chain.index, chain.time_ms, chain.is_inverse) == (91_000.5, 1_711_612_800_000, True)
    other = {**rows[0], "instId": "ETH-USD-250328-92000-C"}
    empty = {**rows[0], "bidVol": "", "askVol": "", "markVol": "", "fwdPx": ""}
    (only,) = parser.read([listed([other, empty]), listed([]), listed([])]).options
    assert only == call(at_eight(2025, 3, 28), 92_000.0)


def test_the_venues_errors_have_their_codes(of: Samples) -> None:
    deribit, okx = DeribitOptions("BTC"), OkxOptions("BTC-USD")
    good = answered([])
    cases: list[tuple[ChainParser, list[HttpAnswer], OracleCode]] = [
        (deribit, [of("deribit", "error_rate_limit").answer(), good], OracleCode.VENUE_RATE_LIMITED),
        (deribit, [of("deribit", "error_envelope").answer(), good], OracleCode.VENUE_REFUSED),
        (deribit, [HttpAnswer(429, b"", "7"), good], OracleCode.VENUE_RATE_LIMITED),
        (deribit, [HttpAnswer(502, HTML), good], OracleCode.VENUE_UNREACHABLE),
        (deribit, [good, good], OracleCode.VENUE_MALFORMED),
        (okx, [of("okx", "rest_error_rate_limit").answer(), good, good], OracleCode.VENUE_RATE_LIMITED),
        (okx, [of("okx", "rest_error_not_found").answer(), good, good], OracleCode.VENUE_REFUSED),
        (okx, [of("okx", "rest_error_maintenance").answer(), good, good], OracleCode.VENUE_REFUSED),
        (okx, [HttpAnswer(502, HTML), good, good], OracleCode.VENUE_UNREACHABLE),
    ]
    for parser, answers, code in cases:
        with refused(code):
            parser.read(answers)


ROW = {"instrument_name": "BTC-28MAR25-90000-P", "creation_timestamp": 1_710_000_000_000, "mark_iv": 54.8}


@pytest.mark.parametrize(
    "change",
    [
        {"mark_iv": "nan"},
        {"mark_iv": 1e300},
        {"mark_iv": []},
        {"bid_price": {}},
        {"creation_timestamp": 0},
        {"creation_timestamp": 2**60},
        {"creation_timestamp": "soon"},
        {"instrument_name": 7},
        {"underlying_price": "1" * 200},
    ],
)
def test_a_row_of_another_form_refuses_the_answer(change: dict[str, Any]) -> None:
    with refused(OracleCode.VENUE_MALFORMED):
        DeribitOptions("BTC").read([answered([ROW, {**ROW, **change}]), answered([])])


def test_rows_with_strange_names_are_no_options() -> None:
    names = (
        "BTC-28MAR25-90000",
        "BTC-31FEB25-90000-P",
        "BTC-28XXX25-90000-P",
        "BTC-28MAR25-9e9-P",
        "BTC-28MAR25--5-P",
        "BTC-28MAR25-90000-X",
        "BTC-٢٨MAR25-90000-P",
        "ETH-28MAR25-90000-P",
    )
    rows = [{**ROW, "instrument_name": name} for name in names]
    assert len(DeribitOptions("BTC").read([answered([ROW, *rows]), answered([])]).options) == 1


def test_more_rows_than_any_venue_lists_are_refused() -> None:
    with refused(OracleCode.VENUE_MALFORMED):
        DeribitOptions("BTC").read([answered([ROW] * (ROWS_MAX + 1)), answered([])])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ROW, "data", "code"]), inner),
    max_leaves=8,
)


@given(JSON, st.binary(max_size=40), st.sampled_from([200, 404, 429, 500]))
def test_whatever_a_venue_answers_is_read_or_refused_by_a_code(value: Any, junk: bytes, status: int) -> None:
    bodies = (junk, json.dumps({"result": value, "code": "0", "data": value}).encode(), json.dumps(value).encode())
    for body in bodies:
        answer = HttpAnswer(status, body)
        for parser in (DeribitOptions("BTC"), OkxOptions("BTC-USD")):
            try:
                parser.read([answer] * len(parser.paths))
            except RemoteFault as fault:
                assert isinstance(fault.code, OracleCode)
