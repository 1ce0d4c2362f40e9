"""Lines of an explanation: what is stated, the arithmetic done again, and whether both agree.

Rule: a line that recomputes says so by `ok`; one that only tells has none. What differs is told with both figures and
never corrected. It knows no receipts.
"""

from collections.abc import Callable, Iterable
from typing import Annotated

from msgspec import Meta

from clearing.base.codec import U32, U63
from member.api.types import Body

Text = Annotated[str, Meta(max_length=4096)]


class Line(Body, frozen=True):
    """One line. `ok`: whether what is stated is what the arithmetic gives; null where there is none."""

    text: Text
    ok: bool | None = None


class ExplainedReceipt(Body, frozen=True):
    """One receipt in words."""

    height: U63
    index: U32
    """Among the receipts of the height."""
    kind: str
    title: Text
    lines: tuple[Line, ...]

    @property
    def ok(self) -> bool:
        """Whether everything that can be computed again comes out as stated."""
        return all(line.ok is not False for line in self.lines)


def plain_line(text: str) -> Line:
    """A line that only tells."""
    return Line(text=text)


def equality_line(text: str, stated: object, found: object) -> Line:
    """`text` ends with what the arithmetic gives; a line that differs says what the receipt states instead."""
    good = stated == found
    return Line(text=f"{text} = {found}" + ("" if good else f"   BUT THE RECEIPT STATES {stated}"), ok=good)


def condition_line(text: str, good: bool) -> Line:
    """A condition that a rule needs."""
    return Line(text=text if good else f"{text}   DOES NOT HOLD", ok=good)


def sensible(words: Callable[[], tuple[str, list[Line]]]) -> tuple[str, list[Line]]:
    """Title and lines of one receipt; of one whose numbers allow no arithmetic, that it is so: a node may say
    anything."""
    try:
        return words()
    except (ArithmeticError, LookupError, ValueError) as fault:
        return "makes no sense", [
            condition_line(f"its numbers can be computed with ({type(fault).__name__})", good=False)
        ]


def formatted(told: Iterable[ExplainedReceipt]) -> str:
    """For a terminal: each receipt under its title, each line with its verdict."""
    lines: list[str] = []
    for each in told:
        lines += [f"height {each.height} #{each.index} {each.kind}: {each.title}"]
        lines += [f"  {_MARKS[line.ok]} {line.text}" for line in each.lines]
        lines += [""]
    return "\n".join(lines[:-1])


_MARKS = {True: "ok  ", False: "FAIL", None: "    "}
