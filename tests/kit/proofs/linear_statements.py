"""Linear statements about accounts of cash, a token and a position: their commitments, and the verifier's word."""

from collections.abc import Sequence

from proofs.algebra.commitment import commit
from proofs.algebra.group import encode_point
from proofs.algebra.srs import basis
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.layout import ProofLayout, RowRange, SlotRange
from proofs.linear.prover import random_scalar
from proofs.linear.statement import LinearStatement, Witness, make_witness
from proofs.linear.verifier import verify

N = 256
CASH, TOKEN, POSITION, FREE = SlotRange(8, 2**63), SlotRange(7, 0), SlotRange(5, 2**39), SlotRange(0, 0)
SLOTS = (CASH, TOKEN, POSITION)


def margin_rows(*moves: int, constant: int = 0) -> tuple[RowRange, ...]:
    """cash + 3·token + move·position + constant + σ ≥ 0 for each move."""
    return tuple(RowRange(8, ((0, 1), (1, 3), (2, move)), constant, shortfall=True) for move in moves)


def committed(
    layout: ProofLayout,
    vectors: Sequence[Sequence[int]],
    sigmas: Sequence[int] = (),
    *,
    context: bytes = bytes(32),
    first: int = 0,
    check: bool = True,
) -> tuple[LinearStatement, list[Witness]]:
    """The statement that accounts with these values are in order, numbered from `first`, and their witnesses."""
    sigmas = tuple(sigmas) or (0,) * len(vectors)
    witnesses = [
        make_witness(layout, values, sigma, (random_scalar(), random_scalar()), check=check)
        for values, sigma in zip(vectors, sigmas, strict=True)
    ]
    commitments = tuple(encode_point(commit(basis(layout.size), own.values, own.blinders)) for own in witnesses)
    accounts = tuple(range(first, first + len(vectors)))
    return LinearStatement(layout, context, accounts, sigmas, commitments), witnesses


def refusal(statement: LinearStatement, proof: bytes) -> ProofCode | None:
    """Why the verifier refuses the proof; None where it believes it."""
    try:
        verify(statement, proof)
    except VerificationFailed as fault:
        return ProofCode(fault.code)
    return None


def refused(statement: LinearStatement, proof: bytes) -> bool:
    """Whether the proof's equation does not hold; one that does not even parse fails the test."""
    code = refusal(statement, proof)
    assert code in (None, ProofCode.PROOF_REFUSED)
    return code is not None
