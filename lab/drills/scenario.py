"""`DrillScenario`: who is in default, how prices move, and who bids.

Rule: moves are in millionths of the index in the state that the drill begins with, one of a feed in each block; the
last one stays. Names are those of genesis. It must not know how blocks are made.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from clearing.base.errors import LocalFault
from clearing.base.ids import HOUSE_MEMBER
from clearing.base.units import PPM
from clearing.context.member_status import member_status
from clearing.schema.records.default import MemberStatus
from clearing.state.state import State
from member.codes import NodeCode

STEPS_MAX = 1_000
_PERCENT = re.compile(r"[+-]?[0-9]{1,6}(\.[0-9]{1,4})?%?")


@dataclass(frozen=True, slots=True)
class FeedMoves:
    """The moves of one index, block after block."""

    feed: int
    moves_ppm: tuple[int, ...]
    """Of the index that the drill begins with: -300_000 is 30 % below it."""

    def ticks(self, begin: int, block: int) -> int:
        """The index in a block of the drill, counted from 0; rounded down, at least one tick."""
        return max(begin * (PPM + self.moves_ppm[min(block, len(self.moves_ppm) - 1)]) // PPM, 1)


@dataclass(frozen=True, slots=True)
class DrillScenario:
    """What the drill assumes."""

    member: int
    moves: tuple[FeedMoves, ...] = ()
    bid_ppm: int | None = None
    """What every other member asks for a slice, in millionths of its initial margin; None: nobody bids."""
    force_after: int | None = 0
    """The member is declared in default so many blocks after the last move, if it is not by itself; None: never."""
    blocks_max: int = 500
    block_ms: int = 1_000

    @property
    def steps(self) -> int:
        """Blocks until the last move."""
        return max((len(move.moves_ppm) for move in self.moves), default=0)


def find_member(state: State, name: str) -> int:
    """The member of a name or number in genesis. Raises LocalFault DRILL_SCENARIO."""
    names = {member.name: member.id for member in state.terms.genesis.members}
    found = names.get(name, int(name) if name.isascii() and name.isdigit() and len(name) < 19 else None)
    if found is None or found not in state.members:
        raise LocalFault(NodeCode.DRILL_SCENARIO, "member", member=name, known=", ".join(sorted(names)))
    return found


def check_member(state: State, member: int) -> None:
    """Whether this member can be in default at all. Raises LocalFault DRILL_SCENARIO."""
    why = ""
    if member == HOUSE_MEMBER:
        why = "the house is no member that defaults"
    elif not state.terms.crisis.default.enabled:
        why = "crisis.default.enabled is off: the house pays every deficit"
    elif member_status(state, member) in (MemberStatus.DEFAULTED, MemberStatus.LEFT):
        why = "it has left or defaulted already"
    if why:
        raise LocalFault(NodeCode.DRILL_SCENARIO, "member", member=member, why=why)


def read_moves(state: State, texts: Sequence[str]) -> tuple[FeedMoves, ...]:
    """Moves written as FEED=PERCENT,PERCENT,...; FEED is a name or number. Raises LocalFault DRILL_SCENARIO."""
    feeds = {feed.name.lower(): feed.id for feed in state.terms.genesis.feeds}
    feeds |= {str(feed.id): feed.id for feed in state.terms.genesis.feeds}
    found: dict[int, FeedMoves] = {}
    for text in texts:
        name, equals, steps = text.partition("=")
        feed = feeds.get(name.strip().lower())
        if not equals or feed is None or feed in found:
            raise LocalFault(NodeCode.DRILL_SCENARIO, "move", move=text, known=", ".join(sorted(feeds)))
        moves = tuple(percent_ppm(step.strip(), text) for step in steps.split(","))
        if len(moves) > STEPS_MAX:
            raise LocalFault(NodeCode.DRILL_SCENARIO, "move", steps=len(moves), most=STEPS_MAX)
        found[feed] = FeedMoves(feed, moves)
    return tuple(found[feed] for feed in sorted(found))


def percent_ppm(percent: str, whole: str) -> int:
    """Per cent above -100 with at most four decimals, in millionths. Raises LocalFault DRILL_SCENARIO with `whole`."""
    ppm = int(Decimal(percent.rstrip("%")) * 10_000) if _PERCENT.fullmatch(percent) else -PPM
    if ppm <= -PPM:
        raise LocalFault(NodeCode.DRILL_SCENARIO, "move", move=whole, why="percentages are above -100")
    return ppm
