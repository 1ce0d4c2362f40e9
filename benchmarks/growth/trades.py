"""One block with more and more trades, on a thousand accounts: executing it, writing it, and what it leaves.

Rule: signatures are recovered beforehand, as the pool does when a trade arrives, and counted as a cost of their own.
"""

import time
from collections.abc import Callable, Sequence
from statistics import median

from benchmarks.growth.series import Point, Series
from benchmarks.liquidation import filled
from clearing.apply_block import apply_block
from clearing.base.codec import decode, encode
from clearing.base.secp256k1 import recover
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.requests.trades import Trade
from clearing.schema.terms.genesis import CrisisParameters
from node.agreement.application import PAYLOAD_BYTES_MAX, Payload, encode_payload
from tests.kit.clearing.genesis import BTC_PERP
from tests.kit.clearing.world import World

SIZES = (10, 100, 1_000, 10_000)
ACCOUNTS, FIRST = 1_000, 10
ROUNDS = 5
MIB = float(1 << 20)

COSTS = {
    "recovering its signers": (
        "ms",
        1_000.0,
        "Each node recovers each signer once. Venues that sign for mandated accounts halve it; or more cores.",
    ),
    "executing it": ("ms", 1_000.0, "Blocks are bounded by bytes; trades of disjoint accounts could run side by side."),
    "decoding its payload": ("ms", 100.0, "Nodes have most trades before the block comes."),
    "its payload": ("KiB", 1_024.0, "`consensus.block_bytes_max`: the rest waits for the next block, by admission."),
    "its receipts": ("KiB", 4_096.0, "Receipts are written beside the heights; keep fewer of them."),
}


def _cpu_ms(what: Callable[[], object]) -> float:
    took = []
    for _ in range(ROUNDS):
        began = time.process_time()
        what()
        took.append(1000 * (time.process_time() - began))
    return median(took)


def _signed(world: World, count: int) -> list[Trade]:
    ids, mark = range(FIRST, FIRST + ACCOUNTS), world.state.marks[BTC_PERP].ticks
    return [
        world.trade(ids[each % ACCOUNTS], ids[(7 * each + 1) % ACCOUNTS], BTC_PERP, 1 + each % 5, mark + each % 50)
        for each in range(count)
    ]


def costs(world: World, count: int) -> dict[str, float]:
    """Of one block with so many trades. The state stays as it is."""
    trades = _signed(world, count)
    signed = [(trade.digest(world.network), trade) for trade in trades]
    began = time.process_time()
    for digest, trade in signed:
        recover(digest, trade.buyer_signature)
        recover(digest, trade.seller_signature)
    recovered = 1000 * (time.process_time() - began)
    block, payload = world.make_block(trades), encode_payload(tuple(trades))
    _, result = apply_block(world.state, block)
    novated = sum(isinstance(each, TradeNovated) for each in result.receipts)
    if novated != count:
        raise ValueError(f"{novated} of {count} trades were novated")
    return {
        "recovering its signers": recovered,
        "executing it": _cpu_ms(lambda: apply_block(world.state, block)),
        "decoding its payload": _cpu_ms(lambda: decode(payload, Payload, PAYLOAD_BYTES_MAX)),
        "its payload": len(payload) / 1024,
        "its receipts": sum(len(encode(each)) for each in result.receipts) / 1024,
    }


def series(sizes: Sequence[int] = SIZES) -> list[Series]:
    """All sizes on one state."""
    world = filled(ACCOUNTS, CrisisParameters())
    found = {count: costs(world, count) for count in sizes}
    return [
        Series("trades", name, unit, tuple(Point(count, cost[name]) for count, cost in found.items()), limit, remedy)
        for name, (unit, limit, remedy) in COSTS.items()
    ]
