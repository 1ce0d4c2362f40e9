"""`crossclear oracle test`: what sources answer and what the node would vote; the shipped files are usable."""

import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
import trio

from clearing.base.errors import LocalFault
from node.config import ChainConfig, NodeConfig
from node.config_oracle import FeedConfig, OptionsConfig, Oracle, SourceConfig, SurfaceConfig
from node.config_sources import load_config
from node.offline.config_checks import config_mistakes
from node.offline.price_trial import as_text, decimal_text, read_oracle, try_prices
from node.offline.surface_trial import TriedSurface
from node.oracle.connections.live import LiveConnections
from node.oracle.several_sources import SeveralSources
from node.oracle.source import OracleCode, Quote
from node.oracle.source_cell import SourceCell
from node.oracle.surfaces.chain_cell import ChainCell
from node.oracle.surfaces.generated_surfaces import FRIDAYS
from node.oracle.surfaces.live import LiveSurfaces
from tests.kit.command_line import CommandLine
from tests.kit.oracle.option_venue import OptionMarket, OptionVenue
from tests.kit.oracle.venue_server import VenueServer
from tests.kit.refusals import refused

SHIPPED = sorted((Path(__file__).resolve().parents[2] / "configs/oracle").glob("*.toml"))
COMMAND = ("oracle", "test")


def clock_ms() -> int:
    return time.time_ns() // 1_000_000


def source(name: str, venue: str, url: str, price: str = "book") -> SourceConfig:
    return SourceConfig(
        feed="BTC",
        name=name,
        venue=venue,  # type: ignore[arg-type]
        market="M",
        url=url,
        price=price,  # type: ignore[arg-type]
    )


async def test_the_trial_shows_each_source_and_the_vote() -> None:
    async with trio.open_nursery() as nursery:
        servers = {venue: VenueServer(venue, clock_ms, lambda: (5_000_000, 5_000_002)) for venue in ("kraken", "okx")}
        servers["coinbase"] = VenueServer("coinbase", clock_ms, lambda: (6_000_000, 6_000_002))
        for server in servers.values():
            await nursery.start(server.run)
        sources = [source(venue, venue, server.url) for venue, server in servers.items()]
        sources.append(source("lost", "deribit", "ws://127.0.0.1:9"))
        oracle = Oracle(source="live", feeds=(FeedConfig(name="BTC", feed=7),), sources=tuple(sources))
        (feed,) = await try_prices(NodeConfig(oracle=oracle), 3, clock_ms)
        nursery.cancel_scope.cancel()
    assert feed.vote == Quote(7, 5_000_001, 1, 2)
    assert {each.name: each.code for each in feed.sources} == {
        "kraken": "",
        "okx": "",
        "coinbase": "R0987",
        "lost": "R0990",
    }
    text = as_text([feed])
    assert "BTC: 50000.01 ± 0.01; 2 of 4 sources usable, 2 needed; votes 5000001 ± 1 ticks for feed 7" in text
    assert "coinbase (coinbase M): 60000.01 ± 0.01" in text
    assert "lost (deribit M): no price; R0990 venue_unreachable" in text


