"""A tear-up ends an account's lots once: the house, which is ranked twice, had its position turned around."""

from clearing.schema.receipts.default import PositionsTornUp
from clearing.schema.terms.default import DefaultTerms
from tests.kit.clearing.defaults import without_fund
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, HOUSE


def test_a_tear_up_never_turns_a_counterpartys_position_around() -> None:
    """Bob lacks margin for 108 lots after his gains were cut. The house is long 10, and ended short 10."""
    world = without_fund(DefaultTerms(enabled=True, auction_blocks=4), dave=500_000)
    assert not world.refusals(world.perp_trade(ALICE, BOB, 40_000))
    world.fall(540_000 - 400)
    margin, price = world.margin(BOB), world.state.marks[BTC_PERP].ticks
    more = (margin.equity - margin.initial) * 40_000 // margin.initial
    assert not world.refusals(world.perp_trade(DAVE, BOB, more - 50, ticks=price))
    assert not world.refusals(world.perp_trade(HOUSE, BOB, 10, ticks=price))
    assert not world.refusals(world.default_bid(DAVE, 1, 100, 0))
    world.until_ended()
    (torn,) = world.every(PositionsTornUp)
    accounts = [account for account, *_ in torn.positions]
    assert len(set(accounts)) == len(accounts)
    assert world.lots(HOUSE, BTC_PERP) == 0
