"""Explanations of receipts: names and terms, and lines with what is stated, the arithmetic, and whether both agree.

Rule: a line that recomputes a figure has `ok`; a line of plain text has none. A difference is shown with both figures
and never corrected. The arithmetic itself is in the file of its subject.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, TypeAlias, TypeVar

from msgspec import Meta

from clearing.base.codec import U32, U63
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import PPM
from clearing.genesis.effective_terms import Terms
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from clearing.state.account_masks import MASKED
from clearing.state.ledger import FUND_ACCOUNT, ROUNDING_ACCOUNT
from member.api.receipts import ReceiptAt
from member.api.types import Body

_ROLES = {HOUSE_ACCOUNT: "the house", FUND_ACCOUNT: "the default fund", ROUNDING_ACCOUNT: "the rounding account"}


@dataclass(frozen=True, slots=True)
class Rates:
    """Terms in force that receipts do not repeat."""

    penalty_ppm: int
    maintenance: tuple[int, int]
    calls: CallTerms
    liquidation: LiquidationTerms
    observation_ms: int
    """The interval that variances are of."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Instruments by id, and the rates, where they are known."""

    names: dict[int, str] = field(default_factory=dict)
    micros_per_tick: dict[int, int] = field(default_factory=dict)
    cash_groups: dict[int, int] = field(default_factory=dict)
    """Of instruments."""
    rates: Rates | None = None

    def instrument(self, instrument: int) -> str:
        """Its name, or its number."""
        return self.names.get(instrument, f"instrument {instrument}")

    def notional(self, instrument: int, lots: int, ticks: int) -> int | None:
        """Micros of the absolute value of lots at a price; None for an instrument that is not known."""
        micros = self.micros_per_tick.get(instrument)
        return None if micros is None else abs(lots) * ticks * micros


def listing_of(terms: Terms) -> Listing:
    """The listing of the terms in force."""
    ranges = terms.genesis.ranges
    return Listing(
        {instrument.id: instrument.name for instrument in terms.instruments.values()},
        {instrument.id: instrument.micros_per_tick for instrument in terms.instruments.values()},
        {instrument.id: instrument.cash_group for instrument in terms.instruments.values()},
        Rates(
            terms.market.liquidation_penalty_ppm,
            (terms.risk.maintenance_numerator, terms.risk.maintenance_denominator),
            terms.crisis.calls,
            terms.crisis.liquidation,
            ranges.interval_ms or ranges.horizon_ms,
        ),
    )


def called(account: int) -> str:
    """The name of an account."""
    if account >= MASKED:
        return f"account ~{account - MASKED:010x}"
    return _ROLES.get(account, f"account {account}")


def per_cent(ppm: int) -> str:
    """Millionths as a percentage."""
    whole, rest = divmod(abs(ppm), PPM // 100)
    digits = f"{rest:04d}".rstrip("0")
    return ("-" if ppm < 0 else "") + str(whole) + (f".{digits}" if digits else "") + " %"


def signed(amount: int) -> str:
    """A number with its sign; zero has none."""
    return f"{amount:+d}" if amount else "0"


Text = Annotated[str, Meta(max_length=4096)]


class Line(Body, frozen=True):
    """One line. `ok`: whether the stated figure equals the recomputed one; null without arithmetic."""

    text: Text
    ok: bool | None = None


class ExplainedReceipt(Body, frozen=True):
    """One receipt with its arithmetic."""

    height: U63
    index: U32
    """Among the receipts of the height."""
    kind: str
    title: Text
    lines: tuple[Line, ...]

    @property
    def ok(self) -> bool:
        """Whether every recomputed figure equals the stated one."""
        return all(line.ok is not False for line in self.lines)


Explanation: TypeAlias = tuple[str, list[Line]]
"""Title and lines of one receipt."""


def plain_line(text: str) -> Line:
    """A line without arithmetic."""
    return Line(text=text)


def equality_line(text: str, stated: object, found: object) -> Line:
    """`text` followed by what the arithmetic gives; where they differ, also by what the receipt states."""
    good = stated == found
    return Line(text=f"{text} = {found}" + ("" if good else f"   BUT THE RECEIPT STATES {stated}"), ok=good)


def condition_line(text: str, good: bool) -> Line:
    """A condition that a rule requires."""
    return Line(text=text if good else f"{text}   DOES NOT HOLD", ok=good)


class History(Protocol):
    """What earlier receipts stated, with the terms in force."""

    listing: Listing
    height: int


S = TypeVar("S", bound=History)


def explain_all(
    receipts: Iterable[ReceiptAt],
    listing: Callable[[int], Listing],
    history: S,
    explainers: Mapping[type, Callable[[Any, S], Explanation]],
) -> list[ExplainedReceipt]:
    """Every receipt of these kinds, in order, each with what the earlier ones stated.

    `listing`: the terms in force at a height. Numbers that allow no arithmetic give a line that fails: a node may
    answer anything.
    """
    explained = []
    for at in receipts:
        explain = explainers.get(type(at.receipt))
        if explain is None:
            continue
        history.listing, history.height = listing(at.height), at.height
        try:
            title, lines = explain(at.receipt, history)
        except (ArithmeticError, LookupError, ValueError) as fault:
            title = "cannot be recomputed"
            lines = [condition_line(f"its numbers allow the arithmetic ({type(fault).__name__})", good=False)]
        kind = type(at.receipt).__name__
        explained.append(ExplainedReceipt(height=at.height, index=at.index, kind=kind, title=title, lines=tuple(lines)))
    return explained


def formatted(explained: Iterable[ExplainedReceipt]) -> str:
    """For a terminal: each receipt under its title, each line with its verdict."""
    lines: list[str] = []
    for receipt in explained:
        lines += [f"height {receipt.height} #{receipt.index} {receipt.kind}: {receipt.title}"]
        lines += [f"  {_MARKS[line.ok]} {line.text}" for line in receipt.lines]
        lines += [""]
    return "\n".join(lines[:-1])


_MARKS = {True: "ok  ", False: "FAIL", None: "    "}
