"""`crossclear oracle test`: what sources answer and what the node would vote; the shipped files are usable."""

import time
import tomllib
from pathlib import Path

import pytest
import trio

from clearing.base.errors import LocalFault
from node.config import ChainConfig, NodeConfig
from node.config_oracle import FeedConfig, Oracle, SourceConfig
from node.config_sources import load_config
from node.offline.config_checks import config_mistakes
from node.offline.price_trial import as_text, decimal_text, read_oracle, try_prices
from node.oracle.connections.live import LiveConnections
from node.oracle.several_sources import SeveralSources
from node.oracle.source import OracleCode, Quote
from node.oracle.source_cell import SourceCell
from tests.kit.command_line import CommandLine
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
