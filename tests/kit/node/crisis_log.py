"""A network of one validator that goes through everything: a cancelled withdrawal, a vote, liquidations, a default.

The verbs are those of `World`; its blocks are proposed, certified, stored and applied by a `Station`, two
heights each: what a validator says rides on one height and counts in the next.
"""

from pathlib import Path

import msgspec

from clearing.schema.blocks.block import BlockInput, BlockResult, VoteExtension
from clearing.schema.receipts.withdrawals import WithdrawalDelayed
from clearing.schema.requests.auctions import LiquidationBid
from clearing.schema.terms.governance import GovernanceTerms
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits, WithdrawalControlTerms
from clearing.state.state import State
from node.store.store import Store
from tests.kit.clearing.defaults import TERMS, default_genesis
from tests.kit.clearing.fund import TERMS as FUND
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, CAROL, DOLLAR, USDC_1
from tests.kit.clearing.whole_state import check_whole_state
from tests.kit.clearing.world import World, of_kind
from tests.kit.node.recorded import Recorded
from tests.kit.node.station import Station, make_home, vote_of_one

LIQUIDATION = LiquidationTerms(
    auction_blocks=6,
    start_ppm=1_000,
    end_ppm=10_000,
    slice_max_ppm=200_000,
    bidder_share_ppm=400_000,
    step_ppm=500_000,
    cooldown_blocks=1,
    insolvent_to_default=True,
)
CALLS = CallTerms(
    deadline_blocks=4,
    early_ppm=300_000,
    early_release_ppm=200_000,
    early_blocks=8,
    early_horizon_ms=7_200_000,
    early_leaves_blocks=0,
)
GOVERNANCE = GovernanceTerms(vote_ms=60_000, timelock_ms=5_000, timelock_floor_ms=2_000)
GATES = WithdrawalControlTerms((AssetWithdrawalLimits(USDC_1, delay_above_units=1_000 * DOLLAR, delay_blocks=50),))
LOTS = 40_000
ASK = 10 * DOLLAR
NEW_PENALTY_PPM = 7_500
"""That a vote sets in the middle."""


class StationWorld(World):
    """The verbs of a world, and a recorded station's blocks."""

    def __init__(self, log: Recorded) -> None:
        self.log, self.station = log, log.station
        super().__init__(log.home.genesis, fresh=True)
        self.prices(790_000)
        self.endow(100_000)
        self.endow(100_000, DAVE)

    @property
    def state(self) -> State:  # type: ignore[override]
        """The station's."""
        return self.station.state

    @state.setter
    def state(self, _: State) -> None:
        """It is what the blocks make of it."""

    def apply(self, block: BlockInput) -> BlockResult:
        """Say it in one height, act on it in the next; the receipts of both."""
        said = block.extensions[0].extension if block.extensions else None
        first = self.log.height
        self.station.decide(said)
        self.station.decide(VoteExtension(said.prices) if said else None, block.transactions)
        self.time_ms = self.state.now.time_ms
        check_whole_state(self.state)
        both = [self.log.results[height] for height in range(first + 1, self.log.height + 1)]
        result = msgspec.structs.replace(both[-1], receipts=sum((each.receipts for each in both), ()))
        self.results.append(result)
        return result

    def take(self, account: int, liquidated: int, slice_ppb: int) -> LiquidationBid:
        opened = self.state.liquidations[liquidated].opened_height
        return self.request(LiquidationBid, account, liquidated, opened, slice_ppb, 0)


def write_crisis(folder: Path) -> Recorded:
    """Play it, and write `genesis.json` and `blocks.log` into the folder."""
    genesis = default_genesis(TERMS, FUND, epoch_blocks=20, snapshot_delay_blocks=5)
    crisis = msgspec.structs.replace(
        genesis.crisis, calls=CALLS, liquidation=LIQUIDATION, gates=GATES, governance=GOVERNANCE
    )
    home = make_home(folder / "net", genesis, crisis=crisis)
    with Store(folder / "story.sqlite", home.network) as store:
        log = Recorded(Station(home, store), folder)
        play(StationWorld(log))
        log.write()
    return log


def play(world: StationWorld) -> None:
    """A withdrawal is taken back, the penalty is voted on, Dave is liquidated, Alice defaults."""
    world.bring(alice=45_000, bob=60_000, client=9_000)
    (waits,) = of_kind(world.block(world.withdrawal(CAROL, USDC_1, 5_000 * DOLLAR)), WithdrawalDelayed)
    world.block(world.withdrawal_cancellation(CAROL, waits.number))
    world.block(world.perp_trade(ALICE, BOB, LOTS), world.perp_trade(ALICE_CLIENT, CAROL, 4_500))
    world.fund_paid_in()
    proposal = world.proposal(world.changes(("market.liquidation_penalty_ppm", NEW_PENALTY_PPM)))
    world.block(proposal)
    world.block(vote_of_one(world.log.home, proposal))
    _liquidate_the_client(world)
    _default(world)


def _liquidate_the_client(world: StationWorld) -> None:
    """A client below maintenance has its time, is sold in slices, and is taken over in steps."""
    world.prices(700_000)
    for _ in range(12):
        sale = world.state.liquidations.get(ALICE_CLIENT)
        on_sale = sale is not None and sale.first_height <= world.state.now.height + 2 <= sale.last_height
        world.block(*([world.take(DAVE, ALICE_CLIENT, 100_000_000)] if on_sale else []))


def _default(world: StationWorld) -> None:
    """Alice cannot pay; Dave and Carol bid, Bob does not."""
    world.prices(500_000)
    while not world.state.default_counters.get(0):
        world.block()
    world.block(world.default_bid(DAVE, 1, 60, ASK), world.default_bid(CAROL, 1, 20, ASK + 1))
    world.prices(310_000)
    world.until_ended()
    for _ in range(3):
        world.block()
