"""A network of one validator that goes through everything: a cancelled withdrawal, a vote, liquidations, a default.

The verbs are those of `World`; its blocks are proposed, certified, stored and applied by a `Station`, two
heights each: what a validator says rides on one height and counts in the next.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from clearing.base.validators import ValidatorSet
from clearing.genesis.json import genesis_to_json
from clearing.genesis.paths import change_at
from clearing.schema.blocks.block import BlockInput, BlockResult, VoteExtension
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.receipts.withdrawals import WithdrawalDelayed
from clearing.schema.requests.auctions import LiquidationBid
from clearing.schema.requests.governance import HOUSE_PROPOSER, GovernanceProposal, GovernanceVote, TermsAmendment
from clearing.schema.requests.withdrawals import WithdrawalCancellation
from clearing.schema.terms.genesis import Genesis
from clearing.schema.terms.governance import GovernanceTerms
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits, WithdrawalControlTerms
from clearing.state.state import State
from consensus.blocks.store import save_committed
from consensus.messages import CommittedBlock
from devnet.testnet import create_testnet
from member.signing.requests import signed_by_validator
from node.agreement.application import DecidedHeight
from node.signer.node_keys import open_node_keys
from node.store.block_log import write_block_log
from node.store.blocks import StoredBlocks
from node.store.store import Store
from node.sync.restore import encode_saved
from tests.kit.clearing.defaults import TERMS, default_genesis
from tests.kit.clearing.fund import TERMS as FUND
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, CAROL, DOLLAR, USDC_1
from tests.kit.clearing.signer import secret
from tests.kit.clearing.whole_state import check_whole_state
from tests.kit.clearing.world import World, of_kind
from tests.kit.node.station import Home, Station

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


def crisis_home(folder: Path) -> Home:
    """A network of one, with all terms on."""

    def build(validators: ValidatorSet) -> Genesis:
        genesis = default_genesis(TERMS, FUND, epoch_blocks=20, snapshot_delay_blocks=5)
        crisis = msgspec.structs.replace(
            genesis.crisis, calls=CALLS, liquidation=LIQUIDATION, gates=GATES, governance=GOVERNANCE
        )
        one = tuple(msgspec.structs.replace(each, power=1) for each in validators.validators)
        return msgspec.structs.replace(genesis, crisis=crisis, validators=ValidatorSet(one))

    made = create_testnet(folder, build, validators=1, devnet=True, seed=11)
    home = made.nodes[0].home
    return Home(made.genesis, open_node_keys(home, home / "password", allow_weak=True), home, made.nodes[0].config)


class StationWorld(World):
    """The verbs of a world, and a station's blocks."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self.told: list[BlockResult] = []
        station.application.listen(lambda decided: self.told.append(decided.result))
        super().__init__(station.home.genesis, fresh=True)
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
        first = len(self.told)
        self.station.decide(said)
        self.station.decide(VoteExtension(said.prices) if said else None, block.transactions)
        self.time_ms = self.state.now.time_ms
        check_whole_state(self.state)
        receipts: tuple[Receipt, ...] = sum((each.receipts for each in self.told[first:]), ())
        result = msgspec.structs.replace(self.told[-1], receipts=receipts)
        self.results.append(result)
        return result

    def cancel(self, account: int, number: int) -> WithdrawalCancellation:
        return self.request(WithdrawalCancellation, account, number)

    def propose(self, path: str, after: object) -> GovernanceProposal:
        """The house's, of one place."""
        amendment = TermsAmendment((change_at(self.state.terms.genesis, path, after),))
        return self.request(GovernanceProposal, HOUSE_PROPOSER, amendment, "a fee that covers it", key=secret(0))

    def vote(self, proposal: GovernanceProposal) -> GovernanceVote:
        plain = GovernanceVote(
            proposal=proposal.content(self.network),
            validator=0,
            approve=True,
            revision=1,
            not_after_ms=self.time_ms + 60_000,
            signature=bytes(64),
        )
        return signed_by_validator(self.network, plain, self.station.home.keys.envelope)

    def take(self, account: int, liquidated: int, slice_ppb: int) -> LiquidationBid:
        opened = self.state.liquidations[liquidated].opened_height
        return self.request(LiquidationBid, account, liquidated, opened, slice_ppb, 0)


@dataclass
class CrisisLog:
    """What a node that never stopped decided and wrote."""

    home: Home
    folder: Path
    blocks: list[CommittedBlock] = field(default_factory=list)
    receipts: dict[int, tuple[Receipt, ...]] = field(default_factory=dict)
    saved: dict[int, bytes] = field(default_factory=dict)
    roots: dict[int, tuple[bytes, ...]] = field(default_factory=dict)

    @property
    def height(self) -> int:
        return self.blocks[-1].block.header.height

    @property
    def genesis_file(self) -> Path:
        return self.folder / "genesis.json"

    @property
    def log_file(self) -> Path:
        return self.folder / "blocks.log"

    def of_kind(self, kind: type[Any]) -> list[Any]:
        return [each for receipts in self.receipts.values() for each in receipts if isinstance(each, kind)]

    def disk(self, path: Path, saved: int = 0, height: int = 0) -> Store:
        """A node's disk with the blocks up to a height (default: all), and one saved state (0: none)."""
        store = Store(path, self.home.network)
        for committed in self.blocks[: height or None]:
            save_committed(StoredBlocks(store), committed)
        if saved:
            store.save_snapshot(saved, self.saved[saved])
        return store


def write_crisis(folder: Path) -> CrisisLog:
    """Play it, and write `genesis.json` and `blocks.log` into the folder."""
    home = crisis_home(folder / "net")
    log = CrisisLog(home, folder)
    log.genesis_file.write_bytes(genesis_to_json(home.genesis))
    with Store(folder / "story.sqlite", home.network) as store:
        station = Station(home, store)

        def note(decided: DecidedHeight) -> None:
            height = decided.header.height
            log.receipts[height] = decided.result.receipts
            log.roots[height] = tuple(decided.header.module_roots)
            if decided.result.snapshot_due:
                log.saved[height] = encode_saved(height, decided.state, station.epochs.record())

        station.application.listen(note)
        decide = station.follow

        def follow(committed: CommittedBlock) -> None:
            log.blocks.append(committed)
            decide(committed)

        station.follow = follow  # type: ignore[method-assign]
        play(StationWorld(station))
        write_block_log(log.log_file, home.network, store.blocks())
    return log


def play(world: StationWorld) -> None:
    """A withdrawal is taken back, the penalty is voted on, Dave is liquidated, Alice defaults."""
    world.bring(alice=45_000, bob=60_000, client=9_000)
    (waits,) = of_kind(world.block(world.withdrawal(CAROL, USDC_1, 5_000 * DOLLAR)), WithdrawalDelayed)
    world.block(world.cancel(CAROL, waits.number))
    world.block(world.perp_trade(ALICE, BOB, LOTS), world.perp_trade(ALICE_CLIENT, CAROL, 4_500))
    world.fund_paid_in()
    proposal = world.propose("market.liquidation_penalty_ppm", NEW_PENALTY_PPM)
    world.block(proposal)
    world.block(world.vote(proposal))
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