def test_the_command_says_that_a_feed_has_no_value(cli: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text(
        '[[oracle.feeds]]\nname = "BTC"\nfeed = 1\nquorum = 1\n'
        '[[oracle.sources]]\nfeed = "BTC"\nname = "a"\nvenue = "okx"\nmarket = "M"\nurl = "ws://127.0.0.1:9"\n'
    )
    printed = cli(*COMMAND, path, "--seconds", "0.5", "--output", "json", code=5)
    (feed,) = printed.json
    assert (feed["is_usable"], feed["vote"], feed["sources"][0]["code"]) == (False, None, "R0990")
    assert "BTC: no value; 0 of 1 sources usable, 1 needed" in cli(*COMMAND, path, "--seconds", "0.5", code=5).out


def test_the_command_shows_generated_prices_and_refuses_settings_without_any(cli: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text('[oracle]\nsource = "generated"\n[[oracle.feeds]]\nname = "X"\nfeed = 9\nquorum = 1\n')
    assert "ticks for feed 9" in cli(*COMMAND, path).out
    path.write_text("")
    assert "R0870" in cli(*COMMAND, path, code=3).err


def test_a_node_with_generated_prices_needs_no_sources(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text('[oracle]\nsource = "generated"\n[[oracle.feeds]]\nname = "X"\nfeed = 9\n')
    assert not [each for each in config_mistakes(load_config(path, {}).config) if "oracle" in str(each)]
    path.write_text('[oracle]\nsource = "live"\n[[oracle.feeds]]\nname = "X"\nfeed = 9\n')
    assert [each for each in config_mistakes(load_config(path, {}).config) if "needs 2" in str(each)]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_file_has_several_venues_over_tls_and_states_its_own_settings_alone(path: Path) -> None:
    assert set(tomllib.loads(path.read_text())) == {"oracle"}
    oracle = load_config(path, {}).config.oracle
    assert len(oracle.feeds) == 1
    assert len({each.venue for each in oracle.sources}) >= 2 or len({each.address for each in oracle.contracts}) >= 2
    assert all(each.url.startswith(("wss://", "https://")) for each in oracle.sources)
    assert all(each.feed == oracle.feeds[0].name for each in oracle.all_sources)


def test_the_shipped_files_fit_together_and_each_price_is_one_that_its_venue_has() -> None:
    assert [path.stem for path in SHIPPED] == ["btc", "eth", "sol", "usdc", "usdt", "wsteth"]
    oracle = read_oracle(SHIPPED).oracle
    cells = [SourceCell(each) for each in oracle.all_sources]
    ethereum = ChainConfig(chain_id=1, name="ethereum", endpoints=("http://127.0.0.1:1",))
    LiveConnections(cells, (ethereum,), clock_ms)
    assert SeveralSources(oracle.feeds, cells).read(0) == ()
    assert sorted(feed.feed for feed in oracle.feeds) == [0, 1, 2, 3, 4, 5]


def test_the_commented_markets_in_tether_fit_the_feed_of_tether(tmp_path: Path) -> None:
    for path in SHIPPED:
        lines = path.read_text().splitlines()
        begin = next((i for i, line in enumerate(lines) if line.startswith("# [[oracle")), len(lines))
        tables = [line.removeprefix("# ") for line in lines[begin:]]
        (tmp_path / path.name).write_text("\n".join(lines[:begin] + tables))
    oracle = read_oracle(sorted(tmp_path.iterdir())).oracle
    SeveralSources(oracle.feeds, [SourceCell(each) for each in oracle.all_sources])
    assert sum(each.times == "USDT" for each in oracle.sources) == 3


def test_settings_whose_sources_do_not_fit_are_refused_before_the_start() -> None:
    good = source("a", "okx", "wss://venue", "index")
    feed = FeedConfig(name="BTC", feed=1, quorum=1)

    def mistakes(oracle: Oracle) -> list[str]:
        found = config_mistakes(NodeConfig(oracle=oracle))
        return [each.at for each in found if each.at.startswith("oracle")]

    assert mistakes(Oracle(source="live", feeds=(feed,), sources=(good,))) == []
    assert mistakes(Oracle(source="live")) == ["oracle.feeds"]
    assert mistakes(Oracle(source="live", feeds=(feed,))) == ["oracle.feeds"]
    assert mistakes(Oracle(source="generated", feeds=(feed,))) == [], "generated prices need no sources"
    wrong = source("b", "kraken", "wss://venue", "mark")
    assert mistakes(Oracle(source="live", feeds=(feed,), sources=(wrong,))) == ["oracle.sources BTC/b"]


def test_a_second_file_that_has_the_same_feed_is_refused() -> None:
    oracle = read_oracle([SHIPPED[0], SHIPPED[0]]).oracle
    with refused(OracleCode.PRICE_SOURCE_UNUSABLE, LocalFault):
        SeveralSources(oracle.feeds, list(map(SourceCell, oracle.sources)))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (10**18, "1"),
        (15 * 10**17, "1.5"),
        (-1, "-0.000000000000000001"),
        (10**20 + 1, "100.000000000000000001"),
    ],
)
def test_a_number_is_printed_exactly(number: int, text: str) -> None:
    assert decimal_text(number) == text


def options_of(venue: OptionVenue, poll_ms: int = 500) -> OptionsConfig:
    return OptionsConfig(
        surface="BTC",
        name=venue.venue,
        venue=venue.venue,  # type: ignore[arg-type]
        market="BTC" if venue.venue == "deribit" else "BTC-USD",
        url=venue.url,
        poll_ms=poll_ms,
    )


async def test_the_trial_shows_the_surface_that_the_node_would_vote() -> None:
    async with trio.open_nursery() as nursery:
        book = VenueServer("kraken", clock_ms, lambda: (5_000_000, 5_000_002))
        venues = [OptionVenue(name, OptionMarket(), clock_ms) for name in ("deribit", "okx")]
        for server in (book, *venues):
            await nursery.start(server.run)
        oracle = Oracle(
            source="live",
            feeds=(FeedConfig(name="BTC", feed=7, quorum=1),),
            sources=(source("kraken", "kraken", book.url),),
            surfaces=(SurfaceConfig(name="BTC", group=3, feed="BTC", quorum=2),),
            options=tuple(map(options_of, venues)),
        )
        found = await try_prices(NodeConfig(oracle=oracle), 20, clock_ms)
        nursery.cancel_scope.cancel()
    surface = found[-1]
    assert isinstance(surface, TriedSurface)
    assert surface.vote is not None
    assert (surface.is_usable, surface.usable, surface.vote.group, surface.vote.sources) == (True, 2, 3, 2)
    lines = as_text(found).splitlines()[-8:]
    assert lines[0].startswith("BTC surface of group 3: votes 5 expiries, error 0.")
    assert lines[0].endswith("2 of 2 sources usable, 2 needed")
    assert "08:00 forward 1.0" in lines[1]
    assert "of 30 quotes" in lines[1] or "of 31 quotes" in lines[1] or "of 32 quotes" in lines[1]
    assert lines[-2].startswith("  deribit (deribit BTC): 7")
    assert lines[-1].startswith("  okx (okx BTC-USD): 7")
    assert "usable; left out: 7" in lines[-1]


def test_the_command_says_that_a_surface_has_no_sources(cli: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text(
        '[[oracle.feeds]]\nname = "BTC"\nfeed = 1\nquorum = 1\n'
        '[[oracle.sources]]\nfeed = "BTC"\nname = "a"\nvenue = "okx"\nmarket = "M"\nurl = "ws://127.0.0.1:9"\n'
        '[[oracle.surfaces]]\nname = "BTC"\ngroup = 1\nfeed = "BTC"\n'
        '[[oracle.options]]\nsurface = "BTC"\nname = "b"\nvenue = "okx"\nmarket = "BTC-USD"\nurl = "http://127.0.0.1:9"\n'
    )
    printed = cli(*COMMAND, path, "--seconds", "1", "--output", "json", code=5)
    surface = printed.json[-1]
    assert (surface["is_usable"], surface["vote"], surface["sources"][0]["code"]) == (False, None, "R0990")
    text = cli(*COMMAND, path, "--seconds", "1", code=5).out
    assert "BTC surface of group 1: none; 0 of 1 sources usable, 1 needed; R0989 sources_too_few" in text
    assert "b (okx BTC-USD): no quotes; R0990 venue_unreachable" in text


def test_the_command_shows_generated_surfaces(cli: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text(
        '[oracle]\nsource = "generated"\n[[oracle.feeds]]\nname = "X"\nfeed = 9\nquorum = 1\n'
        '[[oracle.surfaces]]\nname = "X"\ngroup = 4\nfeed = "X"\n'
    )
    text = cli(*COMMAND, path).out
    count = text.count("skew -0.150, wing 0.700")
    assert f"X surface of group 4: votes {count} expiries" in text
    assert count >= len(FRIDAYS)


def test_the_shipped_surfaces_have_two_venues_over_tls() -> None:
    oracle = read_oracle(SHIPPED).oracle
    assert [each.name for each in oracle.surfaces] == ["BTC", "ETH"]
    cells = [ChainCell(each) for each in oracle.options]
    LiveSurfaces(oracle.surfaces, cells, oracle.feeds, lambda _: None)
    assert {(each.surface, each.venue) for each in oracle.options} == {
        (name, venue) for name in ("BTC", "ETH") for venue in ("deribit", "okx")
    }
    assert all(each.url.startswith("https://") for each in oracle.options)


def test_settings_of_surfaces_that_do_not_fit_are_refused_before_the_start(tmp_path: Path) -> None:
    good = source("a", "okx", "wss://venue", "index")
    feed, surface = FeedConfig(name="BTC", feed=1, quorum=1), SurfaceConfig(name="BTC", group=1, feed="BTC")
    options = OptionsConfig(surface="BTC", name="o", venue="okx", market="BTC-USD", url="https://venue")

    def mistakes(**settings: Any) -> list[str]:
        given: dict[str, Any] = {"source": "live", "feeds": (feed,), "sources": (good,), **settings}
        found = config_mistakes(NodeConfig(oracle=Oracle(**given)))
        return [each.at for each in found if each.at.startswith("oracle")]

    assert mistakes(surfaces=(surface,), options=(options,)) == []
    assert mistakes(surfaces=(surface,)) == ["oracle.surfaces"]
    assert mistakes(options=(options,)) == ["oracle.options"]
    prices = tmp_path / "hours.csv"
    prices.write_text("unix,BTC_open,BTC_close\n0,1,1\n")
    replay = {"source": "replay", "file": str(prices), "sources": (), "feeds": ()}
    assert mistakes(**replay, surfaces=(surface,)) == ["oracle.surface_file"]
    assert mistakes(**replay, surfaces=(surface,), surface_file=str(prices)) == ["oracle.surface_file"]
