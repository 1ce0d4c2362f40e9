"""Blinders used twice, as far as an outsider can detect it.

Rule: a commitment may appear once: never for two accounts, epochs or states. Nor may a message of a proof: two proofs
that share C_D, C_m, C_S or the book's R were made with one draw of randomness, and together reveal more than each.
Two commitments of one account with the same blinders differ by the change of its holdings alone, which is found where
it is a small multiple of one slot (or of two slots, in a thorough search): C − C' = d·[L_j]. No search can prove that
blinders were drawn well.
"""

from collections.abc import Iterator

from clearing.base.hashing import sha256
from proofs.algebra.group import POINT_BYTES, Point, decode_point, encode_point
from proofs.algebra.srs import basis
from proofs.cover.terms import CoverStatement, cover_of
from proofs.epoch.package import EpochPackage
from proofs.linear.messages import TAIL_BYTES, part_bytes, read_proof
from proofs.statement.arithmetization import layout_of

Reuse = tuple[str, tuple[str, ...]]
"""What repeats, and in which files."""
REACH = 16
"""Largest |d| that is searched."""
POINTS_MAX = 1_000_000
"""Points remembered, some 200 bytes each."""
Change = tuple[int, int]
"""(slot, |d|)."""
_Table = dict[bytes, tuple[Change, Point]]
"""x of d·[L_j], for d in [1, `REACH`]; −d has the same x."""


class ReuseSearch:
    """Add packages that verify, in order of epochs where possible."""

    def __init__(self, *, thorough: bool = False) -> None:
        self._thorough = thorough
        self._seen: dict[bytes, tuple[str, str]] = {}
        self._roots: set[bytes] = set()
        self._proofs: set[bytes] = set()
        self._last: dict[int, tuple[str, Point]] = {}
        self._tables: dict[tuple[int, int], _Table] = {}
        self.full = False
        """Whether packages were left out because there are too many points."""

    def add(self, name: str, package: EpochPackage) -> Iterator[Reuse]:
        """What this package shares with itself and those before."""
        if len(self._seen) > POINTS_MAX:
            self.full = True
            return
        if package.header.commitments_root not in self._roots:  # a second proof of an epoch has the same commitments
            self._roots.add(package.header.commitments_root)
            for account, commitment in package.commitments:
                label = f"C_W of account {account} in epoch {package.statement.epoch}"
                yield from self._once(name, label, commitment)
            yield from self._differences(name, package)
        proof = sha256(package.proof + package.book)
        if proof not in self._proofs:
            self._proofs.add(proof)
            for label, point in blinded_messages(package):
                yield from self._once(name, label, point)

    def _once(self, name: str, label: str, point: bytes) -> Iterator[Reuse]:
        other, where = self._seen.setdefault(point, (label, name))
        if (other, where) != (label, name):
            yield f"{label} is {other}", (where, name)

    def _differences(self, name: str, package: EpochPackage) -> Iterator[Reuse]:
        size, slots = package.domain, package.statement.slots
        table = self._table(size, len(slots))
        for account, commitment in package.commitments:
            point = decode_point(commitment, "C_W")
            before = self._last.get(account)
            self._last[account] = (name, point)
            if before is None:
                continue
            found = self._combination(point + -before[1], table)
            if found:
                change = " and ".join(f"{count} of {slots[j].name[:64]}" for j, count in found)
                yield f"C_W of account {account} differs from an earlier one by {change} alone", (before[0], name)

    def _combination(self, difference: Point, table: _Table) -> tuple[Change, ...]:
        """The few slots that the difference is made of; none when it is not found."""
        found = table.get(_abscissa(difference))
        if found is not None:
            return (found[0],)
        if not self._thorough:
            return ()
        for first, step in table.values():
            for rest in (difference + step, difference + -step):
                second = table.get(_abscissa(rest))
                if second is not None:
                    return first, second[0]
        return ()

    def _table(self, size: int, slots: int) -> _Table:
        if (size, slots) not in self._tables:
            table: _Table = {}
            for j, point in enumerate(basis(size).lagrange[:slots]):
                multiple = point
                for d in range(1, REACH + 1):
                    table[_abscissa(multiple)] = ((j, d), multiple)
                    multiple = multiple + point
            self._tables = {(size, slots): table}
        return self._tables[size, slots]


def blinded_messages(package: EpochPackage) -> Iterator[tuple[str, bytes]]:
    """The points of a package's proofs that hold fresh blinders, each with its name."""
    columns = layout_of(package.statement, package.domain).columns
    epoch = package.statement.epoch
    proof = read_proof(package.proof, len(package.commitments), columns)
    for (account, _), part in zip(package.commitments, proof.parts, strict=True):
        for column, c_d in enumerate(part.c_d):
            yield f"C_D of account {account}, column {column}, in a proof of epoch {epoch}", c_d
    yield f"C_m of a proof of epoch {epoch}", proof.c_m
    yield f"C_S of a proof of epoch {epoch}", proof.c_s
    yield f"R of a book of epoch {epoch}", package.book[:POINT_BYTES]
    cover = cover_of(package.statement, [account for account, _ in package.commitments], package.domain)
    if cover is not None:
        yield from _cover_messages(package, cover)
    if package.house:
        proof_of_house = read_proof(package.house, 1, (len(package.house) - TAIL_BYTES) // part_bytes(1))
        yield f"C_D of the house's proof of epoch {epoch}", proof_of_house.parts[0].c_d[0]
        yield f"C_m of the house's proof of epoch {epoch}", proof_of_house.c_m
        yield f"C_S of the house's proof of epoch {epoch}", proof_of_house.c_s


def _cover_messages(package: EpochPackage, cover: CoverStatement) -> Iterator[tuple[str, bytes]]:
    epoch, split = package.statement.epoch, POINT_BYTES * cover.stresses
    joint = package.cover[split : split + cover.proof_bytes]
    proof = read_proof(joint, cover.stresses, cover.layout.columns)
    for number, (name, part) in enumerate(zip(cover.names, proof.parts, strict=True)):
        place = f"of stress {name[:64]} in a proof of epoch {epoch}"
        yield f"C_V {place}", package.cover[POINT_BYTES * number : POINT_BYTES * (number + 1)]
        for column, c_d in enumerate(part.c_d):
            yield f"C_D, column {column}, {place}", c_d
    yield f"C_m of the fund's proof of epoch {epoch}", proof.c_m
    yield f"C_S of the fund's proof of epoch {epoch}", proof.c_s


_X_BITS = 0x1F
"""What of an encoding's first byte is the coordinate's."""


def _abscissa(point: Point) -> bytes:
    """The x coordinate of a point's encoding."""
    data = encode_point(point)
    return bytes([data[0] & _X_BITS]) + data[1:]
