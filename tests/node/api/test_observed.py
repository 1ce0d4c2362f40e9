"""What validators observe is shown as the state has it."""

from clearing.validators.chain_attestations import agreed_final_block
from node.api.observed import observed_of
from tests.kit.clearing.genesis import ALICE, BTC, USDC_1
from tests.kit.clearing.priced import priced
from tests.kit.clearing.world import World


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
