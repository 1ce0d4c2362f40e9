"""The venues' own sample messages are read as the venues document them.

The files are facts that others published (`venues` under CROSSCLEAR_VECTORS; its README names what each is worth).
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from clearing.base.errors import RemoteFault
from node.oracle.events import (
    BookLost,
    ClosingSoon,
    Event,
    FrameWanted,
    MarketHalted,
    MarketOpened,
    PriceRead,
    SnapshotWanted,
    StreamParser,
)
from node.oracle.readings import E18, Reading, of_book
from node.oracle.source import OracleCode
from node.oracle.venues.binance import BinanceAnswers, BinanceStream
from node.oracle.venues.coinbase import CoinbaseAnswers, CoinbaseStream
from node.oracle.venues.deribit import DeribitAnswers, DeribitStream
from node.oracle.venues.hyperliquid import HyperliquidAnswers, HyperliquidStream
from node.oracle.venues.kraken import KrakenAnswers, KrakenStream, checksum
from node.oracle.venues.okx import OkxAnswers, OkxStream
from tests.kit.oracle.samples import Sample, samples
from tests.kit.refusals import refused

VENUES = ("binance", "coinbase_exchange", "kraken", "okx", "deribit", "hyperliquid")
NUMBERS = {"binance": 21, "coinbase_exchange": 13, "kraken": 12, "okx": 23, "deribit": 23, "hyperliquid": 13}


def e18(text: str) -> int:
    whole, _, decimals = text.partition(".")
    return int(whole) * E18 + int(decimals.ljust(18, "0") or 0)


def book(bid: str, ask: str, time_ms: int | None = None) -> PriceRead:
    return PriceRead(of_book(e18(bid) if bid else 0, e18(ask) if ask else 0, time_ms))


def one(number: str, time_ms: int | None = None) -> PriceRead:
    return PriceRead(Reading(e18(number), time_ms=time_ms))


def notified(channel: str, sample: Sample) -> bytes:
    """A sample of Deribit that is the data alone, as its notification."""
    params = {"channel": channel, "data": sample.message}
    return json.dumps({"jsonrpc": "2.0", "method": "subscription", "params": params}).encode()


@pytest.fixture
def of(vectors_dir: Path) -> Callable[[str, str], Sample]:
    found = {venue: samples(vectors_dir, venue) for venue in VENUES}
    assert {venue: len(items) for venue, items in found.items()} == NUMBERS
    return lambda venue, name: found[venue][name]


Samples = Callable[[str, str], Sample]


def test_binance_best_prices(of: Samples) -> None:
    spot = BinanceStream("BNBUSDT", "ticker", futures=False)
    best = book("25.3519", "25.3652")
    assert spot.receive(of("binance", "spot_ws_bookTicker").data) == (best,)
    assert spot.receive(of("binance", "spot_ws_combined_wrapper").data) == (best,)
    futures = BinanceStream("BNBUSDT", "ticker", futures=True)
    timed = book("25.3519", "25.3652", 1_568_014_460_893)
    assert futures.receive(of("binance", "futures_ws_bookTicker").data) == (timed,)
    answers = BinanceAnswers("LTCBTC", "ticker", futures=False)
    assert answers.read(of("binance", "spot_rest_bookTicker").answer()) == (MarketOpened(), book("4", "4.000002"))


def test_binance_mark_and_index(of: Samples) -> None:
    update = of("binance", "futures_ws_markPriceUpdate").data
    at = 1_562_305_380_000
    assert BinanceStream("BTCUSDT", "mark", futures=True).receive(update) == (one("11794.15", at),)
    assert BinanceStream("BTCUSDT", "index", futures=True).receive(update) == (one("11784.62659091", at),)
    dated = of("binance", "futures_coinm_ws_markPriceUpdate_delivery").data
    stream = BinanceStream("BTCUSD_201225", "index", futures=True)
    assert stream.receive(dated) == (one("10933.62615417", 1_596_095_725_000),)
    premium = of("binance", "futures_rest_premiumIndex").answer()
    (_, index), (_, mark) = (BinanceAnswers("BTCUSDT", k, futures=True).read(premium) for k in ("index", "mark"))
    assert (index, mark) == (one("11781.8049597", 1_597_370_495_002), one("11793.63104562", 1_597_370_495_002))


def test_binance_books_begin_at_a_snapshot(of: Samples) -> None:
    stream = BinanceStream("BNBBTC", "book", futures=False)
    stream.opening()
    (wanted,) = stream.receive(of("binance", "spot_ws_depthUpdate").data)
    assert wanted == SnapshotWanted("/api/v3/depth?symbol=BNBBTC&limit=1000")
    assert stream.snapshot(of("binance", "spot_rest_depth").answer()) == (book("4", "4.000002"),)
    futures = BinanceStream("BTCUSDT", "book", futures=True)
    (wanted,) = futures.receive(of("binance", "futures_ws_depthUpdate").data)
    assert wanted == SnapshotWanted("/fapi/v1/depth?symbol=BTCUSDT&limit=1000")


def test_binance_refusals_bans_and_shutdown(of: Samples) -> None:
    stream = BinanceStream("BTCUSDT", "ticker", futures=False)
    assert stream.receive(of("binance", "spot_ws_subscribe_ack").data) == ()
    for shutdown in of("binance", "spot_ws_serverShutdown").each:
        assert stream.receive(shutdown) == (ClosingSoon("the server shuts down"),)
    for error in of("binance", "spot_ws_errors").each:
        with refused(OracleCode.VENUE_REFUSED):
            stream.receive(error)
    answers = BinanceAnswers("NOPE", "ticker", futures=False)
    with refused(OracleCode.VENUE_REFUSED) as caught:
        answers.read(of("binance", "rest_error_invalid_symbol").answer())
    assert caught.value.values == {"code": "-1121", "message": "Invalid symbol."}
    with refused(OracleCode.VENUE_RATE_LIMITED) as caught:
        answers.read(of("binance", "rest_418_banned").answer("600"))
    assert caught.value.values == {"retry_after_ms": 600_000}
    with refused(OracleCode.VENUE_RATE_LIMITED) as caught:
        answers.read(of("binance", "rest_418_banned").answer())
    assert caught.value.values == {"retry_after_ms": 120_000}
    with refused(OracleCode.VENUE_RATE_LIMITED):
        answers.read(of("binance", "rest_429_weight").answer("7"))
    for error in of("binance", "rest_errors_server_side").each:
        with refused(OracleCode.VENUE_REFUSED):
            answers.read(Sample("binance", "", "rest", None, error.decode(), 200, {}).answer())


@pytest.mark.parametrize("name", ["spot_ws_trade", "spot_ws_avgPrice", "spot_ws_partial_depth", "wsapi_rate_limits"])
def test_binance_messages_of_other_streams_say_nothing(of: Samples, name: str) -> None:
    for kind in ("ticker", "book"):
        assert BinanceStream("BNBUSDT", kind, futures=False).receive(of("binance", name).data) == ()


def test_coinbase_prices(of: Samples) -> None:
    ticker = CoinbaseStream("BTC-USD", "ticker")
    at = 1_777_125_186_170
    assert ticker.receive(of("coinbase_exchange", "ws_ticker").data) == (book("77668.91", "77668.92", at),)
    assert CoinbaseStream("ETH-USD", "ticker").receive(of("coinbase_exchange", "ws_ticker_2022").data) == (
        book("1285.04", "1285.27", 1_666_222_102_061),
    )
    level2 = CoinbaseStream("BTC-USD", "book")
    assert level2.receive(of("coinbase_exchange", "ws_level2_snapshot").data) == (
        book("10101.10", "10102.55", 1_692_082_015_376),
    )
    (update,) = level2.receive(of("coinbase_exchange", "ws_l2update").data)
    assert isinstance(update, PriceRead)
    # The sample continues another book: the bid is above this one's ask, which the guard refuses.
    assert (update.reading.bid_e18, update.reading.ask_e18) == (e18("77697.01"), e18("10102.55"))
    answer = CoinbaseAnswers("BTC-USDT").read(of("coinbase_exchange", "rest_ticker").answer())
    assert answer == (MarketOpened(), book("73360.34", "73369.19"))


def test_coinbase_old_trades_heartbeats_and_states(of: Samples) -> None:
    for kind in ("ticker", "book"):
        stream = CoinbaseStream("BTC-USD", kind)  # type: ignore[arg-type]
        for name in ("ws_last_match", "ws_heartbeat"):
            assert stream.receive(of("coinbase_exchange", name).data) == ()
        status = of("coinbase_exchange", "ws_status_product").data
        assert stream.receive(status) == (MarketOpened(),)
        assert stream.receive(status.replace(b'"cancel_only": false', b'"cancel_only": true')) == (
            MarketHalted("cancel_only"),
        )
        assert stream.receive(status.replace(b'"status": "online"', b'"status": "delisted"')) == (
            MarketHalted("delisted"),
        )
        with refused(OracleCode.VENUE_REFUSED):
            stream.receive(of("coinbase_exchange", "ws_error").data)
    answers = CoinbaseAnswers("NOPE-USD")
    with refused(OracleCode.VENUE_RATE_LIMITED):
        answers.read(of("coinbase_exchange", "rest_429").answer())
    with refused(OracleCode.VENUE_REFUSED) as caught:
        answers.read(of("coinbase_exchange", "rest_404").answer())
    assert caught.value.values == {"code": "404", "message": "NotFound"}
    for name in ("rest_trades", "rest_candles"):
        with refused(OracleCode.VENUE_MALFORMED):
            answers.read(of("coinbase_exchange", name).answer())


def test_kraken_checksum_is_that_of_the_documented_book(of: Samples) -> None:
    sample = of("kraken", "ws2_book_snapshot")
    stream = KrakenStream("BTC/USD", "book")
    assert stream.receive(sample.data) == (book("45283.5", "45285.2", 1_696_613_755_440),)
    assert checksum(*stream._book.best(10)) == sample.fields["checksum_expected"] == 3_310_070_434


def test_kraken_update_of_another_book_is_found_by_its_checksum(of: Samples) -> None:
    stream = KrakenStream("BTC/USD", "book")
    update = of("kraken", "ws2_book_update").data
    assert stream.receive(update) == ()
    stream.receive(of("kraken", "ws2_book_snapshot").data)
    lost, leave, ask = stream.receive(update)
    assert isinstance(lost, BookLost)
    assert [isinstance(event, FrameWanted) and json.loads(event.text)["method"] for event in (leave, ask)] == [
        "unsubscribe",
        "subscribe",
    ]
    assert stream.receive(update) == ()
    assert len(stream.receive(of("kraken", "ws2_book_snapshot").data)) == 1


def test_kraken_tickers_states_and_refusals(of: Samples) -> None:
    algo = KrakenStream("ALGO/USD", "ticker").receive(of("kraken", "ws2_ticker_snapshot").data)
    assert algo == (book("0.10025", "0.10036", 1_695_632_671_742),)
    stream = KrakenStream("BTC/USD", "ticker")
    assert stream.receive(of("kraken", "ws2_ticker_btc").data) == (book("105944.2", "105944.3", 1_671_960_659_123),)
    status = of("kraken", "ws2_status_online").data
    assert stream.receive(status) == (MarketOpened(),)
    for state in ("cancel_only", "maintenance", "post_only"):
        assert stream.receive(status.replace(b"online", state.encode())) == (MarketHalted(state),)
    for name in ("ws2_heartbeat", "ws2_ping", "ws2_trade_update"):
        assert stream.receive(of("kraken", name).data) == ()
    answers = KrakenAnswers("XBTUSDT")
    assert answers.read(of("kraken", "rest_ticker").answer()) == (MarketOpened(), book("105944.2", "105944.3"))
    with refused(OracleCode.VENUE_REFUSED):
        answers.read(of("kraken", "rest_error_shape").answer())
    with refused(OracleCode.VENUE_MALFORMED):
        answers.read(of("kraken", "rest_system_status").answer())
    outcomes = []
    for error in of("kraken", "rest_error_rate_and_service").each:
        try:
            outcomes.append(answers.read(Sample("kraken", "", "rest", None, error.decode(), 200, {}).answer()))
        except RemoteFault as fault:
            outcomes.append(fault.code)
    limited = OracleCode.VENUE_RATE_LIMITED
    halted = [(MarketHalted(f"EService:{why}"),) for why in ("Unavailable", "Busy")]
    assert outcomes == [limited, limited, *halted, OracleCode.VENUE_REFUSED, limited]


def test_okx_prices(of: Samples) -> None:
    read: dict[str, tuple[Event, ...]] = {}
    for name, kind, market in (
        ("ws_tickers", "ticker", "BTC-USDT"),
        ("ws_index_tickers", "index", "BTC-USDT"),
        ("ws_index_tickers_recorded", "index", "BTC-USDT"),
        ("ws_mark_price", "mark", "BTC-USDT-SWAP"),
    ):
        read[name] = OkxStream(market, kind).receive(of("okx", name).data)  # type: ignore[arg-type]
    for name, kind, market in (
        ("rest_index_tickers", "index", "BTC-USDT"),
        ("rest_mark_price", "mark", "BTC-USDT-SWAP"),
        ("rest_books", "book", "BTC-USDT"),
    ):
        read[name] = OkxAnswers(market, kind).read(of("okx", name).answer())[1:]  # type: ignore[arg-type]
    assert read == {
        "ws_tickers": (book("8888.88", "9999.99", 1_597_026_383_085),),
        "ws_index_tickers": (one("0.1", 1_597_026_383_085),),
        "ws_index_tickers_recorded": (one("63005.5", 1_786_861_970_979),),
        "ws_mark_price": (one("20099.5", 1_672_304_484_978),),
        "rest_index_tickers": (one("103895", 1_746_942_707_815),),
        "rest_mark_price": (one("84660.1", 1_744_590_349_506),),
        "rest_books": (book("41006.7", "41006.8", 1_704_067_200_000),),
    }


def test_okx_books_follow_their_ids_and_no_checksum(of: Samples) -> None:
    stream = OkxStream("BTC-USDT", "book")
    update = of("okx", "ws_books_update")
    assert stream.receive(update.data) == ()
    best = book("8476.97", "8476.98", 1_597_026_383_085)
    assert stream.receive(of("okx", "ws_books_snapshot").data) == (best,)
    assert stream.receive(update.data) == (best,)
    zero = of("okx", "ws_books_checksum_zero_after_deprecation").data
    assert stream.receive(zero) == (book("8476.97", "8477", 1_597_026_383_185),)
    assert stream.receive(of("okx", "ws_books_keepalive_same_seq").data) == (
        book("8476.97", "8477", 1_597_026_443_085),
    )
    assert stream.receive(of("okx", "ws_books_sequence_reset").data) == (book("8476.97", "8477", 1_597_026_503_085),)
    lost, *frames = stream.receive(update.data)
    assert isinstance(lost, BookLost)
    assert [json.loads(event.text)["op"] for event in frames if isinstance(event, FrameWanted)] == [
        "unsubscribe",
        "subscribe",
    ]
    for name in ("ws_books_checksum_example_aligned", "ws_books_checksum_example_uneven"):
        assert OkxStream("BTC-USDT", "book").receive(of("okx", name).data) == ()


def test_okx_notices_and_refusals(of: Samples) -> None:
    stream = OkxStream("BTC-USDT", "ticker")
    assert stream.receive(of("okx", "ws_ping_pong_text").data) == ()
    assert stream.receive(of("okx", "ws_subscribe_ack").data) == ()
    assert stream.receive(of("okx", "ws_bbo_tbt").data) == ()
    (closing,) = stream.receive(of("okx", "ws_notice_service_upgrade").data)
    assert isinstance(closing, ClosingSoon)
    with refused(OracleCode.VENUE_REFUSED):
        stream.receive(of("okx", "ws_error_bad_request").data)
    answers = OkxAnswers("BTC-USDT", "index")
    with refused(OracleCode.VENUE_RATE_LIMITED):
        answers.read(of("okx", "rest_error_rate_limit").answer("3"))
    with refused(OracleCode.VENUE_REFUSED) as caught:
        answers.read(of("okx", "rest_error_not_found").answer())
    assert caught.value.values == {"code": "404", "message": "Not Found"}
    (halted,) = answers.read(of("okx", "rest_error_maintenance").answer())
    assert isinstance(halted, MarketHalted)


def test_deribit_prices(of: Samples) -> None:
    ticker = of("deribit", "ticker_perp_ws").data
    stated = json.loads(ticker)["params"]["data"]
    best = book(str(stated["best_bid_price"]), str(stated["best_ask_price"]), 1_765_541_474_086)
    perpetual = "BTC-PERPETUAL"
    assert DeribitStream(perpetual, "ticker").receive(ticker) == (MarketOpened(), best)
    mark = one(str(stated["mark_price"]), 1_765_541_474_086)
    assert DeribitStream(perpetual, "mark").receive(ticker) == (MarketOpened(), mark)
    index = DeribitStream("btc_usd", "index").receive(of("deribit", "price_index_ws").data)
    assert index == (one("6521.17", 1_535_098_298_227),)
    answer = DeribitAnswers("btc_usd", "index").read(of("deribit", "get_index_price").answer())
    assert answer == (MarketOpened(), one("11628.81"))
    spot = DeribitAnswers("BTC_USDT", "ticker").read(
        # The recording wrote every number as a text; times are numbers on the wire.
        Sample("deribit", "", "rest", _numbers(of("deribit", "ticker_spot_rest_stringified")), None, 200, {}).answer()
    )
    assert spot == (MarketOpened(), book("73418.58", "73521.05", 1_710_328_244_150))
    option = of("deribit", "ticker_option_ws_data")
    name = "BTC-12MAR25-65000-C"
    events = DeribitStream(name, "mark").receive(notified(f"ticker.{name}.100ms", option))
    assert events == (MarketOpened(), one("0.2182", 1_741_731_610_450))
    perp_rest = DeribitAnswers(perpetual, "ticker").read(of("deribit", "ticker_perp_rest").answer())
    assert isinstance(perp_rest[1], PriceRead)
    assert (perp_rest[1].reading.bid_e18, perp_rest[1].reading.ask_e18) == (e18("36289.5"), e18("36290"))


def _numbers(sample: Sample) -> object:
    message = json.loads(sample.data)
    message["result"]["timestamp"] = int(message["result"]["timestamp"])
    for key in ("usIn", "usOut"):
        message[key] = int(message[key])
    return message


def test_deribit_empty_sides_are_zero(of: Samples) -> None:
    _, read = DeribitAnswers("BTC-PERPETUAL", "ticker").read(of("deribit", "order_book_rest").answer())
    assert read == book("3955.75", "", 1_550_757_626_706)


def test_deribit_books_follow_their_change_ids(of: Samples) -> None:
    stream = DeribitStream("BTC-PERPETUAL", "book")
    change = of("deribit", "book_ws_change").data
    assert stream.receive(change) == ()
    assert stream.receive(of("deribit", "book_ws_snapshot").data) == (book("42500", "42501", 1_699_999_999_000),)
    assert stream.receive(change) == (book("42500", "42501.5", 1_699_999_999_500),)
    lost, *frames = stream.receive(change)
    assert isinstance(lost, BookLost)
    assert len(frames) == 2
    assert stream.receive(change) == ()


def test_deribit_heartbeats_states_and_refusals(of: Samples) -> None:
    stream = DeribitStream("BTC-PERPETUAL", "ticker")
    (test,) = stream.receive(of("deribit", "heartbeat_test_request").data)
    assert isinstance(test, FrameWanted)
    assert json.loads(test.text)["method"] == "public/test"
    for name in ("heartbeat_set_ok", "quote_ws", "volatility_index_ws"):
        assert stream.receive(of("deribit", name).data) == ()
    with refused(OracleCode.VENUE_RATE_LIMITED):
        stream.receive(of("deribit", "error_rate_limit").data)
    with refused(OracleCode.VENUE_REFUSED):
        stream.receive(of("deribit", "error_envelope").data)
    # The recorded acknowledgement came from the test network.
    with refused(OracleCode.VENUE_REFUSED) as caught:
        stream.receive(of("deribit", "subscribe_result").data)
    assert caught.value.values["code"] == "testnet"
    locked = of("deribit", "platform_state_locked_ws_data")
    sol = DeribitStream("sol_usdc", "index")
    assert sol.receive(notified("platform_state", locked)) == (MarketHalted("sol_usdc is locked"),)
    assert stream.receive(notified("platform_state", locked)) == ()
    with refused(OracleCode.VENUE_REFUSED):
        DeribitAnswers("BTC-PERPETUAL", "ticker").read(of("deribit", "book_summary_with_optional_fields").answer())


def test_hyperliquid_prices(of: Samples) -> None:
    def stream(kind: str, coin: str = "BTC") -> StreamParser:
        return HyperliquidStream(coin, kind)  # type: ignore[arg-type]

    best = book("78316.0", "78320.0", 1_787_749_195_414)
    assert stream("book").receive(of("hyperliquid", "ws_l2Book").data) == (best,)
    bbo = book("80639.0", "80640.0", 1_788_490_065_008)
    assert stream("ticker").receive(of("hyperliquid", "ws_bbo").data) == (bbo,)
    empty = of("hyperliquid", "ws_bbo_empty_sides").data
    assert stream("ticker", "MATIC").receive(empty) == (book("", "", 1_788_490_065_008),)
    context = of("hyperliquid", "ws_activeAssetCtx").data
    assert stream("index").receive(context) == (one("80684.7"),)
    assert stream("mark").receive(context) == (one("80640.0"),)
    answer = HyperliquidAnswers("BTC").read(of("hyperliquid", "rest_l2Book").answer())
    assert answer == (MarketOpened(), book("98450.5", "98451", 1_703_875_200_000))
    for kind in ("ticker", "book", "index"):
        for name in ("ws_greeting_text", "ws_ping_pong", "ws_subscriptionResponse", "ws_allMids"):
            assert stream(kind).receive(of("hyperliquid", name).data) == ()
        with refused(OracleCode.VENUE_REFUSED):
            stream(kind).receive(of("hyperliquid", "ws_error").data)
    with refused(OracleCode.VENUE_REFUSED):
        HyperliquidAnswers("BTC").read(of("hyperliquid", "rest_422_bad_body").answer())
    with refused(OracleCode.VENUE_REFUSED):
        HyperliquidAnswers("NOPE").read(Sample("hyperliquid", "", "rest", None, "null", 200, {}).answer())
