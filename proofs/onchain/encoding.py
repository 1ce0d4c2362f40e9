"""The bytes of an on-chain proof, which are calldata: rounds one after the other, points of 128 bytes, scalars of 32.

Rule: the length follows from the number of columns alone; everything canonical, as the contract demands it too.
C_m ‖ C_f… C_S ‖ C_t1 C_t2 ‖ D̄… ū… v̄ T̄ S̄ ‖ π_1 π_2: 1,056 bytes for one column, 192 for each further one.
"""

from dataclasses import dataclass

from proofs.errors import ProofCode, Refused
from proofs.field import SCALAR_BYTES, read_scalar
from proofs.group import Point
from proofs.onchain.points import PADDED_BYTES, read_padded


@dataclass(frozen=True)
class Rounds:
    """A proof as the bytes of its rounds."""

    table: bytes
    """C_m."""
    lookups: bytes
    """C_f of each column, C_S."""
    quotient: bytes
    """C_t1, C_t2."""
    evaluations: bytes
    """D(ζ) and U(ζ) of each column, V(ζ), T(ζ), S(ωζ)."""
    openings: bytes
    """π_1, π_2."""

    @property
    def data(self) -> bytes:
        """The proof."""
        return self.table + self.lookups + self.quotient + self.evaluations + self.openings


@dataclass(frozen=True)
class OnchainProof:
    """A proof's points and scalars, checked."""

    c_m: Point
    c_f: tuple[Point, ...]
    c_s: Point
    c_t1: Point
    c_t2: Point
    d_bar: tuple[int, ...]
    u_bar: tuple[int, ...]
    v_bar: int
    t_bar: int
    s_bar: int
    pi_1: Point
    pi_2: Point


def proof_bytes(columns: int) -> int:
    """Length of a proof."""
    return (6 + columns) * PADDED_BYTES + (3 + 2 * columns) * SCALAR_BYTES


def split_rounds(data: bytes, columns: int) -> Rounds:
    """The rounds of a proof. Raises Refused BAD_LENGTH."""
    if len(data) != proof_bytes(columns):
        raise Refused(ProofCode.BAD_LENGTH, "on-chain proof", bytes=len(data), columns=columns)
    sizes = (1, columns + 1, 2)
    ends = [PADDED_BYTES * sum(sizes[: i + 1]) for i in range(3)]
    ends.append(ends[-1] + (3 + 2 * columns) * SCALAR_BYTES)
    return Rounds(
        data[: ends[0]], data[ends[0] : ends[1]], data[ends[1] : ends[2]], data[ends[2] : ends[3]], data[ends[3] :]
    )


def read_rounds(rounds: Rounds, columns: int) -> OnchainProof:
    """Decode with all checks. Raises Refused BAD_POINT, BAD_SCALAR."""
    lookups, quotient, openings = (_points(part) for part in (rounds.lookups, rounds.quotient, rounds.openings))
    step = SCALAR_BYTES
    scalars = [
        read_scalar(rounds.evaluations[at : at + step], "evaluation") for at in range(0, len(rounds.evaluations), step)
    ]
    return OnchainProof(
        c_m=read_padded(rounds.table, "C_m"),
        c_f=lookups[:columns],
        c_s=lookups[columns],
        c_t1=quotient[0],
        c_t2=quotient[1],
        d_bar=tuple(scalars[:columns]),
        u_bar=tuple(scalars[columns : 2 * columns]),
        v_bar=scalars[2 * columns],
        t_bar=scalars[2 * columns + 1],
        s_bar=scalars[2 * columns + 2],
        pi_1=openings[0],
        pi_2=openings[1],
    )


def _points(data: bytes) -> tuple[Point, ...]:
    step = PADDED_BYTES
    return tuple(read_padded(data[at : at + step], "on-chain proof") for at in range(0, len(data), step))
