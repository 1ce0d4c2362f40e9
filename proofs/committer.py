"""Commitments epoch after epoch: each account's from its last one, by what changed, and blinders by tables.

Rule: the result is that of `proofs.commitment.commit`, whatever was committed before: what is kept is Σ w_j·[L_j]
without blinders and the values it belongs to, so fresh blinders hide every new commitment as they do the first.
What is kept is as secret as the holdings.
"""

from collections.abc import Collection, Sequence

from proofs.commitment import commit
from proofs.field import ORDER, SCALAR_BYTES
from proofs.group import Point, infinity
from proofs.srs import Basis


class FixedBase:
    """Multiples of a point that is used often: 32 additions of a table's entries, for 8,160 additions once."""

    def __init__(self, point: Point) -> None:
        self._windows: list[list[Point]] = []
        for _ in range(SCALAR_BYTES):
            window = [infinity()]
            for _ in range(255):
                window.append(window[-1] + point)
            self._windows.append(window)
            point = window[-1] + point

    def times(self, scalar: int) -> Point:
        """scalar · point."""
        result = infinity()
        for digit, window in zip((scalar % ORDER).to_bytes(SCALAR_BYTES, "little"), self._windows, strict=True):
            if digit:
                result = result + window[digit]
        return result


class Committer:
    """Remembers one commitment without blinders an account."""

    def __init__(self, basis: Basis) -> None:
        self.basis = basis
        self._hiding = [FixedBase(point) for point in basis.hiding[:2]]
        self._last: dict[int, tuple[tuple[int, ...], Point]] = {}

    def commit(self, account: int, values: Sequence[int], hiding: Sequence[int]) -> Point:
        """C_W of an account's values, zero beyond their end, and its two blinders."""
        before, point = self._last.get(account, ((), infinity()))
        length = max(len(before), len(values))
        old, new = _padded(before, length), _padded(values, length)
        change = [after - earlier for earlier, after in zip(old, new, strict=True)]
        if sum(map(bool, change)) < sum(map(bool, new)):
            point = point + commit(self.basis, change, ())
        else:
            point = commit(self.basis, new, ())
        self._last[account] = (tuple(values), point)
        for table, blinder in zip(self._hiding, hiding, strict=True):
            point = point + table.times(blinder)
        return point

    def keep(self, accounts: Collection[int]) -> None:
        """Forget all accounts but these."""
        self._last = {account: kept for account, kept in self._last.items() if account in accounts}


def _padded(values: Sequence[int], length: int) -> list[int]:
    return [*values, *[0] * (length - len(values))]
