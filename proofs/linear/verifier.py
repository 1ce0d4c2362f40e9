"""The verifier of the linear proof: one multi-scalar multiplication and two pairings, whatever the number of accounts.

Rule: pure, integers and group operations only. W, m, f, S and t are never opened; the equation
e(π_1 + μπ_2, [τ]₂) = e([Lz] + Σ r^(i+1)([D_i] − D̄_i) + ζπ_1 + μ([S] − S̄ + ωζπ_2), G₂) says all of it at once.
Symbols as in `proofs/notes/protocol.md`; i counts accounts k and columns c together, i = k·columns + c.
"""

from collections.abc import Sequence

from proofs.domain import domain_of
from proofs.errors import ProofCode, Refused
from proofs.field import ORDER, powers
from proofs.group import GENERATOR, GENERATOR_2, Point, decode_point, multi_scalar, multiply, pairings_equal
from proofs.linear import challenges
from proofs.linear.encoding import LinearProof, read_proof
from proofs.linear.statement import LinearStatement, Weights, public_evaluations, used_positions, weights_of
from proofs.srs import tau_g2
from proofs.transcript import Transcript


def verify(statement: LinearStatement, data: bytes, commitments: Sequence[Point] | None = None) -> Transcript:
    """Check a proof; returns the transcript, which has absorbed all of it. Raises Refused with the reason.

    `commitments` are the decoded C_W where the caller has them already, in the statement's order.
    """
    layout = statement.layout
    transcript = statement.transcript()
    proof = read_proof(data, len(statement.accounts), layout.columns)
    if commitments is None:
        commitments = [decode_point(commitment, "C_W") for commitment in statement.commitments]
    equation = Equation(statement, proof, commitments)
    equation.draw(transcript)
    left, right = equation.sides()
    if not pairings_equal(left, tau_g2(), right, GENERATOR_2):
        raise Refused(ProofCode.PROOF_REFUSED, "pairing equation", accounts=len(statement.accounts))
    return transcript


class Equation:
    """Collects the terms of the right-hand side: points and their weights, and the scalar that multiplies [1]."""

    def __init__(self, statement: LinearStatement, proof: LinearProof, commitments: Sequence[Point]) -> None:
        self.layout = statement.layout
        self.shortfalls = statement.shortfalls
        self.proof = proof
        self.commitments = commitments
        self.points: list[Point] = []
        self.scalars: list[int] = []
        self.constant = 0

    def draw(self, transcript: Transcript) -> None:
        """Recompute every challenge in order."""
        proof = self.proof
        self.first = challenges.after_digits(transcript, [part.c_d for part in proof.parts], proof.c_m)
        self.delta = challenges.after_lookups(transcript, [part.c_f for part in proof.parts])
        self.gamma = challenges.after_sum(transcript, proof.c_s)
        self.zeta = challenges.after_quotient(transcript, proof.c_t1, proof.c_t2)
        self.r = challenges.after_evaluations(transcript, [part.d_bar for part in proof.parts], proof.s_bar)
        self.mu = challenges.after_openings(transcript, proof.pi_1, proof.pi_2)

    def sides(self) -> tuple[Point, Point]:
        """(π_1 + μπ_2, the right-hand side's first point)."""
        pi_1, pi_2 = self.collect()
        return pi_1 + multiply(pi_2, self.mu), multi_scalar(self.points, self.scalars)

    def collect(self) -> tuple[Point, Point]:
        """Gather the right-hand side in `points` and `scalars`; (π_1, π_2) of the left. Once, after `draw`."""
        domain = domain_of(self.layout.size)
        zeta, gamma, mu = self.zeta, self.gamma, self.mu
        lagrange = domain.lagrange(zeta, used_positions(self.layout))
        weights = weights_of(self.layout, self.first.y)
        u_bar, v_bar = public_evaluations(self.layout, weights, lagrange)
        self._account_terms(domain.table(zeta), u_bar, v_bar, weights)

        vanishing = domain.vanishing(zeta)
        pi_1 = decode_point(self.proof.pi_1, "pi_1")
        pi_2 = decode_point(self.proof.pi_2, "pi_2")
        self._term(decode_point(self.proof.c_s, "C_S"), mu - gamma)
        self._term(decode_point(self.proof.c_t1, "C_t1"), -vanishing)
        self._term(decode_point(self.proof.c_t2, "C_t2"), -vanishing * pow(zeta, self.layout.size + 2, ORDER))
        self._term(pi_1, zeta)
        self._term(pi_2, mu * domain.omega * zeta)
        self.constant += (gamma - mu) * self.proof.s_bar
        self._term(GENERATOR, self.constant)
        return pi_1, pi_2

    def _account_terms(self, t_bar: int, u_bar: list[int], v_bar: int, weights: Weights) -> None:
        """The share of every account, and of m, in Lz and the D openings; joint = δ^(k·columns)."""
        columns, alpha, beta, gamma = self.layout.columns, self.first.alpha, self.first.beta, self.gamma
        count = len(self.proof.parts) * columns
        deltas, openings = powers(self.delta, count), powers(self.r, count + 1)[1:]
        table = (alpha + t_bar) % ORDER
        gamma_beta = gamma * beta % ORDER
        inverse_n = pow(self.layout.size, -1, ORDER)
        self._term(decode_point(self.proof.c_m, "C_m"), alpha + self.proof.parts[0].d_bar[0])
        for k, (part, commitment) in enumerate(zip(self.proof.parts, self.commitments, strict=True)):
            joint = deltas[k * columns]
            claimed = sum(map(int.__mul__, u_bar, part.d_bar))
            c_k = weights.c(self.shortfalls[k]) * inverse_n
            self.constant += joint * (gamma_beta * (c_k - claimed) % ORDER)
            self._term(commitment, joint * gamma_beta % ORDER * v_bar)
            for c, d_bar in enumerate(part.d_bar):
                delta, opening = deltas[k * columns + c], openings[k * columns + c]
                # The first column of all carries the table: f(α+D)(α+T) − (α+T) + m(α+D) = 0; others f(α+D) − 1 = 0.
                factor = 1 if k or c else table
                self._term(decode_point(part.c_f[c], "C_f"), delta * (alpha + d_bar) * factor - gamma)
                self._term(decode_point(part.c_d[c], "C_D"), opening)
                self.constant -= delta * factor + opening * d_bar

    def _term(self, point: Point, scalar: int) -> None:
        self.points.append(point)
        self.scalars.append(scalar % ORDER)
