"""The bytes of a linear proof: a fixed sequence of points and scalars, one encoding per proof.

Rule: the length follows from the number of accounts and columns alone; every point and scalar is canonical.
Per account C_D, C_f and D̄, each once a column; then C_m, C_S, C_t1, C_t2, S̄, π_1, π_2 for all. With C_W, which the
statement carries, one column makes 176 bytes an account, 128 for each further one, and 320 for all.
"""

from dataclasses import dataclass

from proofs.errors import ProofCode, Refused
from proofs.field import SCALAR_BYTES, read_scalar, scalar_bytes
from proofs.group import POINT_BYTES

TAIL_BYTES = 6 * POINT_BYTES + SCALAR_BYTES


@dataclass(frozen=True)
class AccountPart:
    """One account's share; points as canonical bytes, decoded by the verifier."""

    c_d: tuple[bytes, ...]
    c_f: tuple[bytes, ...]
    d_bar: tuple[int, ...]


@dataclass(frozen=True)
class LinearProof:
    """A proof for one or many accounts."""

    parts: tuple[AccountPart, ...]
    c_m: bytes
    c_s: bytes
    c_t1: bytes
    c_t2: bytes
    s_bar: int
    pi_1: bytes
    pi_2: bytes


def part_bytes(columns: int) -> int:
    """Bytes of one account's part: 128 a column."""
    return (2 * POINT_BYTES + SCALAR_BYTES) * columns


def write_proof(proof: LinearProof) -> bytes:
    """The bytes of a proof."""
    pieces: list[bytes] = []
    for part in proof.parts:
        pieces += [*part.c_d, *part.c_f, *map(scalar_bytes, part.d_bar)]
    pieces += [proof.c_m, proof.c_s, proof.c_t1, proof.c_t2, scalar_bytes(proof.s_bar), proof.pi_1, proof.pi_2]
    return b"".join(pieces)


def read_proof(data: bytes, accounts: int, columns: int) -> LinearProof:
    """Read a proof for so many accounts and columns. Raises Refused BAD_LENGTH, BAD_SCALAR; points stay encoded."""
    step = part_bytes(columns)
    if len(data) != accounts * step + TAIL_BYTES:
        raise Refused(ProofCode.BAD_LENGTH, "linear proof", bytes=len(data), accounts=accounts, columns=columns)
    parts = tuple(_read_part(data[at : at + step], columns) for at in range(0, accounts * step, step))
    tail = data[accounts * step :]
    c_m, c_s, c_t1, c_t2 = (tail[at : at + POINT_BYTES] for at in range(0, 4 * POINT_BYTES, POINT_BYTES))
    rest = tail[4 * POINT_BYTES :]
    return LinearProof(
        parts,
        c_m,
        c_s,
        c_t1,
        c_t2,
        read_scalar(rest[:SCALAR_BYTES], "S̄"),
        rest[SCALAR_BYTES : SCALAR_BYTES + POINT_BYTES],
        rest[SCALAR_BYTES + POINT_BYTES :],
    )


def _read_part(data: bytes, columns: int) -> AccountPart:
    split = POINT_BYTES * 2 * columns
    points = [data[at : at + POINT_BYTES] for at in range(0, split, POINT_BYTES)]
    scalars = [data[at : at + SCALAR_BYTES] for at in range(split, len(data), SCALAR_BYTES)]
    return AccountPart(
        tuple(points[:columns]),
        tuple(points[columns:]),
        tuple(read_scalar(scalar, "D̄") for scalar in scalars),
    )
