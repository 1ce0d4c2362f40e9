"""The events of decided blocks, in order, encoded once for all streams that show them.

Rule: the events of a block are counted from its header and its receipts alone, in one order: a cursor means the same at
every node. What several readers may see alike is encoded once for all of them; where other members' accounts are
masked, once for each member. How many blocks and receipts are kept is bounded, and nothing is encoded that nobody
reads.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from types import ModuleType
from typing import Any, NamedTuple

import msgspec

from clearing.base.header import Header
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.receipts import collateral, governance
from clearing.schema.receipts import margin_calls as calls
from member.api.receipts import ReceiptAt
from member.api.streams import Cursor, HeightNews, MarksNews
from member.api.types import hexed
from member.explaining.receipt_index import DEFAULTS, FUNDS, LIQUIDATIONS, Masks, masked, receipt_accounts
from node.api.receipts import receipt_view

BLOCKS_KEPT = 1024
RECEIPTS_KEPT = 65_536
"""In all blocks together; the newest block is kept however many it has."""
ENCODED_BLOCKS = 32
"""The newest blocks keep what was encoded of them."""
ANYBODY = -1
"""The viewer of what is not masked."""
CALLS = frozenset(
    (
        calls.MarginCalled,
        calls.MarginRestored,
        calls.EarlyCalled,
        calls.CallDeadlineSet,
        calls.CallMet,
        calls.CallLapsed,
        collateral.CashCalled,
        collateral.CashCallMet,
    )
)
EPOCHS = frozenset((collateral.EpochClosed,))
_OF_ACCOUNTS = ("VaultLiability", "SuspenseAssigned")


def _kinds_of(module: ModuleType) -> frozenset[type]:
    """The receipts of a module."""
    found = (each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__)
    return frozenset(each for each in found if each.__struct_config__.tag is not None)  # type: ignore[attr-defined]


GOVERNANCE = frozenset(each for each in _kinds_of(governance) if each.__name__ not in _OF_ACCOUNTS)
"""What everybody may read."""
MASKED_TOPICS = frozenset(("calls", "liquidations", "defaults", "fund", "receipts"))


@cache
def topics_of(kind: type[Receipt]) -> tuple[str, ...]:
    """The topics under which a kind of receipt is shown, beside those of the accounts that it names."""
    topics = {
        "calls": kind in CALLS,
        "liquidations": kind in LIQUIDATIONS and kind not in CALLS,
        "defaults": kind in DEFAULTS,
        "fund": kind in FUNDS,
        "epochs": kind in EPOCHS,
        "governance": kind in GOVERNANCE,
    }
    return tuple(topic for topic, applies in topics.items() if applies)


class Event(NamedTuple):
    """An event of a block: its number, its topic, and the receipt that it shows, or None."""

    number: int
    topic: str
    position: int | None


@dataclass(frozen=True)
class Viewer:
    """Who reads: a member, or anybody; `masks` are the member's names for accounts."""

    member: int
    masks: Callable[[], Masks]


Line = tuple[int | None, bytes]
"""The number of an event and its frame as JSON; no number for a frame after which a stream cannot go on."""


