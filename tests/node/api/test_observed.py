"""What validators observe is shown as the state has it."""

import msgspec

from clearing.validators.chain_attestations import agreed_final_block
from member.api.observed import SOURCES_MAX, ObservedView, SourceObserved
from node.api.observed import observed_of
from node.config_oracle import FeedConfig, Oracle, SourceConfig
from node.oracle.several_sources import FeedStanding, SeveralSources
from node.oracle.source import OracleCode
from node.oracle.source_cell import SourceCell
from tests.kit.clearing.genesis import ALICE, BTC, USDC_1
from tests.kit.clearing.priced import priced
from tests.kit.clearing.world import World
from tests.kit.node.fake_view import FakeView, ask_view
from tests.kit.oracle.two_sources import AGE_MS, NOW, SECRET_URL, two_sources


def test_a_feed_shows_how_far_its_reports_are_apart() -> None:
    world = priced()
    world.block(prices=((BTC, 790_000),))
    feed = next(each for each in observed_of(world.state).feeds if each.feed == BTC)
    reports = [report for (number, _), report in world.state.price_reports.ordered() if number == BTC]
    assert (feed.reporting, feed.oldest_ms) == (len(reports), min(each.time_ms for each in reports))
    assert (int(feed.lowest_ticks), int(feed.highest_ticks)) == (
        min(each.ticks for each in reports),
        max(each.ticks for each in reports),
    )


def test_a_chain_shows_its_agreed_final_block_and_oldest_custody() -> None:
    world = World()
    before = observed_of(world.state)
    assert {each.custody_block for each in before.chains} == {0}
    world.block(facts=[world.deposit_fact(ALICE, USDC_1, 5_000_000)])
    for chain in observed_of(world.state).chains:
        assert chain.final_block == agreed_final_block(world.state, chain.chain_id)
        custody = [
            world.state.custody[asset.id].counters.block_number if asset.id in world.state.custody else 0
            for asset in world.state.terms.assets.values()
            if asset.chain_id == chain.chain_id
        ]
        assert chain.custody_block == min(custody)


async def observed_with(standings: tuple[FeedStanding, ...]) -> tuple[str, ObservedView]:
    """The answer of a node that has these feeds, as text and as it is read."""
    view = FakeView()
    view.standings = standings
    answer = await ask_view(view, "/v1/observed")
    return answer.text, msgspec.json.decode(answer.content, type=ObservedView)


async def test_a_feed_shows_each_source_of_the_node_that_answers() -> None:
    _, view = await observed_with(two_sources().standings)
    sources = {feed.feed: feed.sources for feed in view.feeds}
    assert sources.pop(BTC) == (
        SourceObserved(name="good", age_ms=AGE_MS, verdict="usable"),
        SourceObserved(name="lost", age_ms=None, verdict="venue_unreachable", code="R0990"),
    )
    assert set(sources.values()) == {()}, "other feeds have none of their own"


async def test_no_address_of_a_source_and_no_word_of_a_venue_is_shown() -> None:
    standings = two_sources().standings
    assert SECRET_URL in standings[0].detail, "a venue's words repeat the address"
    text, _ = await observed_with(standings)
    assert SECRET_URL not in text


async def test_a_node_without_sources_shows_none() -> None:
    _, view = await observed_with(())
    assert {feed.sources for feed in view.feeds} == {()}


async def test_as_many_sources_as_settings_may_list_can_be_shown() -> None:
    listed = {info.name: info.type for info in msgspec.inspect.type_info(Oracle).fields}  # type: ignore[attr-defined]
    assert listed["sources"].max_length + listed["contracts"].max_length == SOURCES_MAX
    configs = [
        SourceConfig(feed="BTC", name=f"{at:064}", venue="kraken", market="M", url=SECRET_URL)
        for at in range(SOURCES_MAX)
    ]
    several = SeveralSources([FeedConfig(name="BTC", feed=BTC)], [SourceCell(each) for each in configs])
    several.read(NOW)
    _, view = await observed_with(several.standings)
    assert [len(feed.sources) for feed in view.feeds if feed.feed == BTC] == [SOURCES_MAX]


def test_every_verdict_of_a_source_is_a_word_of_the_api() -> None:
    for code in OracleCode:
        msgspec.convert({"name": "x", "age_ms": 0, "verdict": code.name.lower(), "code": code.label}, SourceObserved)
