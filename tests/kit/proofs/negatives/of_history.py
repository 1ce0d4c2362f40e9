"""Moves of history that say something else than the rows, or whose expected shortfall nothing requires."""

from collections.abc import Iterator

import msgspec

from clearing.margin.statement.rulebook import write_rulebook
from clearing.margin.statement.snapshot import Row, SlotKind
from clearing.schema.risk.history import HistoricalRequirement
from clearing.schema.risk.parameters import JointCredit
from tests.kit.proofs import stressed
from tests.kit.proofs.counted import BOOK, MEMBERS
from tests.kit.proofs.negatives.making import read, refused, replace, stating
from tests.kit.proofs.vector_files import Vector
from tests.kit.proofs.write_vectors import EVERY_RULE, MOVES, proven_with_counted_scalars, rulebook_of_history

BASE = "history.ccp"
DIFFERS, UNREAD, UNSHAPED = ("rules", "RULES_DIFFER"), ("rules", "BAD_STATEMENT"), ("statement", "BAD_STATEMENT")


def vectors() -> Iterator[Vector]:
    """Certified by a quorum that plays along, all of them."""
    price, level = _bent(price_ppm=-251_002), _bent(volatility_ppm=400_000)
    yield refused("bent-price-of-history", "a past move is a millionth smaller; the rows are as they were", *DIFFERS,
                  _stated(price), base=BASE)  # fmt: skip
    yield refused("bent-volatility-of-history", "volatility moves by 1.2 % less; the rows are as they were",
                  *DIFFERS, _stated(level), base=BASE)  # fmt: skip
    yield refused("no-history", "the moves of history are left out; the rows are as they were", *DIFFERS,
                  _stated(HistoricalRequirement()), base=BASE)  # fmt: skip
    first, *rest = MOVES.scenarios
    yield refused("history-that-does-not-rise", "the first of the past moves is the last", *UNREAD,
                  _stated(replace(MOVES, scenarios=(*rest, first))), base=BASE)  # fmt: skip
    deep = replace(first, moves=(replace(first.moves[0], price_ppm=-3_000_001), first.moves[1]))
    yield refused("history-beyond-three-times-the-price", "a price falls by more than three times itself", *UNREAD,
                  _stated(replace(MOVES, scenarios=(deep, *rest))), base=BASE)  # fmt: skip
    yield refused("history-beside-a-credit", "there are joint scenarios of the grid, too", *UNREAD,
                  _stated(MOVES, EVERY_RULE.joint), base=BASE)  # fmt: skip
    yield from _unshaped()


def _unshaped() -> Iterator[Vector]:
    stated = read(BASE).statement
    without = tuple(row for row in stated.rows if row.name != "groups-history")
    yield refused("history-that-is-not-required", "the row `groups-history` is left out", *UNSHAPED,
                  stating(BASE, rows=without), base=BASE)  # fmt: skip
    slots = tuple(replace(slot, kind=SlotKind.AUXILIARY) if _of_history(slot.name) else slot for slot in stated.slots)
    yield refused("history-as-a-credit", "the slots of past moves are AUXILIARY", *UNSHAPED,
                  stating(BASE, slots=slots), base=BASE)  # fmt: skip
    places = {slot.name: at for at, slot in enumerate(stated.slots)}
    half = Row("groups-history", without[0].kind, ((places["joint"], -1), (places["groups"], 2)))
    rows = tuple(half if row.name == "groups-history" else row for row in stated.rows)
    yield refused("half-of-history", "half of the expected shortfall is required", *UNSHAPED,
                  stating(BASE, rows=rows), base=BASE)  # fmt: skip
    one = next(at for at, slot in enumerate(stated.slots) if _of_history(slot.name))
    mixed = tuple(replace(slot, kind=SlotKind.AUXILIARY) if at == one else slot for at, slot in enumerate(stated.slots))
    yield refused("history-in-part", "the slot of the first past move is AUXILIARY", *UNSHAPED,
                  stating(BASE, slots=mixed), base=BASE)  # fmt: skip


def _of_history(name: str) -> bool:
    return name.startswith("history:")


def _bent(**changes: int) -> HistoricalRequirement:
    """The moves of history with the first one changed."""
    first, *rest = MOVES.scenarios
    bent = replace(first, moves=(replace(first.moves[0], **changes), first.moves[1]))
    return replace(MOVES, scenarios=(bent, *rest))


def _stated(history: HistoricalRequirement, joint: JointCredit = JointCredit()) -> bytes:  # noqa: B008 - frozen
    """The package whose rows are of the moves of history, and whose rulebook says these."""
    book = rulebook_of_history()
    other = replace(book, parameters=replace(book.parameters, history=history, joint=joint))
    shot = stressed.snapshot_of(BOOK, MEMBERS, book)
    stated = msgspec.structs.replace(shot.statement, rules=write_rulebook(other))
    return proven_with_counted_scalars(replace(shot, statement=stated))
