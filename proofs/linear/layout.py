"""The layout: slots, rows, and where their base-256 digits lie. It is a table that is hashed into every statement.

Rule: it knows ranges and integers, not money. A slot of width k holds a value v with v + offset in [0, 256^k); a row of
width k states the same for Σ coefficient·v + constant (+ shortfall); a row of width 0 states equality to zero. A slot
of width 0 has no digits of its own, so an equality row with coefficient ±1 must tie it to slots that have.
The bounds make equality modulo p equality of integers: n · 2^62 · 2^64 < p / 2.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Annotated

import msgspec

from clearing.base.codec import U32, Wire, encode
from clearing.base.hashing import tagged_hash
from clearing.base.ids import Hash32
from proofs.algebra.domain import domain_of
from proofs.errors import ProofCode, VerificationFailed

LAYOUT_TAG = "crossclear/proofs/layout/v1"
WIDTHS = (0, 5, 7, 8)
COEFFICIENT_MAX = 2**62
CONSTANT_MAX = 2**63
SHORTFALL_MAX = 2**63
COLUMNS_MAX = 16
BASE = 256

Offset = Annotated[int, msgspec.Meta(ge=0)]
"""At most 2^63, which the layout checks: a bound of the type must fit 63 bits."""
Coefficient = Annotated[int, msgspec.Meta(gt=-COEFFICIENT_MAX, lt=COEFFICIENT_MAX)]


class SlotRange(Wire, frozen=True):
    """A slot's value plus `offset` lies in [0, 256^width)."""

    width: U32
    offset: Offset


class RowRange(Wire, frozen=True):
    """Σ coefficient·value + constant (+ the account's shortfall) lies in [0, 256^width), or is zero for width 0."""

    width: U32
    coefficients: tuple[tuple[U32, Coefficient], ...]
    constant: int
    shortfall: bool


class LayoutTable(Wire, frozen=True):
    """What is hashed."""

    size: U32
    slots: tuple[SlotRange, ...]
    rows: tuple[RowRange, ...]
    places: tuple[tuple[U32, U32], ...]
    """(column, first position) of the digits of each slot and then of each row; (0, 0) where there are none."""


@dataclass(frozen=True)
class ProofLayout:
    """A checked layout. Build it with `lay_out`."""

    table: LayoutTable
    columns: int

    @property
    def size(self) -> int:
        """n, the order of the domain."""
        return self.table.size

    @cached_property
    def digest(self) -> Hash32:
        """Hash of the table."""
        return tagged_hash(LAYOUT_TAG, encode(self.table))

    @cached_property
    def by_slot(self) -> tuple[tuple[list[int], list[int]], ...]:
        """The rows' coefficients the other way round: (rows, coefficients) of each slot."""
        found: tuple[tuple[list[int], list[int]], ...] = tuple(([], []) for _ in self.table.slots)
        for index, row in enumerate(self.table.rows):
            for slot, coefficient in row.coefficients:
                found[slot][0].append(index)
                found[slot][1].append(coefficient)
        return found

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Widths of the constraints: of each slot and then of each row."""
        return _widths(self.table.slots, self.table.rows)


def lay_out(
    size: int, slots: tuple[SlotRange, ...], rows: tuple[RowRange, ...], *, ranged_elsewhere: bool = False
) -> ProofLayout:
    """Check slots and rows and place their digits, in order, column after column. Raises VerificationFailed BAD_LAYOUT.

    `ranged_elsewhere`: slots without digits are free here, for another proof about the same commitment, which the
    verifier checks too, has proven their ranges; without that, rows of integers would prove nothing about them.
    """
    domain_of(size)
    if not 0 < len(slots) <= size:
        raise VerificationFailed(ProofCode.BAD_LAYOUT, "slots", count=len(slots), size=size)
    for index, slot in enumerate(slots):
        if slot.width not in WIDTHS or not 0 <= slot.offset < max(BASE**slot.width, 1):
            raise VerificationFailed(ProofCode.BAD_LAYOUT, f"slot {index}", width=slot.width, offset=slot.offset)
    for index, row in enumerate(rows):
        _check_row(index, row, len(slots))
    if not ranged_elsewhere:
        _check_free_slots(slots, rows)
    places: list[tuple[int, int]] = []
    column = position = 0
    for width in _widths(slots, rows):
        if position + width > size:
            column, position = column + 1, 0
        places.append((column, position) if width else (0, 0))
        position += width
    if column >= COLUMNS_MAX:
        raise VerificationFailed(ProofCode.BAD_LAYOUT, "columns", count=column + 1, most=COLUMNS_MAX)
    return ProofLayout(LayoutTable(size, slots, rows, tuple(places)), column + 1)


def _widths(slots: tuple[SlotRange, ...], rows: tuple[RowRange, ...]) -> tuple[int, ...]:
    return tuple(slot.width for slot in slots) + tuple(row.width for row in rows)


def _check_row(index: int, row: RowRange, slots: int) -> None:
    order = [slot for slot, _ in row.coefficients]
    ordered = all(a < b for a, b in pairwise(order))
    small = all(0 < abs(coefficient) < COEFFICIENT_MAX for _, coefficient in row.coefficients)
    if row.width not in WIDTHS or not ordered or not small or (order and order[-1] >= slots):
        raise VerificationFailed(ProofCode.BAD_LAYOUT, f"row {index}", width=row.width, slots=slots)
    if abs(row.constant) >= CONSTANT_MAX:
        raise VerificationFailed(ProofCode.BAD_LAYOUT, f"row {index}", constant=row.constant)


def _check_free_slots(slots: tuple[SlotRange, ...], rows: tuple[RowRange, ...]) -> None:
    for index, slot in enumerate(slots):
        if slot.width:
            continue
        tied = any(
            row.width == 0
            and not row.shortfall
            and any(at == index and abs(coefficient) == 1 for at, coefficient in row.coefficients)
            and all(slots[at].width for at, _ in row.coefficients if at != index)
            for row in rows
        )
        if not tied:
            raise VerificationFailed(ProofCode.BAD_LAYOUT, f"slot {index} has no digits and no row ties it", width=0)
