"""How long a block takes: 1,000 trades, a price tick over many holders, and the roots.

Signatures are recovered beforehand, as the mempool does when a trade arrives; the goal is apply_block with 1,000 trades
in less than 300 ms on one core. Run: python -m benchmarks.apply_block [accounts]
"""

import time
from unittest.mock import patch

import msgspec

from benchmarks.figures import Figure, of_times, print_measured
from clearing.apply_block import apply_block
from clearing.base.secp256k1 import address, recover, sign_digest
from clearing.context.block_context import BlockContext
from clearing.margin_calls.margin_calls import check_margins
from clearing.schema.blocks.block import BlockInput, BlockResult, VoteExtension
from clearing.schema.requests.trades import TradeReport, VenueMandate
from clearing.schema.terms.genesis import AccountKind, AccountTerms, Genesis, MemberTerms, VenueTerms
from clearing.state.state import State
from tests.kit.clearing.genesis import BTC, DOLLAR, ETH, USDC_1, make_genesis
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, reports

TRADES = 1_000
VENUE, VENUE_SECRET, NONE = 7, b"\x07" * 32, bytes(65)


def big_genesis(accounts: int) -> Genesis:
    base = make_genesis()
    more = tuple(
        MemberTerms(each, f"member-{each}", address(secret(each)), (AccountTerms(each, AccountKind.HOUSE),))
        for each in range(10, 10 + accounts)
    )
    venue = VenueTerms(VENUE, "benchmark", address(VENUE_SECRET))
    return msgspec.structs.replace(base, members=(*base.members, *more), venues=(venue,))


def filled(accounts: int) -> World:
    """Everybody funded, and with a position in every marked instrument."""
    world = World(big_genesis(accounts), check=False)
    ids = range(10, 10 + accounts)
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


def timed(state: State, block: BlockInput, rounds: int = 5) -> tuple[list[float], BlockResult]:
    """CPU seconds (others may share the core); the state is not changed, so every round does the same."""
    took = []
    for _ in range(rounds):
        started = time.process_time()
        _, result = apply_block(state, block)
        took.append(time.process_time() - started)
    return took, result


def figures(*, quick: bool = False) -> list[Figure]:
    """See `benchmarks.__main__`."""
    return [*measured(100 if quick else 400), *margined(400 if quick else 4_000)]


def margined(accounts: int) -> list[Figure]:
    """Margins alone, within a block in which every account's prices move and one in which a few trade."""
    world = filled(accounts)
    said = VoteExtension(reports((BTC, 789_000), (ETH, 19_900), time_ms=world.state.now.time_ms + 1_000))
    mark = world.state.marks[1].ticks
    trades = [world.trade(10 + each, 20 + each, 1, 1, mark) for each in range(5)]
    found = []
    for name, block in (
        (f"margins of {accounts:,} accounts, both feeds move", world.make_block(extensions=[said] * 4)),
        (f"margins in a block of 5 trades, {accounts:,} accounts", world.make_block(trades)),
    ):
        took: list[float] = []

        def timed_margins(context: BlockContext, took: list[float] = took) -> None:
            started = time.process_time()
            check_margins(context)
            took.append(time.process_time() - started)

        with patch("clearing.apply_block.check_margins", timed_margins):
            timed(world.state, block, 7)
        found.append(of_times(name, took, goal="< 25"))
    return found


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
    found = [of_times(f"block of {TRADES} trades ({novated} novated), {accounts} accounts", seconds, goal="< 300")]

    found.append(venue_trades(world, ids))

    said = VoteExtension(reports((BTC, 789_000), (ETH, 19_900), time_ms=world.state.now.time_ms + 1_000))
    seconds, result = timed(world.state, world.make_block(extensions=[said] * 4))
    found.append(of_times("price tick of both feeds, all settled and margined", seconds))
    seconds, _ = timed(world.state, world.make_block())
    found.append(of_times("empty block", seconds))
    return found


def venue_trades(world: World, ids: range) -> Figure:
    """As many trades that a venue reports for accounts that gave it a mandate, kept for its statement."""
    mandates = []
    for each in ids:
        bare = VenueMandate(each, VENUE, 100, 2**60, 2**61, world.time_ms + 86_400_000, 1, world.time_ms + 60_000, NONE)
        mandates.append(msgspec.structs.replace(bare, signature=sign_digest(secret(each), bare.digest(world.network))))
    world.block(*mandates, prices=((BTC, 790_000), (ETH, 20_000)))
    trades = []
    for each in range(TRADES):
        instrument, count = (1, 2, 4)[each % 3], len(ids)
        buyer, seller, price = ids[each % count], ids[(7 * each + 1) % count], world.state.marks[instrument].ticks
        now = world.time_ms
        lots, until = 1 + each % 5, now + 60_000
        report = TradeReport(VENUE, each, buyer, seller, instrument, lots, price, now, 0, until, b"", b"", b"")
        digest = report.digest(world.network)
        trades.append(msgspec.structs.replace(report, venue_signature=sign_digest(VENUE_SECRET, digest)))
        recover(digest, trades[-1].venue_signature)
    seconds, result = timed(world.state, world.make_block(trades))
    novated = sum(type(each).__name__ == "TradeNovated" for each in result.receipts)
    return of_times(f"block of {TRADES} trades of a venue by mandate ({novated} novated)", seconds, goal="< 300")


if __name__ == "__main__":
    print_measured(measured, 400)
