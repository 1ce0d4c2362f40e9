"""Connections survive what venues do: gaps, ends, limits, error pages, lies about the form, and silence."""

import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from clearing.base.errors import LocalFault, RemoteFault
from node.config_oracle import FeedConfig, SourceConfig
from node.oracle.connections import stream
from node.oracle.connections.live import LiveConnections, connection
from node.oracle.connections.parsing import AT_ONCE_BYTES
from node.oracle.connections.stream import VenueStream
from node.oracle.connections.tcp import address_of
from node.oracle.events import Event, FrameWanted
from node.oracle.guard import book_flaw
from node.oracle.pauses import LONGEST_MS, Pauses
from node.oracle.readings import E18
from node.oracle.several_sources import SeveralSources
from node.oracle.source import OracleCode
from node.oracle.source_cell import SourceCell
from tests.kit.oracle.venue_server import Page, VenueServer
from tests.kit.refusals import refused
from tests.kit.until import until

HTML = b"<html><h1>502 Bad Gateway</h1></html>"


def clock_ms() -> int:
    return time.time_ns() // 1_000_000


class Moving:
    """A price that moves by a cent each time."""

    def __init__(self, cents: int = 1_000) -> None:
        self.cents = cents

    def __call__(self) -> tuple[int, int]:
        self.cents += 1
        return self.cents, self.cents + 2


class Source:
    def __init__(self, server: VenueServer, cell: SourceCell, stream: Any) -> None:
        self.server, self.cell, self.stream = server, cell, stream

    async def priced(self) -> None:
        """Until a price comes that the server sends from now on."""
        begun = clock_ms()
        await until(lambda: self.cell.state.reading is not None and self.cell.state.arrived_ms > begun + 60, "a price")

    async def failed(self, code: OracleCode, times: int = 1) -> None:
        await until(lambda: self.cell.faults[code] >= times, f"{code!r}: {self.cell.faults} {self.cell.state}")


@asynccontextmanager
async def connected(venue: str, *, rest: bool = False, silence_ms: int = 0, **settings: Any) -> AsyncIterator[Source]:
    async with trio.open_nursery() as nursery:
        server = VenueServer(venue, clock_ms, Moving())
        for name, value in settings.items():
            setattr(server, name, value)
        await nursery.start(server.run)
        url = server.rest_url if rest else server.url
        config = SourceConfig(
            feed="F",
            name=venue,
            venue=venue,  # type: ignore[arg-type]
            market="M",
            url=url,
            rest_url=server.rest_url,
            price="book",
            poll_ms=50,
        )
        cell = SourceCell(config)
        made = connection(cell, config, clock_ms)
        made._pauses = Pauses(lambda: 0.0)
        if silence_ms and isinstance(made, VenueStream):
            made._parser.silence_ms_max = silence_ms
        nursery.start_soon(made.run)
        yield Source(server, cell, made)
        nursery.cancel_scope.cancel()


ALL = ["binance", "coinbase", "deribit", "kraken", "okx"]


