"""Price paths: what the market does, which no colluder controls. The same paths for every candidate.

Rule: a path is the index in ticks, a block an entry. In `ALL` the index is a martingale: at every block the weighted
mean of the next price is the price. So no exposure that is decided without knowing the future gains anything on
average, and what is gained on average is taken from somebody.
"""

from dataclasses import dataclass

START = 790_000
BLOCKS = 16
"""Blocks in which colluders act."""
FIRST_MOVE = 3
"""The first block with another price than the start."""
SECOND_MOVE = 9
PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class PricePath:
    """One path. `weight_ppm`: its probability. `jumps`: whether it moves further than margin covers."""

    name: str
    weight_ppm: int
    ticks: tuple[int, ...]
    jumps: bool = False

    def moves_after(self, block: int) -> bool:
        """Whether the index changes in this block or later."""
        return len(set(self.ticks[block - 1 :])) > 1


def _path(name: str, weight_ppm: int, moves: dict[int, int], *, jumps: bool = False, blocks: int = BLOCKS) -> PricePath:
    """`moves`: by block, the change in ticks."""
    ticks, at = [], START
    for block in range(blocks):
        at += moves.get(block, 0)
        ticks.append(at)
    return PricePath(name, weight_ppm, tuple(ticks), jumps)


CALM_TICKS = START * 8 // 100
"""A move of 8 %, twice: together no more than maintenance margin, which is 16 %."""
JUMP_TICKS = START * 40 // 100
"""A move of 40 % between two blocks: twice initial margin. So a feed reopens after a halt."""


def _jump(weight_ppm: int, sign: int) -> PricePath:
    return _path("rally" if sign > 0 else "crash", weight_ppm, {FIRST_MOVE: sign * JUMP_TICKS}, jumps=True)


def _covered(weight_ppm: int) -> tuple[PricePath, ...]:
    """Four paths within what margin covers, equally likely."""
    return tuple(
        _path(
            f"{'up' if first > 0 else 'down'}, {'up' if second > 0 else 'down'}",
            weight_ppm // 4,
            {FIRST_MOVE: first * CALM_TICKS, SECOND_MOVE: second * CALM_TICKS},
        )
        for first in (1, -1)
        for second in (1, -1)
    )


STILL = (_path("still", PPM, {}, blocks=48),)
COVERED = _covered(PPM)
CRASH = (_jump(PPM, -1),)
BOTH_JUMPS = (_jump(PPM // 2, -1), _jump(PPM // 2, 1))
THERE_AND_BACK = (
    _path("crash and back", PPM, {FIRST_MOVE: -JUMP_TICKS, 8: 210_000, SECOND_MOVE: 300_000}, jumps=True),
)
"""Who gained in the crash loses it, and more, before the default of who lost in it has ended."""
TAKEOVER_MOVE = 13
"""A block in which nobody has answered a call of the first move, and the house has taken positions over."""
FALL_TICKS = START * 16 // 100
FALLS = tuple(
    _path(
        f"down, {'up' if second > 0 else 'down'}",
        PPM // 2,
        {FIRST_MOVE: -FALL_TICKS, TAKEOVER_MOVE: second * FALL_TICKS},
        blocks=20,
    )
    for second in (1, -1)
)
"""A fall within initial margin, after which a call lapses, then a move up or down within it: no exposure that is
decided after the first gains on average."""
JUMP_PPM = 200
"""Probability of a jump in each direction: once in 5,000. Whoever risks no more than margin loses at most 20 % less
than the move, which on average is less than the trade fee of a hundredth of a percent. `docs/explanation/adversary.md`
computes it."""
ALL = (*_covered(PPM - 2 * JUMP_PPM), _jump(JUMP_PPM, -1), _jump(JUMP_PPM, 1))
