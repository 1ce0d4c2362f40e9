"""Matched book and reserves: the sum of all commitments opens to the public totals, by a Schnorr proof.

Rule: P = Σ C_W − Σ total_j·[L_j] is proven to be spanned by [Z_H], [X·Z_H] and the auxiliary [L_g] alone, so every
public slot sums exactly to its total while Σρ and the sums of auxiliary slots stay hidden. The proof is bound to the
transcript of the whole package.
"""

from collections.abc import Callable, Sequence

from proofs.algebra.field import ORDER, SCALAR_BYTES, read_scalar, scalar_bytes
from proofs.algebra.group import POINT_BYTES, Point, decode_point, encode_point, infinity, multi_scalar, multiply
from proofs.algebra.srs import Basis
from proofs.algebra.transcript import Transcript
from proofs.errors import ProofCode, VerificationFailed

PROTOCOL = "crossclear/book/v1"
BLINDERS = 2

Totals = Sequence[tuple[int, int]]
"""(slot, total) of every public slot."""


def open_book(
    basis: Basis,
    auxiliary: Sequence[int],
    totals: Totals,
    exponents: Sequence[int],
    transcript: Transcript,
    random_scalar: Callable[[], int],
) -> bytes:
    """Prove. `exponents` are (Σρ_0, Σρ_1, Σr_g for each auxiliary slot); `random_scalar` draws fresh OS randomness."""
    bases = _bases(basis, auxiliary)
    nonces = [random_scalar() for _ in bases]
    announced = encode_point(multi_scalar(bases, nonces))
    e = _challenge(transcript, auxiliary, totals, announced)
    answers = [(nonce + e * exponent) % ORDER for nonce, exponent in zip(nonces, exponents, strict=True)]
    return announced + b"".join(map(scalar_bytes, answers))


def verify_book(
    basis: Basis,
    auxiliary: Sequence[int],
    totals: Totals,
    commitments: Sequence[Point],
    data: bytes,
    transcript: Transcript,
) -> None:
    """Check Σ z_i·B_i = R + e·P. Raises VerificationFailed BOOK_NOT_MATCHED, BAD_LENGTH, BAD_POINT, BAD_SCALAR."""
    bases = _bases(basis, auxiliary)
    if len(data) != POINT_BYTES + SCALAR_BYTES * len(bases):
        raise VerificationFailed(ProofCode.BAD_LENGTH, "book opening", bytes=len(data))
    answers = [
        read_scalar(data[at : at + SCALAR_BYTES], "book opening z")
        for at in range(POINT_BYTES, len(data), SCALAR_BYTES)
    ]
    announced = decode_point(data[:POINT_BYTES], "book opening R")
    e = _challenge(transcript, auxiliary, totals, data[:POINT_BYTES])
    difference = infinity()
    for commitment in commitments:
        difference = difference + commitment
    difference = difference + -multi_scalar([basis.lagrange[slot] for slot, _ in totals], [t for _, t in totals])
    if multi_scalar(bases, answers) != announced + multiply(difference, e):
        raise VerificationFailed(ProofCode.BOOK_NOT_MATCHED, "sum of commitments", slots=len(totals))


def _bases(basis: Basis, auxiliary: Sequence[int]) -> list[Point]:
    return [*basis.hiding[:BLINDERS], *(basis.lagrange[slot] for slot in auxiliary)]


def _challenge(transcript: Transcript, auxiliary: Sequence[int], totals: Totals, announced: bytes) -> int:
    own = transcript.fork(PROTOCOL)
    for slot in auxiliary:
        own.append_integer("auxiliary", slot)
    for slot, total in totals:
        own.append_integer("slot", slot)
        own.append_scalar("total", total % ORDER)
    own.append_encoded_point("R", announced)
    return own.challenge("e")
