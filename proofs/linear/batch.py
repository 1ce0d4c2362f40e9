"""Many proofs of different provers at once: one multi-scalar multiplication and two pairings for all that are good.

Rule: Σ w_i·(equation i) holds for random w_i only if every equation holds, but for 2^-128. The weights come out of a
hash over every transcript, so they are fixed after every proof: a prover who knew them could let the errors of two bad
proofs cancel. A batch that fails is halved until the bad ones are alone, so one liar costs its own proof's time and
about log2(n) pairings of the others.
Bellare, Garay, Rabin: "Fast batch verification for modular exponentiation and digital signatures" (small exponents).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from proofs.errors import ProofCode, Refused
from proofs.group import GENERATOR_2, Point, decode_point, multi_scalar, pairings_equal
from proofs.linear.encoding import read_proof
from proofs.linear.statement import LinearStatement
from proofs.linear.verifier import Equation
from proofs.srs import tau_g2
from proofs.transcript import Transcript

PROTOCOL = "crossclear/linear/batch/v1"
WEIGHT_BITS = 128


@dataclass(frozen=True)
class _Collected:
    """One proof's equation: the points and scalars of both sides."""

    left: tuple[tuple[Point, int], tuple[Point, int]]
    points: list[Point]
    scalars: list[int]


def verify_batch(claims: Sequence[tuple[LinearStatement, bytes]]) -> list[Refused | None]:
    """The verdict on each (statement, proof), in order: None for a good one. Never raises for bad input.

    Exactly those are refused that `verify` refuses, but for 2^-128.
    """
    verdicts: list[Refused | None] = [None] * len(claims)
    collected: list[tuple[int, _Collected]] = []
    batch = Transcript(PROTOCOL)
    for index, (statement, data) in enumerate(claims):
        try:
            transcript = statement.transcript()
            proof = read_proof(data, len(statement.accounts), statement.layout.columns)
            equation = Equation(
                statement, proof, [decode_point(commitment, "C_W") for commitment in statement.commitments]
            )
            equation.draw(transcript)
            pi_1, pi_2 = equation.collect()
        except Refused as refused:
            verdicts[index] = refused
            continue
        # μ is drawn after everything of its proof, so it stands for all of it.
        batch.append_scalar("mu", equation.mu)
        collected.append((index, _Collected(((pi_1, 1), (pi_2, equation.mu)), equation.points, equation.scalars)))
    weights = [1, *(batch.challenge("weight") % (1 << WEIGHT_BITS) for _ in collected[1:])]
    for index in _bad(collected, weights):
        verdicts[index] = Refused(ProofCode.PROOF_REFUSED, "pairing equation", claim=index)
    return verdicts


def _bad(collected: Sequence[tuple[int, _Collected]], weights: Sequence[int]) -> list[int]:
    """Indices of those whose equation does not hold."""
    if not collected or _hold(collected, weights):
        return []
    if len(collected) == 1:
        return [collected[0][0]]
    middle = len(collected) // 2
    return _bad(collected[:middle], weights[:middle]) + _bad(collected[middle:], weights[middle:])


def _hold(collected: Sequence[tuple[int, _Collected]], weights: Sequence[int]) -> bool:
    left: list[tuple[Point, int]] = []
    points: list[Point] = []
    scalars: list[int] = []
    for (_, equation), weight in zip(collected, weights, strict=True):
        left += [(point, scalar * weight) for point, scalar in equation.left]
        points += equation.points
        scalars += [scalar * weight for scalar in equation.scalars]
    return pairings_equal(
        multi_scalar([point for point, _ in left], [scalar for _, scalar in left]),
        tau_g2(),
        multi_scalar(points, scalars),
        GENERATOR_2,
    )
