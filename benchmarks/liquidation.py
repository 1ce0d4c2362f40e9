"""How long a block takes in which one in a hundred accounts is liquidated, among ten thousand.

Half of everybody is long, half short; every hundredth account is long, near its margin, and falls below maintenance by
the tick that all are settled at. The goal is apply_block in less than a second on one core, whatever comes before the
house. Run: python -m benchmarks.liquidation [accounts]
"""

import time
from collections.abc import Sequence

import msgspec

from benchmarks.figures import Figure, of_times, print_measured
from clearing.apply_block import apply_block
from clearing.base.secp256k1 import address, recover, sign_digest
from clearing.base.validators import ValidatorSet
from clearing.schema.blocks.block import BlockInput, BlockResult, VoteExtension
from clearing.schema.receipts.liquidation import BackstopTakeover, Liquidated, LiquidationOpened, SliceSold
from clearing.schema.requests.auctions import LiquidationBid
from clearing.schema.terms.genesis import (
    AccountKind,
    AccountTerms,
    CrisisParameters,
    Genesis,
    MarketParameters,
    MemberTerms,
)
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from clearing.state.state import State
from tests.kit.clearing.genesis import BOB, BTC, BTC_PERP, CAROL, DOLLAR, ETH, HOUSE, OWNER, USDC_1, make_genesis
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, reports

FIRST = 10
MARK, FALLEN = 790_000, 720_000
RICH, POOR = 100_000 * DOLLAR, 1_800 * DOLLAR
"""A long position of a thousand lots needs 1,580 dollars at first; after the fall 1,100 are left of a maintenance of
1,152."""
LOTS, PER_BLOCK = 1_000, 500
AUCTION = LiquidationTerms(auction_blocks=20, bidder_share_ppm=500_000)
EARLY = CallTerms(early_ppm=300_000, early_release_ppm=100_000)


def genesis_of(accounts: int, crisis: CrisisParameters, validators: ValidatorSet | None = None) -> Genesis:
    """So many accounts of as many members, and room in a block for all that are liquidated. Without `validators`, they
    are the four of the rulebook's tests, who have no secrets."""
    base = make_genesis(MarketParameters(move_cap_ppm=300_000, liquidations_per_block=accounts))
    more = tuple(
        MemberTerms(each, f"member-{each}", address(secret(each)), (AccountTerms(each, AccountKind.HOUSE),))
        for each in range(FIRST, FIRST + accounts)
    )
    named = base.validators if validators is None else validators
    return msgspec.structs.replace(base, members=(*base.members, *more), crisis=crisis, validators=named)


def filled(accounts: int, crisis: CrisisParameters, validators: ValidatorSet | None = None) -> World:
    """Everybody funded and in a position: even accounts long, odd ones short. `validators` as of `genesis_of`."""
    return filled_of(genesis_of(accounts, crisis, validators), accounts)


def filled_of(genesis: Genesis, accounts: int) -> World:
    """The same under a rulebook of one's own, whose members are those of `genesis_of`."""
    world = World(genesis, check=False)
    ids = range(FIRST, FIRST + accounts)
    world.owner.update({each: each for each in ids})
    prices = ((BTC, MARK), (ETH, 20_000))
    funds = {each: POOR if (each - FIRST) % 100 == 0 else RICH for each in ids}
    funds |= dict.fromkeys((HOUSE, BOB, CAROL), 10**6 * DOLLAR)
    names = sorted(funds)
    for start in range(0, len(names), PER_BLOCK):
        some = names[start : start + PER_BLOCK]
        world.block(facts=[world.deposit_fact(each, USDC_1, funds[each]) for each in some], prices=prices)
    for start in range(0, accounts, 2 * PER_BLOCK):
        some = ids[start : start + 2 * PER_BLOCK]
        pairs = zip(some[::2], some[1::2], strict=True)
        trades = [world.trade(buyer, seller, BTC_PERP, LOTS, MARK) for buyer, seller in pairs]
        world.block(*trades, prices=prices)
    return world


def tick(world: World) -> BlockInput:
    """The block in which the price falls."""
    said = VoteExtension(reports((BTC, FALLEN), (ETH, 20_000), time_ms=world.state.now.time_ms + 1_000))
    return world.make_block(extensions=[said] * 4)


def timed(state: State, block: BlockInput, rounds: int) -> tuple[list[float], BlockResult]:
    """CPU seconds (others may share the core); the state is not changed, so every round does the same."""
    took = []
    for _ in range(rounds):
        started = time.process_time()
        _, result = apply_block(state, block)
        took.append(time.process_time() - started)
    return took, result


def bids(world: World) -> Sequence[LiquidationBid]:
    """One for all that may be taken of every account for sale, their signatures recovered as the mempool does."""
    signed = []
    for at, (account, record) in enumerate(world.state.liquidations.ordered()):
        bidder = (BOB, CAROL)[at % 2]
        until = world.time_ms + 60_000
        bare = LiquidationBid(bidder, account, record.opened_height, 10**9, 0, at + 1, until, bytes(65))
        digest = bare.digest(world.network)
        signed.append(msgspec.structs.replace(bare, signature=sign_digest(secret(OWNER[bidder]), digest)))
        recover(digest, signed[-1].signature)
    return signed


def figure(world: World, block: BlockInput, rounds: int, kind: type, what: str, accounts: int) -> Figure:
    """One figure, with how many of a kind of receipt there were."""
    seconds, result = timed(world.state, block, rounds)
    count = sum(isinstance(each, kind) for each in result.receipts)
    return of_times(f"{count} of {accounts:,} accounts {what}", seconds, goal="< 1000")


def figures(*, quick: bool = False) -> list[Figure]:
    """See `benchmarks.__main__`."""
    return measured(1_000 if quick else 10_000, 2 if quick else 5)


def measured(accounts: int, rounds: int = 5) -> list[Figure]:
    """Taken over by the house, with early calls looked for; by the backstop; opened for sale; sold."""
    found = []
    world = filled(accounts, CrisisParameters())
    found.append(figure(world, tick(world), rounds, Liquidated, "taken over by the house", accounts))
    world = filled(accounts, CrisisParameters(calls=EARLY))
    found.append(figure(world, tick(world), rounds, Liquidated, "so, all judged for early calls", accounts))
    backstop = LiquidationTerms(backstop_account=CAROL, step_ppm=500_000, whole_notional=10**9)
    world = filled(accounts, CrisisParameters(liquidation=backstop))
    found.append(figure(world, tick(world), rounds, BackstopTakeover, "taken over by the backstop", accounts))
    world = filled(accounts, CrisisParameters(liquidation=AUCTION))
    found.append(figure(world, tick(world), rounds, LiquidationOpened, "put up for sale", accounts))
    world.apply(tick(world))
    found.append(figure(world, world.make_block(bids(world)), rounds, SliceSold, "sold to bidders", accounts))
    return found


if __name__ == "__main__":
    print_measured(measured, 10_000)
