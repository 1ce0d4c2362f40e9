"""Receipts of real blocks to be explained: stories of the rulebook's own tests, and of members with strategies."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from clearing.schema.blocks.block import BlockResult
from clearing.schema.terms.house import HouseTerms
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from clearing.state.state import State
from member.api.receipts import ReceiptAt
from member.explaining.default_fund import explain_fund
from member.explaining.defaults import explain_defaults
from member.explaining.formatting import ExplainedReceipt, Listing, listing_of
from member.explaining.liquidations import explain_liquidations
from tests.kit.clearing.auctions import FURTHER, ask_bounds, auction_world, bid_sealed
from tests.kit.clearing.crisis import FALLEN, leveraged
from tests.kit.clearing.defaults import NO_FUND, NOTHING, default_world
from tests.kit.clearing.fund import TERMS as FUND
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, BTC_CALL, BTC_PERP, CAROL, DOLLAR, HOUSE, USDC_1, WETH_1
from tests.kit.clearing.housed import RECOVERY_BLOCKS, recovery_world
from tests.kit.clearing.world import World
from tests.sim.clearing.story import Story

LOTS = 40_000


@dataclass
class Heard:
    """Receipts in order, and the listing of each height."""

    receipts: list[ReceiptAt] = field(default_factory=list)
    listings: dict[int, Listing] = field(default_factory=dict)

    def hear(self, state: State, result: BlockResult) -> None:
        self.receipts += [ReceiptAt(result.height, at, each) for at, each in enumerate(result.receipts)]
        self.listings[result.height] = listing_of(state.terms)

    def explained(self) -> list[ExplainedReceipt]:
        listing: Callable[[int], Listing] = lambda height: self.listings[height]  # noqa: E731 - typed at once
        tellers = (explain_liquidations, explain_defaults, explain_fund)
        return [each for tell in tellers for each in tell(self.receipts, listing)]

    def changed(self, at: int, receipt: Any) -> "Heard":
        """The same with another receipt in the place of one."""
        receipts = list(self.receipts)
        receipts[at] = ReceiptAt(receipts[at].height, receipts[at].index, receipt)
        return Heard(receipts, self.listings)


def of_world(world: World) -> Heard:
    """All blocks that the world has applied; its terms are those of genesis."""
    found = Heard()
    for result in world.results:
        found.hear(world.state, result)
    return found


def of_liquidations() -> Heard:
    """An early call, a deadline, slices, steps by backstop and house, an end."""
    calls = CallTerms(deadline_blocks=2, early_ppm=200_000, early_release_ppm=100_000, early_horizon_ms=14_400_000)
    terms = LiquidationTerms(
        auction_blocks=3,
        start_ppm=1_000,
        end_ppm=20_000,
        slice_max_ppm=100_000,
        bidder_share_ppm=333_333,
        step_ppm=400_000,
        whole_notional=500 * DOLLAR,
        cooldown_blocks=1,
        backstop_account=CAROL,
    )
    world = leveraged(calls, terms)
    world.go(btc=FALLEN)
    world.wait(2)
    world.block(world.liquidation_bid(BOB), world.liquidation_bid(CAROL, slice_ppb=50_000_000))
    world.block(world.withdrawal(CAROL, USDC_1, 99_000 * DOLLAR), world.liquidation_bid(BOB, slice_ppb=30_000_000))
    world.wait(12)
    return of_world(world)


def of_takeovers() -> Heard:
    """Without any of the terms the house takes over: some of it, then all of it with a deficit."""
    world = leveraged(CallTerms(deadline_blocks=1), LiquidationTerms(step_ppm=500_000, cooldown_blocks=1))
    world.block(world.trade(ALICE, BOB, BTC_CALL, 100, 200))
    world.go(btc=FALLEN)
    world.wait(30)
    world.go(btc=500_000)
    world.wait(30)
    return of_world(world)


def of_a_default() -> Heard:
    """Bids, layers down to the survivors."""
    world = default_world()
    world.bring(alice=30_000, bob=30_000)
    world.block(world.perp_trade(ALICE, BOB, LOTS))
    world.fund_paid_in()
    world.fall(500_000)
    world.block(world.default_bid(DAVE, 1, 60, 10 * DOLLAR), world.default_bid(CAROL, 1, 20, 11 * DOLLAR))
    world.prices(320_000)
    world.until_ended()
    return of_world(world)


def of_a_sealed_auction() -> Heard:
    """Commitments, reveals, a bid that is not revealed, one that is too dear, and members that are charged."""
    world = auction_world(ticks=FURTHER)
    reserve, _ = ask_bounds(world)
    world.block(world.bid_commitment(BOB, 1, 1, 0))
    bid_sealed(world, (DAVE, 20, reserve), (CAROL, 8, 0))
    return of_world(world)


def of_deleveraging() -> Heard:
    """A house without capital: positions end against those who gained most."""
    world = default_world(fund=NO_FUND)
    world.bring(bob=400_000)
    world.block(world.withdrawal(HOUSE, USDC_1, 95_000 * DOLLAR))
    world.block(world.perp_trade(ALICE, BOB, 20_000), world.perp_trade(ALICE, CAROL, 20_000))
    world.fall(500_000)
    world.until_ended()
    return of_world(world)


def of_gains() -> Heard:
    """No fund, no auction: gains bear all of it at once."""
    world = default_world(NOTHING, NO_FUND)
    world.block(
        world.perp_trade(ALICE, BOB, 20_000),
        world.perp_trade(ALICE, CAROL, 10_000),
        world.perp_trade(ALICE, DAVE, 10_000),
    )
    world.fall(500_000)
    return of_world(world)


def of_recoveries() -> Heard:
    """The house takes lots and ether over in a default, sells some of both, and what it gains goes back."""
    house = HouseTerms(recovery_blocks=RECOVERY_BLOCKS, disposal_blocks=20, disposal_end_ppm=20_000)
    world = recovery_world(house, weth=20)
    world.fall(500_000)
    world.prices(300_000)
    world.until_ended()
    world.prices(320_000)
    bids = (world.inventory_bid(BOB, 1_000, instrument=BTC_PERP), world.inventory_bid(BOB, 10**6, 10**6, asset=WETH_1))
    assert not world.refusals(*bids)
    world.wait(RECOVERY_BLOCKS + 1)
    return of_world(world)


def of_strategies(seed: int, blocks: int) -> Heard:
    """Agents that bid, default, vote and attack."""
    found, story = Heard(), Story(seed)
    audit = story.audit.block

    def hear(state: State, result: BlockResult, prices: Any) -> None:
        found.hear(state, result)
        audit(state, result, prices)

    story.audit.block = hear  # type: ignore[method-assign]
    story.run(blocks)
    return found


def of_the_fund() -> Heard:
    """A call that outlives its grace, and is debited and sold for."""
    world = default_world(fund=msgspec.structs.replace(FUND, grace_blocks=2, reduce_blocks=20))
    world.block(world.perp_trade(ALICE, BOB, 63_000))
    world.pass_epoch()
    world.wait(20)
    return of_world(world)
