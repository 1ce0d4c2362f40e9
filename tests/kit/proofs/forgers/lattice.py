"""Lattice reduction against weights that are known too early: small numbers that meet one equation modulo p.

Rule: a sum Σ x_i·weight_i = target (mod p) binds nothing once the weights are known and the x_i may be chosen: with
more freedom than log2 p = 255 bits a solution in any given range exists, and LLL finds one in a fraction of a second.
Kannan's embedding: the lattice of all x with Σ x_i·weight_i = 0, one row more for the target, LLL of `python-flint`.
"""

from collections.abc import Sequence

from flint import fmpz_mat

from proofs.algebra.field import ORDER, inverse
from proofs.linear.layout import BASE, ProofLayout
from proofs.linear.statement import constraint_values, make_witness, u_values, weights_of

FREE_DIGITS = 64
"""Digits that `forge_digits` chooses: 512 bits of freedom; 40 are enough."""


def small_solution(weights: Sequence[int], target: int, low: int, high: int) -> list[int]:
    """x_i in [low, high) with Σ x_i·weights_i = target (mod p). Raises ValueError when none was found."""
    count, middle = len(weights), (low + high) // 2
    back = inverse(weights[0])
    # So far from the solutions' size that reduction leaves this coordinate alone: its row is then reduced by the
    # others, which is Babai's nearest plane.
    mark = (high - low) << 10
    rows = [[ORDER, *[0] * count]]
    rows += [[-weights[i] * back % ORDER, *(int(j == i) for j in range(1, count)), 0] for i in range(1, count)]
    rows.append([(target * back - middle) % ORDER, *[-middle] * (count - 1), mark])
    reduced = fmpz_mat(count + 1, count + 1, [entry for row in rows for entry in row]).lll()
    for index in range(count + 1):
        found = [int(reduced[index, column]) for column in range(count + 1)]
        if abs(found[-1]) != mark:
            continue
        sign = 1 if found[-1] > 0 else -1
        solution = [middle + sign * entry for entry in found[:-1]]
        if all(low <= x < high for x in solution):
            return solution
    raise ValueError(f"no solution in [{low}, {high}) among {count} unknowns")


def forge_digits(layout: ProofLayout, y: int, values: Sequence[int], shortfall: int) -> tuple[tuple[int, ...], ...]:
    """Bytes on H, one column after the other, with Σ ⟨u, D⟩ = ⟨v, W⟩ + c for this one y, whatever the values are.

    Every digit is a true byte, so the lookup holds; every slot and row "holds" in the one combination that y makes.
    """
    weights = weights_of(layout, y)
    columns = [list(column) for column in make_witness(layout, values, shortfall, (0, 0), check=False).digits]
    places = [(c, at, weight) for c, u in enumerate(u_values(layout, weights)) for at, weight in sorted(u.items())]
    # Σ over slots with digits and rows of ρ·(value + offset), which is ⟨v, W⟩ + c.
    wanted = sum(
        rho * value
        for rho, value, width, number in zip(
            weights.rho, constraint_values(layout, values, shortfall), layout.widths, range(1 << 30), strict=False
        )
        if width or number >= len(layout.table.slots)
    )
    chosen, kept = places[:FREE_DIGITS], places[FREE_DIGITS:]
    target = (wanted - sum(weight * columns[c][at] for c, at, weight in kept)) % ORDER
    for (c, at, _), digit in zip(
        chosen, small_solution([weight for _, _, weight in chosen], target, 0, BASE), strict=True
    ):
        columns[c][at] = digit
    return tuple(map(tuple, columns))
