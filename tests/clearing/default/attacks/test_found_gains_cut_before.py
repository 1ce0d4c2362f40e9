"""Gains that bore one default's loss are no gains for a default that is declared after that one has ended."""

import msgspec

from clearing.schema.receipts.default import LossAllocated, WaterfallLayer
from clearing.schema.terms.default import DefaultTerms
from clearing.schema.terms.margin_calls import CallTerms
from tests.kit.clearing.defaults import NO_FUND, default_genesis, default_world
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL


def test_a_later_default_counts_no_gains_that_an_earlier_one_cut() -> None:
    """Alice is called before Carol's default ends, and fails after it."""
    genesis = default_genesis(DefaultTerms(enabled=True), NO_FUND)
    crisis = msgspec.structs.replace(genesis.crisis, calls=CallTerms(deadline_blocks=20))
    world = default_world(genesis=msgspec.structs.replace(genesis, crisis=crisis))
    world.bring(carol=50_000, bob=200_000, dave=300_000)
    assert not world.refusals(world.perp_trade(CAROL, DAVE, 40_000))
    world.prices(600_000)
    world.prices(480_000)
    assert not world.refusals(world.perp_trade(ALICE, BOB, 45_000, ticks=480_000))
    world.prices(290_000)
    world.prices(240_000)
    first, second = (
        {share.payer: share for step in each.steps if step.layer is WaterfallLayer.GAINS for share in step.shares}
        for each in world.every(LossAllocated)
        if any(step.layer is WaterfallLayer.GAINS for step in each.steps)
    )
    assert world.default(1).ended_height < world.default(2).declared_height
    for account, lots in ((BOB, 45_000), (DAVE, 40_000)):
        gained = lots * (480_000 - 240_000) * 10
        assert second[account].weight == gained - first[account].amount
    assert world.lots(BOB, BTC_PERP) <= 0
