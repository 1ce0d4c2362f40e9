"""How long a block takes: 1,000 trades, a price tick over many holders, and the roots.

Signatures are recovered beforehand, as the mempool does when a trade arrives; the goal is apply_block with 1,000 trades
in less than 300 ms on one core. Run: python -m benchmarks.apply_block [accounts]
"""

import sys
import time

import msgspec

from benchmarks.figures import Figure, of_times
from clearing.apply_block import apply_block
from clearing.base.secp256k1 import recover
from clearing.blocks import Block, BlockResult
from clearing.extension import VoteExtension
from clearing.genesis import AccountKind, AccountTerms, Genesis, MemberTerms
from clearing.state import State
from tests.clearing.state.world import BTC, DOLLAR, ETH, OWNER, USDC_1, World, address, make_genesis, reports, secret

TRADES = 1_000


def big_genesis(accounts: int) -> Genesis:
    base = make_genesis()
    more = tuple(
        MemberTerms(each, f"member-{each}", address(secret(each)), (AccountTerms(each, AccountKind.HOUSE),))
        for each in range(10, 10 + accounts)
    )
    return msgspec.structs.replace(base, members=(*base.members, *more))


def filled(accounts: int) -> World:
    """Everybody funded, and with a position in every marked instrument."""
    world = World(big_genesis(accounts), check=False)
    ids = range(10, 10 + accounts)
    OWNER.update({each: each for each in ids})
    world.prices(790_000)
    for start in range(0, accounts, 500):
        some = ids[start : start + 500]
        world.block(facts=[world.deposit_fact(each, USDC_1, 100_000 * DOLLAR) for each in some])
    for instrument in (1, 2, 4):
        for start in range(0, accounts, 1_000):
            some = ids[start : start + 1_000]
            price = world.state.marks[instrument].ticks
            pairs = zip(some[::2], some[1::2], strict=False)
            world.block(
                *(world.trade(buyer, seller, instrument, 100, price) for buyer, seller in pairs),
                prices=((BTC, 790_000), (ETH, 20_000)),
            )
    return world


def timed(state: State, block: Block, rounds: int = 5) -> tuple[list[float], BlockResult]:
    """CPU seconds (others may share the core); the state is not changed, so every round does the same."""
    took = []
    for _ in range(rounds):
        started = time.process_time()
        _, result = apply_block(state, block)
        took.append(time.process_time() - started)
    return took, result


def figures(*, quick: bool = False) -> list[Figure]:
    """See `benchmarks.__main__`."""
    return measured(100 if quick else 400)


def measured(accounts: int) -> list[Figure]:
    """A block of trades, a price tick, and nothing."""
    world = filled(accounts)
    ids = range(10, 10 + accounts)
    trades = []
    for each in range(TRADES):
        instrument = (1, 2, 4)[each % 3]
        price = world.state.marks[instrument].ticks
        buyer, seller = ids[each % accounts], ids[(7 * each + 1) % accounts]
        trades.append(world.trade(buyer, seller, instrument, 1 + each % 5, price + each % 50))
    for trade in trades:
        digest = trade.digest(world.network)
        recover(digest, trade.buyer_signature)
        recover(digest, trade.seller_signature)
    block = world.make_block(trades)
    seconds, result = timed(world.state, block)
    novated = sum(type(each).__name__ == "TradeNovated" for each in result.receipts)
    told = [
        of_times(f"block of {TRADES} trades ({novated} novated), {accounts} accounts", seconds, goal="< 300"),
    ]

    said = VoteExtension(reports((BTC, 789_000), (ETH, 19_900), time_ms=world.state.now.time_ms + 1_000))
    seconds, result = timed(world.state, world.make_block(extensions=[said] * 4))
    told.append(of_times("price tick of both feeds, all settled and margined", seconds))
    seconds, _ = timed(world.state, world.make_block())
    told.append(of_times("empty block", seconds))
    return told


def main() -> None:
    for figure in measured(int(sys.argv[1]) if len(sys.argv) > 1 else 400):
        print(figure.line())


if __name__ == "__main__":
    main()