@pytest.mark.parametrize("venue", ALL)
async def test_a_stream_gives_the_venues_prices(venue: str) -> None:
    async with connected(venue) as source:
        await source.priced()
        reading = source.cell.state.reading
        assert (reading.price_e18 - 1_001 * E18 // 100) % (E18 // 100) == 0
        assert reading.half_width_e18 == E18 // 100
        assert source.cell.state.fault is None


@pytest.mark.parametrize("venue", ALL)
async def test_a_stream_that_ends_is_dialled_again(venue: str) -> None:
    async with connected(venue) as source:
        await source.priced()
        await source.server.disconnect()
        await source.failed(OracleCode.VENUE_UNREACHABLE)
        await source.priced()
        assert source.server.connections == 2


@pytest.mark.parametrize("venue", ["binance", "deribit", "kraken", "okx"])
async def test_a_gap_is_found_and_the_book_is_read_anew_on_the_same_connection(venue: str) -> None:
    async with connected(venue) as source:
        await source.priced()
        source.server.lost = 1
        await source.failed(OracleCode.BOOK_BROKEN)
        await source.priced()
        assert source.server.connections == 1


@pytest.mark.parametrize("frame", [HTML.decode(), '{"channel":"book","data":[{"symb', "[" * 3_000, '{"a":1,"a":2}'])
async def test_a_frame_that_is_not_of_the_form_ends_the_connection_and_no_more(frame: str) -> None:
    async with connected("kraken") as source:
        await source.priced()
        source.server.texts.append(frame)
        await source.failed(OracleCode.VENUE_MALFORMED)
        await source.priced()
        assert source.server.connections == 2


async def test_a_message_beyond_the_limit_ends_the_connection() -> None:
    async with connected("kraken") as source:
        await source.priced()
        source.server.texts.append(" " * ((1 << 20) + 1))
        await source.failed(OracleCode.VENUE_MALFORMED)
        await source.priced()


async def test_a_long_message_is_read_in_a_thread_and_the_event_loop_goes_on() -> None:
    async with connected("coinbase") as source:
        await source.priced()
        read, seen = source.stream._parser.receive, []

        def receive(frame: bytes) -> Sequence[Event]:
            if len(frame) > AT_ONCE_BYTES:
                seen.append(threading.current_thread() is threading.main_thread())
            return read(frame)

        source.stream._parser.receive = receive
        source.server.texts.append('{"type":"l2update","product_id":"M","changes":[' + " " * AT_ONCE_BYTES + "]}")
        await until(lambda: seen, "the long message")
        await source.priced()
        assert seen == [False]
        assert source.server.connections == 1


@pytest.mark.parametrize("url", ["wss://venue:99999", "wss://venue:port", "ws://[::1", "wss:///ws"])
def test_an_address_that_cannot_be_dialled_is_refused_at_the_start(url: str) -> None:
    config = SourceConfig(feed="F", name="s", venue="kraken", market="M", url=url)
    with refused(OracleCode.PRICE_SOURCE_UNUSABLE, LocalFault):
        LiveConnections([SourceCell(config)], (), clock_ms)


@pytest.mark.parametrize(
    ("url", "host", "header"),
    [
        ("ws://[::1]:9000/x", "::1", "[::1]:9000"),
        ("wss://[2001:db8::7]", "2001:db8::7", "[2001:db8::7]"),
        ("wss://venue:8443/ws", "venue", "venue:8443"),
    ],
)
def test_the_host_header_has_an_address_of_ip_version_6_in_brackets(url: str, host: str, header: str) -> None:
    found = address_of(url)
    assert (found.host, found.header) == (host, header)


async def test_a_venue_that_takes_no_frame_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sends on and reads nothing, so an answer to it waits for ever."""
    monkeypatch.setattr(stream, "SEND_SECONDS", 0.05)
    async with connected("deribit") as source:
        await source.priced()

        send = stream.WebSocketConnection.send_message

        async def waits(socket: stream.WebSocketConnection, text: str) -> None:
            """Of the client only: a server that sent nothing would be left for its silence."""
            if socket.is_client:
                await trio.sleep_forever()
            await send(socket, text)

        monkeypatch.setattr(stream.WebSocketConnection, "send_message", waits)
        source.stream._parser.receive = lambda _: (FrameWanted("answer"),)
        with capture_logs() as lines:
            await source.failed(OracleCode.VENUE_UNREACHABLE)
            await until(lambda: bool(lines), "a line of the log")
        assert "why=TooSlowError" in lines[0]["fault"]


async def test_a_book_that_stays_crossed_is_read_anew_on_another_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected("coinbase") as source:
        await source.priced()
        monkeypatch.setattr(stream, "PRICELESS_MS", 300)
        # The removal of the asks below it was lost; the book goes on, and is crossed with every update.
        begun, honest = source.server.connections, source.server.price
        source.server.price = lambda: None
        crossed = '{"type":"l2update","product_id":"M","changes":[["buy","9999","1"]]}'
        source.server.texts.extend([crossed] * 100_000)
        await source.failed(OracleCode.VENUE_UNREACHABLE)
        source.server.texts.clear()
        source.server.price = honest
        await until(lambda: source.server.connections > begun, "another connection")
        monkeypatch.setattr(stream, "PRICELESS_MS", 120_000)
        await source.priced()
        assert book_flaw(source.cell.state.reading) is None


async def test_a_handshake_that_is_answered_by_a_limit_or_a_page_is_tried_again() -> None:
    limited = (429, ((b"Retry-After", b"0"),))
    async with connected("okx", rejections=deque([limited, (502, ())])) as source:
        await source.failed(OracleCode.VENUE_RATE_LIMITED)
        await source.failed(OracleCode.VENUE_UNREACHABLE)
        await source.priced()


async def test_a_page_without_bound_in_place_of_a_stream_is_not_kept() -> None:
    rejection = (403, ((b"x", b"y"),))
    async with connected("okx", rejections=deque([rejection]), rejection_bytes=1_000_000) as source:
        await source.failed(OracleCode.VENUE_UNREACHABLE)
        assert "HandshakeTooLong" in source.cell.state.why
        await source.priced()


async def test_a_silent_stream_is_dead() -> None:
    async with connected("kraken", silence_ms=300) as source:
        await source.priced()
        source.server.is_silent = True
        await source.failed(OracleCode.VENUE_UNREACHABLE)
        source.server.is_silent = False
        await source.priced()


async def test_a_venue_that_announces_its_end_is_left_without_a_failure() -> None:
    async with connected("okx") as source:
        await source.priced()
        source.server.texts.append('{"event":"notice","code":"64008","msg":"upgrade"}')
        await until(lambda: source.server.connections == 2)
        await source.priced()
        assert not source.cell.faults


async def test_deribits_test_requests_are_answered() -> None:
    async with connected("deribit", price=lambda: None) as source:
        await until(lambda: any("public/test" in text for text in source.server.received))


async def test_a_halted_market_is_shown_and_opens_again() -> None:
    async with connected("kraken") as source:
        await source.priced()
        source.server.texts.append('{"channel":"status","data":[{"system":"maintenance"}],"type":"update"}')
        await source.failed(OracleCode.MARKET_HALTED)
        source.server.texts.append('{"channel":"status","data":[{"system":"online"}],"type":"update"}')
        await until(lambda: source.cell.state.fault is None)


async def test_snapshots_of_binance_are_asked_for_until_one_is_good() -> None:
    async with connected("binance") as source:
        await source.priced()
        source.server.pages.extend([Page(HTML, 502), Page(b'{"lastUpdateId":1,', 200)])
        source.server.lost = 1
        await source.failed(OracleCode.BOOK_BROKEN)
        await source.failed(OracleCode.VENUE_UNREACHABLE)
        await source.failed(OracleCode.VENUE_MALFORMED)
        await source.priced()


async def test_answers_give_prices_and_failed_ones_leave_the_last_to_its_age() -> None:
    async with connected("binance", rest=True, price=lambda: (1_000, 1_002)) as source:
        await source.priced()
        price = source.cell.state.reading
        cut = Page(b'{"lastUpdateId":1,"bids":[["1', missing=50)
        limited = Page(b"", 429, (("Retry-After", "1"),))
        source.server.pages.extend([Page(HTML, 502), Page(HTML), cut, limited, Page(b"", 302)])
        for code in ("VENUE_UNREACHABLE", "VENUE_MALFORMED", "VENUE_RATE_LIMITED", "VENUE_REFUSED"):
            await source.failed(OracleCode[code])
            assert source.cell.state.reading == price
        await source.priced()
        assert source.cell.state.fault is None


async def test_nobody_listening_is_a_fault_and_never_an_end() -> None:
    urls = ("ws://127.0.0.1:9", "http://127.0.0.1:9")
    cells = [
        SourceCell(SourceConfig(feed="F", name=url.partition(":")[0], venue="okx", market="M", url=url)) for url in urls
    ]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(LiveConnections(cells, (), clock_ms).run)
        await until(lambda: all(cell.faults[OracleCode.VENUE_UNREACHABLE] for cell in cells))
        several = SeveralSources([FeedConfig(name="F", feed=1)], cells)
        assert several.read(clock_ms()) == ()
        assert several.standings[0].detail.count("R0990") == 2
        nursery.cancel_scope.cancel()


def test_pauses_double_up_to_a_cap_and_begin_anew() -> None:
    lost = RemoteFault(OracleCode.VENUE_UNREACHABLE, "venue")
    longest, shortest = Pauses(lambda: 1.0), Pauses(lambda: 0.0)
    assert [longest.after(lost) for _ in range(9)] == [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]
    assert [shortest.after(lost) for _ in range(3)] == [250, 500, 1_000]
    for _ in range(10_000):
        assert shortest.after(lost) <= LONGEST_MS
    shortest.worked()
    assert shortest.after(lost) == 250


def test_a_wait_that_the_venue_demands_is_not_shortened() -> None:
    limited = RemoteFault(OracleCode.VENUE_RATE_LIMITED, "venue", retry_after_ms=90_000)
    assert Pauses(lambda: 0.0).after(limited) == 90_250
