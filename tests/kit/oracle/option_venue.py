"""Venues of options that quote a known surface: their answers, and a server of them on loopback."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import exp, sqrt
from typing import Any

import numpy as np
import trio

from clearing.base.units import DAY_MS, YEAR_MS
from clearing.pricing.black76 import call, greeks, put
from node.config_oracle import OptionsConfig, SurfaceConfig
from node.oracle.events import HttpAnswer
from node.oracle.option_quotes import ChainParser, OptionChain
from node.oracle.surfaces.chain_cell import ChainCell
from node.oracle.surfaces.smiles import smile_volatility
from node.oracle.venues.deribit_options import DeribitOptions
from node.oracle.venues.okx_options import OkxOptions
from tests.kit.oracle.surface_markets import true_smile

NOW_MS = int(datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp() * 1000)
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
VOLATILITY_WIDTH = 0.004
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Expiry:
    """The truth: days from the market's day at 08:00, forward over index, and the smile."""

    days: int
    ratio: float
    level: float
    skew: float
    wing: float
    strikes: int = 15
    has_future: bool = True

    def expiry_ms(self, now_ms: int) -> int:
        return (now_ms // DAY_MS + self.days) * DAY_MS + 8 * 3_600_000


EXPIRIES = (
    Expiry(2, 1.0004, 0.62, -0.25, 0.8, has_future=False),
    Expiry(9, 1.0015, 0.58, -0.22, 0.8),
    Expiry(30, 1.0050, 0.56, -0.20, 0.8),
    Expiry(90, 1.0150, 0.57, -0.18, 0.75),
    Expiry(300, 1.0450, 0.60, -0.15, 0.7),
)


@dataclass
class OptionMarket:
    """`discount_rate`: a year's, of linear prices. `distort` changes the rows of each answer, in the order of paths."""

    index: float = 50_000.0
    expiries: Sequence[Expiry] = EXPIRIES
    factor: float = 1.0
    """Of all levels."""
    discount_rate: float = 0.0
    is_inverse: bool = True
    distort: Callable[[int, Rows], Rows] = lambda _, rows: rows

    def rows(self, now_ms: int) -> Rows:
        """Every option: plain names and numbers, before a venue's form."""
        found = []
        for expiry in self.expiries:
            expiry_ms = expiry.expiry_ms(now_ms)
            smile = true_smile(expiry_ms - now_ms, expiry.level * self.factor, expiry.skew, expiry.wing)
            years = (expiry_ms - now_ms) / YEAR_MS
            forward = self.index * expiry.ratio
            reach = np.linspace(-2.4, 2.4, expiry.strikes) if expiry.strikes > 1 else np.zeros(1)
            discount = 1.0 if self.is_inverse else 1.0 / (1.0 + self.discount_rate * years)
            unit = forward if self.is_inverse else 1.0
            for deviations in reach.tolist():
                strike = round(forward * exp(deviations * smile.level * sqrt(smile.years)) / 100) * 100
                volatility = float(smile_volatility(smile, np.array([np.log(strike / forward)]))[0])
                for is_call in (True, False):
                    value = (call if is_call else put)(forward, strike, volatility, years, discount)
                    vega = greeks(forward, strike, volatility, years, discount, is_call).vega
                    half = VOLATILITY_WIDTH * vega
                    found.append(
                        {
                            "expiry_ms": expiry_ms,
                            "strike": strike,
                            "is_call": is_call,
                            "volatility": volatility,
                            "bid": max(value - half, 0.0) / unit,
                            "ask": (value + half) / unit,
                            "forward": forward,
                        }
                    )
        return found

    def answers(self, venue: str, now_ms: int, market: str = "") -> list[HttpAnswer]:
        """As the parser's paths ask for them."""
        is_deribit = venue == "deribit"
        pages = _deribit(self, now_ms, market or "BTC") if is_deribit else _okx(self, now_ms, market or "BTC-USD")
        stated = [self.distort(at, rows) for at, rows in enumerate(pages)]
        if is_deribit:
            return [
                HttpAnswer(200, json.dumps({"jsonrpc": "2.0", "id": 1, "result": rows}).encode()) for rows in stated
            ]
        return [HttpAnswer(200, json.dumps({"code": "0", "msg": "", "data": rows}).encode()) for rows in stated]

    def chain(self, venue: str = "deribit", now_ms: int = NOW_MS, market: str = "") -> OptionChain:
        """As the node reads the answers."""
        name = market or ("BTC" if venue == "deribit" else "BTC-USD")
        parser: ChainParser = DeribitOptions(name) if venue == "deribit" else OkxOptions(name)
        return parser.read(self.answers(venue, now_ms, market))


def _futures(market: OptionMarket, now_ms: int) -> list[tuple[int, float]]:
    return [(each.expiry_ms(now_ms), market.index * each.ratio) for each in market.expiries if each.has_future]


def _deribit(market: OptionMarket, now_ms: int, name: str) -> list[Rows]:
    common = {"creation_timestamp": now_ms, "estimated_delivery_price": market.index}
    options = [
        {
            **common,
            "instrument_name": f"{name}-{deribit_date(row['expiry_ms'])}-{_end(row)}",
            "mark_iv": round(row["volatility"] * 100, 2),
            "bid_price": row["bid"] or None,
            "ask_price": row["ask"],
            "underlying_price": round(row["forward"], 4),
        }
        for row in market.rows(now_ms)
    ]
    futures = [
        {**common, "instrument_name": f"{name}-{deribit_date(ms)}", "bid_price": price - 5, "ask_price": price + 5}
        for ms, price in _futures(market, now_ms)
    ]
    perpetual = {**common, "instrument_name": f"{name}-PERPETUAL", "bid_price": market.index, "ask_price": market.index}
    return [options, [*futures, perpetual]]


def _end(row: dict[str, Any]) -> str:
    return f"{row['strike']}-{'C' if row['is_call'] else 'P'}"


def _okx(market: OptionMarket, now_ms: int, name: str) -> list[Rows]:
    options = [
        {
            "instId": f"{name}-{okx_date(row['expiry_ms'])}-{_end(row)}",
            "markVol": f"{row['volatility']:.6f}",
            "bidVol": f"{row['volatility'] - VOLATILITY_WIDTH:.6f}",
            "askVol": f"{row['volatility'] + VOLATILITY_WIDTH:.6f}",
            "fwdPx": f"{row['forward']:.4f}",
            "ts": str(now_ms),
        }
        for row in market.rows(now_ms)
    ]
    futures = [
        {"instId": f"{name}-{okx_date(ms)}", "bidPx": f"{price - 5:.1f}", "askPx": f"{price + 5:.1f}"}
        for ms, price in _futures(market, now_ms)
    ]
    return [options, futures, [{"instId": name, "idxPx": f"{market.index:.2f}", "ts": str(now_ms)}]]


def deribit_date(expiry_ms: int) -> str:
    day = datetime.fromtimestamp(expiry_ms / 1000, UTC)
    return f"{day.day}{MONTHS[day.month - 1]}{day.year % 100:02d}"


def okx_date(expiry_ms: int) -> str:
    return datetime.fromtimestamp(expiry_ms / 1000, UTC).strftime("%y%m%d")


def surface_config(**settings: Any) -> SurfaceConfig:
    return SurfaceConfig(**{"name": "BTC", "group": 1, "feed": "BTC", **settings})


def cell(name: str = "deribit", venue: str = "deribit", url: str = "http://127.0.0.1:9", **settings: Any) -> ChainCell:
    market = "BTC" if venue == "deribit" else "BTC-USD"
    given: dict[str, Any] = {"surface": "BTC", "name": name, "venue": venue, "market": market, "url": url, **settings}
    return ChainCell(OptionsConfig(**given))


@dataclass
class OptionVenue:
    """A server of one market's answers over HTTP; `broken` is answered before."""

    venue: str
    market: OptionMarket
    clock_ms: Callable[[], int]
    broken: list[tuple[int, bytes, str]] = field(default_factory=list)
    """(status, body, Retry-After) of the next answers."""
    asked: int = 0
    url: str = ""

    async def run(self, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(trio.serve_tcp, self._answer, 0)
            self.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
            task_status.started()

    async def _answer(self, stream: trio.SocketStream) -> None:
        async with stream:
            received = b""
            while b"\r\n\r\n" not in received:
                piece = await stream.receive_some(1 << 16)
                if not piece:
                    return
                received += piece
            self.asked += 1
            status, body, retry = self.broken.pop(0) if self.broken else (200, self._page(received), "")
            head = f"HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {len(body)}\r\n"
            head += f"retry-after: {retry}\r\n" if retry else ""
            try:
                await stream.send_all(head.encode() + b"\r\n" + body)
            except trio.BrokenResourceError:
                return

    def _page(self, request: bytes) -> bytes:
        path = request.split(b" ", 2)[1].decode()
        parser: ChainParser = DeribitOptions("BTC") if self.venue == "deribit" else OkxOptions("BTC-USD")
        at = parser.paths.index(path)
        return self.market.answers(self.venue, self.clock_ms())[at].body
