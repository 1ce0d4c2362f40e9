"""How long blocks take in which one in a hundred members is in default, among ten thousand, to the last default's end.

Everybody as in `benchmarks.liquidation`; the price falls so far that every hundredth owes more than it has, and the
gains of everybody short bear it. The goal is apply_block in less than a second on one core, in the worst of these
blocks.
Run: python -m benchmarks.defaults [accounts]
"""

from benchmarks.figures import Figure, of_times, print_measured
from benchmarks.liquidation import filled, timed
from clearing.context.unresolved_losses import defaults_under_way
from clearing.schema.blocks.block import VoteExtension
from clearing.schema.receipts.default import DefaultDeclared, DefaultEnded
from clearing.schema.terms.default import DefaultTerms
from clearing.schema.terms.genesis import CrisisParameters
from tests.kit.clearing.genesis import BTC, ETH
from tests.kit.clearing.world import World, reports

FALLEN = 600_000
"""A thousand lots lose 1,900 dollars, of 1,800."""


def figures(*, quick: bool = False) -> list[Figure]:
    """See `benchmarks.__main__`."""
    return measured(1_000 if quick else 10_000)


def measured(accounts: int) -> list[Figure]:
    """The block that declares them all, and the worst of those that end them."""
    world = filled(accounts, CrisisParameters(default=DefaultTerms(enabled=True)))
    took, declared, ended = [_next(world)], 0, 0
    for receipt in world.results[-1].receipts:
        declared += isinstance(receipt, DefaultDeclared)
    while defaults_under_way(world.state):
        took.append(_next(world))
    for result in world.results:
        ended += sum(isinstance(each, DefaultEnded) for each in result.receipts)
    return [
        of_times(f"{declared} of {accounts:,} members declared in default", took[:1], goal="< 1000"),
        of_times(f"{ended} defaults ended in {len(took)} blocks, the worst", [max(took)], goal="< 1000"),
    ]


def _next(world: World) -> float:
    """Apply the next block at the fallen price; its CPU seconds."""
    said = VoteExtension(reports((BTC, FALLEN), (ETH, 20_000), time_ms=world.state.now.time_ms + 1_000))
    block = world.make_block(extensions=[said] * 4)
    (seconds,), _ = timed(world.state, block, 1)
    world.apply(block)
    return seconds


if __name__ == "__main__":
    print_measured(measured, 10_000)