class StreamBlock:
    """One block as streams show it."""

    def __init__(
        self, header: Header, receipts: tuple[Receipt, ...], marks: MarksNews | None, decided_at: float = 0.0
    ) -> None:
        """`marks`: those that it changed; None for none. `decided_at`: on the clock of the event loop."""
        self.height = header.height
        self.decided_at = decided_at
        self.receipts = receipts
        self._header, self._marks = header, marks
        self._lines: dict[tuple[str, int], tuple[Line, ...]] = {}
        self._joined: dict[object, Any] = {}

    @cached_property
    def _events(self) -> dict[str, list[Event]]:
        """By topic, each in order."""
        found: dict[str, list[Event]] = {"heights": [Event(0, "heights", None)], "marks": [Event(1, "marks", None)]}
        index = 2
        for position, receipt in enumerate(self.receipts):
            accounts = (f"receipts:{account}" for account in receipt_accounts(receipt))
            for topic in (*topics_of(type(receipt)), *accounts):
                found.setdefault(topic, []).append(Event(index, topic, position))
                index += 1
        self._count = index
        return found

    @property
    def last(self) -> Cursor:
        """The cursor of its last event."""
        _ = self._events
        return Cursor(self.height, self._count - 1)

    def lines(self, topic: str, viewer: Viewer) -> tuple[Line, ...]:
        """The frames of a topic, in order."""
        member = viewer.member if topic.partition(":")[0] in MASKED_TOPICS else ANYBODY
        found = self._lines.get((topic, member))
        if found is None:
            found = tuple(self._encoded(self._events.get(topic, ()), viewer))
            self._lines[(topic, member)] = found
        return found

    def all_lines(self, topics: tuple[str, ...], viewer: Viewer, after: int = -1) -> list[Line]:
        """The frames of several topics beyond an event, in order."""
        found = (line for topic in topics for line in self.lines(topic, viewer) if _number(line) > after)
        return sorted(found, key=_number)

    def joined(self, key: object, make: Callable[[], Any]) -> Any:
        """What `make` makes of the block for all readers of this key, once."""
        if key not in self._joined:
            self._joined[key] = make()
        return self._joined[key]

    def forget_encoded(self) -> None:
        """It can be made again."""
        self._lines.clear()
        self._joined.clear()

    def _encoded(self, events: "list[Event] | tuple[()]", viewer: Viewer) -> Iterator[Line]:
        for index, topic, position in events:
            data = self._data(topic, position, viewer)
            if data is not None:
                yield index, frame(topic, Cursor(self.height, index), "delta", msgspec.json.encode(data))

    def _data(self, topic: str, position: int | None, viewer: Viewer) -> object:
        if position is None:
            return self._marks if topic == "marks" else height_news(self._header, len(self.receipts))
        receipt = self.receipts[position]
        if topic.partition(":")[0] in MASKED_TOPICS:
            receipt = masked(receipt, viewer.masks())
        return receipt_view(ReceiptAt(self.height, position, receipt))


def height_news(header: Header, receipts: int) -> HeightNews:
    """A height as `heights` shows it."""
    return HeightNews(
        height=header.height,
        time_ms=header.time_ms,
        header_hash=hexed(header.hash),
        state_root=hexed(header.state_root),
        epoch=header.epoch,
        receipts=receipts,
    )


def _number(line: Line) -> int:
    return -1 if line[0] is None else line[0]


def frame(topic: str, cursor: Cursor | None, kind: str, data: bytes) -> bytes:
    """A frame whose data is encoded already; without a cursor a stream cannot go on after it."""
    place = b"" if cursor is None else b"%d:%d" % (cursor.height, cursor.index)
    return b'{"topic":"%b","cursor":"%b","kind":"%b","data":%b}' % (topic.encode(), place, kind.encode(), data)


class StreamLog:
    """The newest blocks, in order, without a gap."""

    def __init__(self) -> None:
        self._blocks: deque[StreamBlock] = deque()
        self._receipts = 0

    def add(self, block: StreamBlock) -> None:
        """The next block; one that is no successor begins the log anew."""
        if self._blocks and block.height != self._blocks[-1].height + 1:
            self._blocks.clear()
            self._receipts = 0
        self._blocks.append(block)
        self._receipts += len(block.receipts)
        while len(self._blocks) > 1 and (len(self._blocks) > BLOCKS_KEPT or self._receipts > RECEIPTS_KEPT):
            self._receipts -= len(self._blocks.popleft().receipts)
        if len(self._blocks) > ENCODED_BLOCKS:
            self._blocks[-1 - ENCODED_BLOCKS].forget_encoded()

    @property
    def first_height(self) -> int:
        """Of the oldest block that is kept; 0 for none."""
        return self._blocks[0].height if self._blocks else 0

    @property
    def newest(self) -> StreamBlock | None:
        """The newest block."""
        return self._blocks[-1] if self._blocks else None

    def block(self, height: int) -> StreamBlock | None:
        """The block of a height, if it is kept."""
        at = height - self.first_height
        return self._blocks[at] if self._blocks and 0 <= at < len(self._blocks) else None
