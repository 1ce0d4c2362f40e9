"""The messages of the linear proof: their order, the challenges drawn between them, and the bytes of the whole.

Rule: a challenge is drawn only after everything that must be fixed before it; the last one, μ, binds both openings.
Prover and verifier share this code. The bytes are a fixed sequence of canonical points and scalars, whose length
follows from the number of accounts and columns alone: per account C_D, C_f and D̄, each once a column; then C_m, C_S,
C_t1, C_t2, S̄, π_1, π_2 for all. With C_W, which the statement carries, one column makes 176 bytes an account, 128
for each further one, and 320 for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from proofs.algebra.field import ORDER, SCALAR_BYTES, read_scalar, scalar_bytes
from proofs.algebra.group import POINT_BYTES
from proofs.algebra.transcript import Transcript
from proofs.errors import ProofCode, VerificationFailed

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


def check_length(data: bytes, accounts: int, columns: int) -> None:
    """Whether a proof for so many accounts and columns has this length. Raises VerificationFailed BAD_LENGTH."""
    if len(data) != accounts * part_bytes(columns) + TAIL_BYTES:
        raise VerificationFailed(
            ProofCode.BAD_LENGTH, "linear proof", bytes=len(data), accounts=accounts, columns=columns
        )


def read_proof(data: bytes, accounts: int, columns: int) -> LinearProof:
    """Read a proof for so many accounts and columns.

    Raises VerificationFailed BAD_LENGTH, BAD_SCALAR; points stay encoded.
    """
    check_length(data, accounts, columns)
    step = part_bytes(columns)
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


@dataclass(frozen=True)
class FirstChallenges:
    """Drawn after C_D of all accounts and C_m."""

    alpha: int
    y: int
    beta: int


def after_digits(transcript: Transcript, c_d: Sequence[Sequence[bytes]], c_m: bytes) -> FirstChallenges:
    """Round 1: α (lookup), y (rows), β (joins lookup and rows).

    Raises VerificationFailed when α hits the table (2^-247).
    """
    for digits in c_d:
        for column in digits:
            transcript.append_encoded_point("C_D", column)
    transcript.append_encoded_point("C_m", c_m)
    alpha, y, beta = (transcript.challenge(label) for label in ("alpha", "y", "beta"))
    if -alpha % ORDER < 256:
        raise VerificationFailed(ProofCode.BAD_CHALLENGE, "alpha")
    return FirstChallenges(alpha, y, beta)


def after_lookups(transcript: Transcript, c_f: Sequence[Sequence[bytes]]) -> int:
    """Round 2: δ, whose powers join the accounts and columns."""
    for columns in c_f:
        for column in columns:
            transcript.append_encoded_point("C_f", column)
    return transcript.challenge("delta")


def after_sum(transcript: Transcript, c_s: bytes) -> int:
    """Round 2, end: γ, which joins the running sum to the lookups."""
    transcript.append_encoded_point("C_S", c_s)
    return transcript.challenge("gamma")


def after_quotient(transcript: Transcript, c_t1: bytes, c_t2: bytes) -> int:
    """Round 3: ζ, the evaluation point."""
    transcript.append_encoded_point("C_t1", c_t1)
    transcript.append_encoded_point("C_t2", c_t2)
    return transcript.challenge("zeta")


def after_evaluations(transcript: Transcript, d_bar: Sequence[Sequence[int]], s_bar: int) -> int:
    """Round 4: r, which joins the openings at ζ."""
    for columns in d_bar:
        for value in columns:
            transcript.append_scalar("D(zeta)", value)
    transcript.append_scalar("S(omega zeta)", s_bar)
    return transcript.challenge("r")


def after_openings(transcript: Transcript, pi_1: bytes, pi_2: bytes) -> int:
    """Round 5: μ, which joins the two openings; after both of them."""
    transcript.append_encoded_point("pi_1", pi_1)
    transcript.append_encoded_point("pi_2", pi_2)
    return transcript.challenge("mu")
