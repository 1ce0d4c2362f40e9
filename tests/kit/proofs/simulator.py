"""The simulator of `proofs/notes/zero-knowledge.md`: proofs about commitments whose holdings nobody told it, with τ.

Rule: it sees the public statement and τ, never a witness. Whatever it makes has the distribution of an honest proof, so
an honest proof tells no more than what it was given. It works over the real group and over a toy one alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

Scalars = Callable[[], int]


def simulate(proofs: Any, statement: Any, tau: int, scalars: Scalars) -> bytes:
    """Points and values at random, then the two openings that the verifier's equation asks for."""
    encoding, count, columns = proofs.messages, len(statement.accounts), statement.layout.columns

    def point() -> bytes:
        return bytes(proofs.group.encode_point(proofs.group.multiply(proofs.group.GENERATOR, scalars())))

    def some(draw: Callable[[], Any]) -> tuple[Any, ...]:
        return tuple(draw() for _ in range(columns))

    parts = tuple(encoding.AccountPart(some(point), some(point), some(scalars)) for _ in range(count))
    free = encoding.LinearProof(parts, point(), point(), point(), point(), scalars(), point(), point())
    return bytes(encoding.write_proof(with_openings(proofs, statement, free, tau)))


def with_openings(proofs: Any, statement: Any, proof: Any, tau: int) -> Any:
    """The proof with π_1 = [(Lz + Σ r^(i+1)(D_i − D̄_i)) / (τ − ζ)] and π_2 = [(S − S̄) / (τ − ωζ)]: its only ones."""
    group, order = proofs.group, proofs.field.ORDER
    commitments = [group.decode_point(data, "C_W") for data in statement.commitments]
    equation = proofs.verifier.Equation(statement, proof, commitments)
    equation.draw(statement.transcript())
    zeta = equation.zeta
    shifted = proofs.domain.domain_of(statement.layout.size).omega * zeta % order
    equation.mu = 0
    placed, _ = equation.collect()  # the right-hand side is now Lz + Σ r^(i+1)(D_i − D̄_i) + ζ·placed
    opened = group.multi_scalar([*equation.points, placed], [*equation.scalars, -zeta % order])
    lifted = group.multi_scalar([group.decode_point(proof.c_s, "C_S"), group.GENERATOR], [1, -proof.s_bar % order])
    pi_1 = group.multiply(opened, pow(tau - zeta, -1, order))
    pi_2 = group.multiply(lifted, pow(tau - shifted, -1, order))
    return replace(proof, pi_1=bytes(group.encode_point(pi_1)), pi_2=bytes(group.encode_point(pi_2)))


def simulate_book(
    proofs: Any, bases: Sequence[Any], difference: Any, e: int, scalars: Scalars
) -> tuple[Any, list[int]]:
    """(R, z) for a challenge e known beforehand: z at random, R = Σ z_i·B_i − e·P. The random oracle says e at R."""
    answers = [scalars() for _ in bases]
    return proofs.group.multi_scalar([*bases, difference], [*answers, -e % proofs.field.ORDER]), answers
