"""An account's secret: its values, their digits, its blinders; and the check that they satisfy the statement.

Rule: an honest prover checks the witness before it proves. `check=False` exists so that tests can be the cheating
prover; it then takes whatever digits come out modulo the range, or those the test chose.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from clearing.base.errors import LocalFault
from proofs.errors import ProofCode
from proofs.layout import BASE, Layout


@dataclass(frozen=True)
class Witness:
    """Values of all slots, base-256 digits on H for each column, blinders of C_W."""

    values: tuple[int, ...]
    digits: tuple[tuple[int, ...], ...]
    blinders: tuple[int, ...]


def constraint_values(layout: Layout, values: Sequence[int], shortfall: int) -> list[int]:
    """What must lie in [0, 256^width): value + offset of each slot, then each row's value. Exact integers."""
    found = [value + slot.offset for value, slot in zip(values, layout.table.slots, strict=True)]
    for row in layout.table.rows:
        total = sum(coefficient * values[slot] for slot, coefficient in row.coefficients)
        found.append(total + row.constant + (shortfall if row.shortfall else 0))
    return found


def make_witness(
    layout: Layout, values: Sequence[int], shortfall: int, blinders: Sequence[int], *, check: bool = True
) -> Witness:
    """Decompose into digits. Raises LocalFault WITNESS_OUT_OF_RANGE naming the slot or row, unless `check` is off."""
    found = constraint_values(layout, values, shortfall)
    slots = len(layout.table.slots)
    columns = [[0] * layout.size for _ in range(layout.columns)]
    for index, (value, width, (column, start)) in enumerate(
        zip(found, layout.widths, layout.table.places, strict=True)
    ):
        free = width == 0 and index < slots
        if check and not free and not 0 <= value < max(BASE**width, 1):
            where = f"slot {index}" if index < slots else f"row {index - slots}"
            # Never the value: faults are logged, and logs leave the machine.
            raise LocalFault(ProofCode.WITNESS_OUT_OF_RANGE, where, width=width)
        columns[column][start : start + width] = (value % BASE**width).to_bytes(width, "little")
    return Witness(tuple(values), tuple(map(tuple, columns)), tuple(blinders))
