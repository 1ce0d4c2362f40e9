"""Which parser reads a source, by its venue and the kind of its price.

Rule: what a venue does not offer is refused when the node starts, not when it connects.
"""

from collections.abc import Callable, Mapping
from typing import Any

from clearing.base.errors import LocalFault
from node.config_oracle import SourceConfig
from node.oracle.events import AnswerParser, StreamParser
from node.oracle.source import OracleCode
from node.oracle.venues.binance import BinanceAnswers, BinanceStream
from node.oracle.venues.coinbase import CoinbaseAnswers, CoinbaseStream
from node.oracle.venues.deribit import DeribitAnswers, DeribitStream
from node.oracle.venues.hyperliquid import HyperliquidAnswers, HyperliquidStream
from node.oracle.venues.kraken import KrakenAnswers, KrakenStream
from node.oracle.venues.okx import OkxAnswers, OkxStream

ALL = frozenset(("ticker", "book", "index", "mark"))
SIDES = frozenset(("ticker", "book"))
STREAMS: Mapping[str, tuple[frozenset[str], Callable[[str, Any], StreamParser]]] = {
    "binance": (SIDES, lambda market, kind: BinanceStream(market, kind, futures=False)),
    "binance-futures": (ALL, lambda market, kind: BinanceStream(market, kind, futures=True)),
    "coinbase": (SIDES, CoinbaseStream),
    "kraken": (SIDES, KrakenStream),
    "okx": (ALL, OkxStream),
    "deribit": (ALL, DeribitStream),
    "hyperliquid": (ALL, HyperliquidStream),
}
ANSWERS: Mapping[str, tuple[frozenset[str], Callable[[str, Any], AnswerParser]]] = {
    "binance": (SIDES, lambda market, kind: BinanceAnswers(market, kind, futures=False)),
    "binance-futures": (ALL, lambda market, kind: BinanceAnswers(market, kind, futures=True)),
    "coinbase": (frozenset(("ticker",)), lambda market, _: CoinbaseAnswers(market)),
    "kraken": (frozenset(("ticker",)), lambda market, _: KrakenAnswers(market)),
    "okx": (ALL, OkxAnswers),
    "deribit": (ALL - {"book"}, DeribitAnswers),
    "hyperliquid": (frozenset(("book",)), lambda market, _: HyperliquidAnswers(market)),
}
"""By venue: the kinds of prices that it has, and how a parser of one is made."""


def is_stream(source: SourceConfig) -> bool:
    """Whether the source is a WebSocket."""
    return source.url.startswith("ws")


def stream_parser(source: SourceConfig) -> StreamParser:
    """Raises LocalFault PRICE_SOURCE_UNUSABLE."""
    kinds, make = STREAMS[source.venue]
    _check_kind(source, kinds)
    if source.venue.startswith("binance") and source.price == "book" and not source.rest_url:
        raise _unusable(source, "books of Binance need rest_url, where snapshots come from")
    return make(source.market, source.price)


def answer_parser(source: SourceConfig) -> AnswerParser:
    """Raises LocalFault PRICE_SOURCE_UNUSABLE."""
    kinds, make = ANSWERS[source.venue]
    _check_kind(source, kinds)
    return make(source.market, source.price)


def _check_kind(source: SourceConfig, kinds: frozenset[str]) -> None:
    if source.price not in kinds:
        how = "stream" if is_stream(source) else "answers over HTTP"
        raise _unusable(source, f"{source.venue}'s {how} have {', '.join(sorted(kinds))}, not {source.price}")


def _unusable(source: SourceConfig, why: str) -> LocalFault:
    return LocalFault(OracleCode.PRICE_SOURCE_UNUSABLE, f"oracle.sources {source.feed}/{source.name}", why=why)
